import { api } from "./api.js";
import { el, say } from "./dom.js";
import * as pages from "./pages.js";

const main = document.getElementById("main");
let user = null;
let page = null;
let events = null;
let visit = 0;

function route(path) {
  if (path === "/") return pages.runs();
  const run = path.match(/^\/runs\/([0-9a-f-]{36})$/);
  if (run) return pages.run(run[1]);
  if (path === "/sconnections") return pages.connections();
  return { title: "Not found", node: el("p", {}, "There is no such page.") };
}

async function show(focus = false) {
  const mine = ++visit;
  try {
    const made = await route(location.pathname);
    if (mine !== visit) return; // the user has gone on meanwhile
    page = made;
    document.title = `${made.title} · Supercog`;
    main.replaceChildren(made.node);
  } catch (problem) {
    if (problem.status === 401) return signedOut();
    main.replaceChildren(el("p", { class: "error", role: "alert" }, problem.message));
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (focus) main.focus();
}

function go(path) {
  history.pushState(null, "", path);
  return show(true);
}

function signedOut() {
  user = null;
  page = null;
  visit++;
  events?.close();
  events = null;
  document.getElementById("nav").hidden = true;
  document.getElementById("who").replaceChildren();
  document.title = "Sign in · Supercog";
  main.replaceChildren(pages.signIn(start));
  main.querySelector("input").focus();
}

async function signOut() {
  try {
    await api("POST", "/logout");
    signedOut();
  } catch (problem) {
    say(problem.message);
  }
}

async function refresh() {
  try {
    await page?.refresh?.();
  } catch (problem) {
    if (problem.status === 401) signedOut(); // anything else: the next event tries again
  }
}

function listen() {
  events = new EventSource("/api/events");
  events.onopen = refresh; // what happened while nobody listened
  events.onmessage = refresh;
}

async function start() {
  try {
    user = await api("GET", "/me");
  } catch (problem) {
    if (problem.status === 401) return signedOut();
    main.replaceChildren(el("p", { class: "error", role: "alert" }, problem.message));
    return;
  }
  document.getElementById("nav").hidden = false;
  document.getElementById("who").replaceChildren(
    el("span", {}, user.email),
    el("button", { class: "plain", type: "button", onclick: signOut }, "Sign out"),
  );
  await show();
  listen();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-route]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (user) go(link.getAttribute("href"));
});
window.addEventListener("go", (event) => go(event.detail));
window.addEventListener("popstate", () => user && show(true));
start();
