CREATE DOMAIN vector AS real[];

CREATE FUNCTION l2_distance(a vector, b vector) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT sqrt(sum((x - y) * (x - y))) FROM unnest(a::real[], b::real[]) AS pair(x, y) $$;

CREATE FUNCTION cosine_distance(a vector, b vector) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT 1 - sum(x * y) / (sqrt(sum(x * x)) * sqrt(sum(y * y))) FROM unnest(a::real[], b::real[]) AS pair(x, y) $$;
