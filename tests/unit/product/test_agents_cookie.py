"""The dashboard signs which agents service a browser comes back to, and says so when Caddy asks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI, HTTPException, Response
from fastapi.testclient import TestClient
from supercog_dashboard import agents
from supercog_shared.tokens import sign

KEY = ec.generate_private_key(ec.SECP256R1())


def settings(**changes: object) -> SimpleNamespace:
    known = {"agent_service": "", "agent_services": frozenset({"alice"}), "cookie_domain": "example.test"}
    return SimpleNamespace(dash_private_key=KEY, **known | changes)


def cookie(config: SimpleNamespace, wanted: str | None) -> str:
    answer = Response()
    agents.choose(answer, config, wanted)  # type: ignore[arg-type]
    return answer.headers.get("set-cookie", "")


def told(config: SimpleNamespace, value: str) -> str | None:
    """What Caddy is told of a cookie."""
    app = FastAPI()
    app.include_router(agents.router)
    app.state.settings = config
    answer = TestClient(app).get("/api/agent-service", headers={"Cookie": f"{agents.COOKIE}={value}"})
    assert answer.status_code == 204
    return answer.headers.get(agents.HEADER)


@pytest.mark.parametrize(
    ("default", "wanted", "name"), [("", "alice", "alice"), ("main", None, "main"), ("main", "alice", "alice")]
)
def test_what_is_chosen_comes_back(default: str, wanted: str | None, name: str) -> None:
    config = settings(agent_service=default)
    set_cookie = cookie(config, wanted)
    for attribute in ("Domain=example.test", "HttpOnly", "Secure", "SameSite=lax", "Max-Age=900"):
        assert attribute in set_cookie
    assert told(config, set_cookie.partition("=")[2].partition(";")[0]) == name


def test_without_a_choice_an_earlier_one_is_forgotten() -> None:
    assert 'agent_service=""' in cookie(settings(), None)
    assert "Max-Age=0" in cookie(settings(), None)
    assert cookie(settings(cookie_domain=""), "alice") == ""


@pytest.mark.parametrize("wanted", ["bob", "ALICE", "alice,bob", "evil.example:80"])
def test_a_name_that_is_not_known_is_refused(wanted: str) -> None:
    with pytest.raises(HTTPException) as refused:
        cookie(settings(), wanted)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "value",
    [
        "",
        "alice",
        "nonsense.nonsense.nonsense",
        sign(KEY, "alice", "engine"),
        sign(KEY, "bob", agents.AUDIENCE),
        sign(KEY, "alice", agents.AUDIENCE, now=1_000_000_000),
        sign(ec.generate_private_key(ec.SECP256R1()), "alice", agents.AUDIENCE),
    ],
)
def test_what_proves_nothing_names_nobody(value: str) -> None:
    assert told(settings(), value) is None
