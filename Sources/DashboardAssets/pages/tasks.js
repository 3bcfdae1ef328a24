// Tasks; and one of them, with its sandbox and what it writes.

import { h, age, amount, count, facts, mebibytes, panel, state, time } from "./dom.js";
import { live, records } from "./live.js";
import { isLive, since } from "./model.js";
import { Table } from "./table.js";
import { heading } from "./overview.js";
import { sandbox } from "./sandbox.js";

const link = (one) =>
  `#/tasks/${encodeURIComponent(one.framework)}/${encodeURIComponent(one.id)}`;

export function taskTable(of, options = {}) {
  const columns = [
    { id: "id", title: "Task", width: "minmax(140px,2.2fr)", narrow: "minmax(90px,2fr)",
      value: (one) => one.id, cell: (one) => h("a", { href: link(one), text: one.id, title: one.id }) },
    { id: "name", title: "Name", width: "minmax(80px,1fr)", wide: true,
      value: (one) => one.name || "" },
    { id: "state", title: "State", width: "116px", narrow: "104px", value: (one) => one.state,
      cell: (one) => state(one.state) },
    { id: "framework", title: "Framework", width: "minmax(90px,1.2fr)", wide: true,
      value: (one) => of().frameworkName(one.framework) },
    { id: "agent", title: "Host", width: "minmax(80px,1fr)", wide: true,
      value: (one) => of().host(one.agent) },
    { id: "cpus", title: "CPU", width: "52px", wide: true, end: true,
      value: (one) => one.resources.cpus || 0, cell: (one) => amount(one.resources.cpus) },
    { id: "mem", title: "Memory", width: "72px", wide: true, end: true,
      value: (one) => one.resources.mem || 0, cell: (one) => mebibytes(one.resources.mem) },
    { id: "since", title: "For", width: "84px", narrow: "66px", end: true, value: since,
      cell: (one) => age(since(one)) },
  ];
  return new Table({
    label: "Tasks", fill: options.fill, none: options.none || "No tasks.",
    sort: { id: "since", descends: true },
    columns: columns.filter((column) => !options.noFramework || column.id !== "framework"),
    open: (one) => { location.hash = link(one); },
  });
}

const groups = {
  live: ["Live", isLive], all: ["All that are remembered", () => true],
  running: ["Running", (one) => one.state === "running"],
  pending: ["Not running yet", (one) => ["staging", "starting"].includes(one.state)],
  unreachable: ["Unreachable", (one) => one.state === "unreachable"],
  trouble: ["Failed, lost or in error", (one) =>
    ["failed", "lost", "error", "dropped", "gone", "gone_by_operator"].includes(one.state)],
  ended: ["Ended", (one) => !isLive(one)],
};

export function tasks(root, parts, query) {
  const table = taskTable(() => records, { fill: true, none: "No tasks match." });
  const words = h("input", { type: "search", class: "wide", placeholder: "Filter by id, name, framework, host",
    "aria-label": "Filter tasks", value: query.get("q") || "", oninput: () => keep() });
  const group = h("select", { "aria-label": "Which tasks", onchange: () => keep() },
    Object.entries(groups).map(([name, [text]]) => h("option", { value: name, text })));
  group.value = query.get("which") in groups ? query.get("which") : "live";
  const total = h("span", { class: "dim", role: "status" });
  root.append(...heading("Tasks").filter(Boolean), h("div", { class: "tools" }, words, group, total),
    table.element);

  /// The filter is part of the address, so that it can be sent to somebody.
  function keep() {
    const now = new URLSearchParams();
    if (words.value) now.set("q", words.value);
    if (group.value !== "live") now.set("which", group.value);
    const text = now.toString();
    history.replaceState(null, "", `#/tasks${text ? `?${text}` : ""}`);
    view.update();
  }

  const view = {
    update() {
      const version = `${records.version} ${group.value} ${words.value}`;
      if (view.version === version) return;
      view.version = version;
      const wanted = groups[group.value][1];
      const needles = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = [];
      for (const one of records.tasks.values()) {
        if (!wanted(one)) continue;
        if (needles.length > 0) {
          const text = `${one.id} ${one.name || ""} ${one.framework} ${one.agent} ${one.state} `
            + `${records.frameworkName(one.framework)} ${records.host(one.agent)}`;
          const low = text.toLowerCase();
          if (!needles.every((needle) => low.includes(needle))) continue;
        }
        found.push(one);
      }
      total.textContent = count(found.length, "task");
      table.setRows(found);
    },
    moved(next) {
      words.value = next.get("q") || "";
      group.value = next.get("which") in groups ? next.get("which") : "live";
      view.update();
    },
    refresh: () => table.refresh(),
    close: () => table.close(),
  };
  return view;
}

export function task(root, [frameworkID, id]) {
  const head = h("div");
  const files = h("div");
  root.append(...heading(id, h("a", { href: "#/tasks", text: "Tasks" })), head, files);
  let box = null;
  const view = {
    update() {
      const found = records.tasks.get(`${frameworkID}/${id}`);
      if (!found) {
        const text = live.status === "connecting" ? "Waiting for the node."
          : "No such task, or it is forgotten.";
        return head.replaceChildren(h("p", { class: "dim", text }));
      }
      if (view.shown !== found) {
        view.shown = found;
        head.replaceChildren(describe(found), h("p"));
      }
      // Another launch under the same id has another sandbox.
      if (box?.task.sandbox !== found.sandbox) {
        box?.close();
        box = sandbox(files, found);
      }
      box.task = found;
    },
    refresh() { view.shown = null; view.update(); },
    close: () => box?.close(),
  };
  return view;
}

function describe(found) {
  const framework = records.frameworks.get(found.framework);
  return h("div", { class: "grid" },
    panel("span7", null, facts([
      ["State", h("span", {}, state(found.state),
        found.kill_asked && isLive(found) ? h("span", { class: "dim", text: " · its end is asked for" }) : null)],
      ["Message", found.message || ""],
      ["Health", found.healthy === undefined ? "" : found.healthy ? "healthy" : "not healthy"],
      ["Name", found.name || ""],
      ["Framework", h("a", { href: `#/frameworks/${encodeURIComponent(found.framework)}`,
        text: framework?.name || found.framework })],
      ["Agent", h("a", { href: `#/agents/${encodeURIComponent(found.agent)}`,
        text: records.host(found.agent) })],
      ["Role", found.role], ["Resources", h("code", { text: found.resources.text })],
      ["Command", found.command ? h("code", { text: found.command }) : ""],
    ])),
    panel("span5", "What it went through", h("ol", { class: "steps" }, found.steps.map((step) =>
      h("li", {}, h("span", { class: "dim", text: time(step.time) }), state(step.state))))));
}
