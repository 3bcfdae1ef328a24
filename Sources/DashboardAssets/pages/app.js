// The frame around the pages: which one is shown, the state of the stream, the colours.

import { h, time } from "./dom.js";
import { live, records, connect } from "./live.js";
import { overview } from "./overview.js";
import { agents, agent } from "./agents.js";
import { frameworks, framework } from "./frameworks.js";
import { tasks, task } from "./tasks.js";
import { services } from "./services.js";
import { keys } from "./keys.js";
import { timeline } from "./timeline.js";

const pages = [
  { path: "", title: "Overview", view: overview },
  { path: "agents", title: "Agents", view: agents, one: agent, count: () => records.agents.size },
  { path: "frameworks", title: "Frameworks", view: frameworks, one: framework,
    count: () => records.frameworks.size },
  { path: "tasks", title: "Tasks", view: tasks, one: task, count: () => records.books.live },
  { path: "services", title: "Services", view: services },
  { path: "keys", title: "Keys", view: keys },
  { path: "timeline", title: "Timeline", view: timeline },
];

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const pill = document.getElementById("live");
const where = document.getElementById("where");

let shown = null;

/// `#/tasks/a/b?state=all` is the page "tasks", its parts "a" and "b", and its query.
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = path.split("/").map(decodeURIComponent);
  return { name, parts, query: new URLSearchParams(query || "") };
}

function show() {
  const { name, parts, query } = address();
  const page = pages.find((one) => one.path === name) || pages[0];
  if (shown?.page === page && shown.parts.join("/") === parts.join("/") && shown.view.moved) {
    shown.view.moved(query);
    return;
  }
  shown?.view.close?.();
  main.replaceChildren();
  const make = parts.length > 0 && page.one ? page.one : page.view;
  shown = { page, parts, view: make(main, parts, query) };
  document.title = `${page.title} · Keelson`;
  for (const link of nav.children) {
    const isHere = link.dataset.path === page.path;
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isHere && nav.scrollWidth > nav.clientWidth) {
      nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2;
    }
  }
  update();
  window.scrollTo(0, 0);
}

function update() {
  updateStatus();
  for (const link of nav.children) {
    const count = pages.find((one) => one.path === link.dataset.path).count?.();
    link.lastElementChild.textContent = count ? count.toLocaleString("en") : "";
  }
  shown?.view.update?.();
}

function updateStatus() {
  const { overview, status } = live;
  let text = { connecting: "connecting", live: "live", refused: "not allowed" }[status];
  if (status === "stale") {
    text = `stale since ${time(live.staleSince)}`;
    if (live.tried) text += ` · asking ${live.tried}`;
  }
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = `pill ${status === "refused" ? "stale" : status}`;
  document.documentElement.dataset.live = status;
  const from = new URLSearchParams(location.search).get("from");
  const moved = from ? ` · moved here from ${from}, which does not answer` : "";
  const here = overview ? `${overview.name || overview.id} · revision ${overview.revision}` : "";
  where.textContent = here + moved;
  where.title = where.textContent;
}

function setUpNavigation() {
  nav.append(...pages.map((page) =>
    h("a", { href: `#/${page.path}`, "data-path": page.path }, page.title,
      h("span", { class: "count" }))));
  // What is behind the hash is the page; to it goes the focus, so that a reader starts there.
  window.addEventListener("hashchange", (event) => {
    show();
    const path = (url) => new URL(url).hash.split("?")[0];
    if (path(event.oldURL) !== path(event.newURL)) main.querySelector("h1")?.focus();
  });
}

function setUpColours() {
  const button = document.getElementById("theme");
  const names = { "": "Auto", light: "Light", dark: "Dark" };
  const use = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = names[theme];
    button.setAttribute("aria-label", `Colours: ${names[theme]}`);
  };
  let theme = localStorage.getItem("theme") || "";
  if (!(theme in names)) theme = "";
  use(theme);
  button.addEventListener("click", () => {
    theme = { "": "light", light: "dark", dark: "" }[theme];
    localStorage.setItem("theme", theme);
    use(theme);
  });
}

setUpNavigation();
setUpColours();
live.listeners.add(update);
connect();
show();
setInterval(() => shown?.view.refresh?.(), 10_000);
