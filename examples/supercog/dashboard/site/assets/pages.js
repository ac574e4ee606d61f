import { api } from "./api.js";
import { el, form, say, time } from "./dom.js";

export function signIn(done) {
  return el("section", { class: "card narrow" },
    el("h1", {}, "Sign in"),
    form({}, async (data) => {
      await api("POST", "/login", { email: data.get("email"), password: data.get("password") });
      await done();
    },
    el("label", { for: "email" }, "E-mail"),
    el("input", { id: "email", name: "email", type: "email", autocomplete: "username", required: true }),
    el("label", { for: "password" }, "Password"),
    el("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true }),
    el("button", {}, "Sign in")));
}

export async function runs() {
  const list = el("div", { id: "runs" });
  const refresh = async () => list.replaceChildren(table((await api("GET", "/runs")).runs));
  const start = form({}, async (data, made) => {
    const run = await api("POST", "/runs", { prompt: data.get("prompt") });
    made.reset();
    say("The run has started.");
    window.dispatchEvent(new CustomEvent("go", { detail: `/runs/${run.id}` }));
  },
  el("label", { for: "prompt" }, "What should the agent work on?"),
  el("textarea", { id: "prompt", name: "prompt", required: true, maxlength: 20000 }),
  el("button", {}, "Start run"));
  await refresh();
  return {
    title: "Runs",
    node: el("div", {}, el("h1", {}, "Runs"), el("section", { class: "card" }, start),
      el("section", { class: "card", "aria-label": "Recent runs" }, el("h2", {}, "Recent runs"), list)),
    refresh,
  };
}

function table(all) {
  if (!all.length) return el("p", { class: "soft" }, "There are no runs yet.");
  const head = ["Run", "Status", "From", "Started"];
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text, at) => el("th", { scope: "col", class: at > 1 ? "wide" : null }, text)))),
    el("tbody", {}, ...all.map((run) => el("tr", {},
      el("td", { class: "text" }, el("a", { href: `/runs/${run.id}`, "data-route": true }, run.prompt.slice(0, 120))),
      el("td", { class: run.status }, run.status),
      el("td", { class: "wide" }, run.origin),
      el("td", { class: "wide" }, time(run.created_at)))))));
}

export async function run(id) {
  const card = el("section", { class: "card", id: "run" });
  const refresh = async () => card.replaceChildren(details(await api("GET", `/runs/${encodeURIComponent(id)}`)));
  await refresh();
  return {
    title: "Run",
    node: el("div", {}, el("h1", {}, "Run"), card, el("p", {}, el("a", { href: "/", "data-route": true }, "All runs"))),
    refresh,
  };
}

function details(found) {
  const rows = [["Prompt", found.prompt], ["Status", found.status], ["From", `${found.owner} (${found.origin})`]];
  if (found.instance) rows.push(["Worked by", found.instance]);
  if (found.result) {
    rows.push(["Summary", found.result.summary], ["Keywords", found.result.keywords.join(", ") || "none"],
      ["Words", String(found.result.words)], ["Sentences", String(found.result.sentences)]);
  }
  return el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name),
    el("dd", { class: name === "Status" ? found.status : null, "data-field": name.toLowerCase() }, value)]));
}

export async function connections() {
  const { connections: all } = await api("GET", "/connections");
  const failed = new URLSearchParams(location.search).has("failed");
  const known = all.find((one) => one.provider === "salesforce");
  return {
    title: "Connections",
    node: el("div", {}, el("h1", {}, "Connections"), el("section", { class: "card" },
      el("h2", {}, "Salesforce"),
      failed ? el("p", { class: "error", role: "alert" }, "The connection was not made.") : null,
      known ? el("p", { class: "done" }, "Connected since ", time(known.updated_at)) : el("p", { class: "soft" }, "Not connected."),
      el("a", { class: "button", href: "/api/connections/salesforce/start" }, known ? "Connect again" : "Connect"))),
  };
}
