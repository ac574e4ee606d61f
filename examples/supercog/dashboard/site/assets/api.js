// One way to the API. Every answer names the instance that gave it.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function api(method, path, body) {
  let answer;
  try {
    answer = await fetch(`/api${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "Supercog cannot be reached.");
  }
  const instance = answer.headers.get("X-Instance");
  if (instance) document.getElementById("instance").textContent = instance;
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null; // a proxy's own error page
  }
  if (!answer.ok) {
    const detail = value && typeof value.detail === "string" ? value.detail : `The request failed (${answer.status}).`;
    throw new ApiError(answer.status, detail);
  }
  return value;
}
