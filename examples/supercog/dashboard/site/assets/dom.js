// Elements from data. Text stays text: nothing that a user wrote is ever read as HTML.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function time(iso) {
  return el("time", { datetime: iso }, new Date(iso).toLocaleString());
}

export function say(text) {
  document.getElementById("status").textContent = text;
}

// Runs the work of a form: one at a time, its error shown where the user looks.
export function form(attributes, work, ...children) {
  const error = el("p", { class: "error", role: "alert" });
  const made = el("form", attributes, ...children, error);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = made.querySelector("button");
    error.textContent = "";
    button.disabled = true;
    try {
      await work(new FormData(made), made);
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      button.disabled = false;
    }
  });
  return made;
}
