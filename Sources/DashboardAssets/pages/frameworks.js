// Who launches tasks.

import { h, age, amount, count, facts, mebibytes, panel, state, time } from "./dom.js";
import { live, records } from "./live.js";
import { Table } from "./table.js";
import { heading } from "./overview.js";
import { taskTable } from "./tasks.js";

const link = (id) => `#/frameworks/${encodeURIComponent(id)}`;

export function frameworks(root) {
  const held = (name) => (one) => records.held(one.id)[name];
  const table = new Table({
    label: "Frameworks", fill: true, none: "No frameworks have subscribed.",
    sort: { id: "registered", descends: true },
    open: (one) => { location.hash = link(one.id); },
    columns: [
      { id: "name", title: "Name", width: "minmax(130px,2fr)", narrow: "minmax(90px,2fr)",
        value: (one) => one.name, cell: (one) => h("a", { href: link(one.id), text: one.name || one.id }) },
      { id: "id", title: "Framework", width: "100px", wide: true, value: (one) => one.id,
        cell: (one) => h("span", { class: "mono dim", text: one.id.slice(0, 12), title: one.id }) },
      { id: "state", title: "State", width: "120px", narrow: "112px", value: (one) => one.phase,
        cell: (one) => state(one.phase) },
      { id: "roles", title: "Roles", width: "minmax(70px,1fr)", wide: true,
        value: (one) => one.roles.join(", ") },
      { id: "tasks", title: "Tasks", width: "64px", narrow: "50px", end: true, value: held("tasks") },
      { id: "cpus", title: "CPU", width: "70px", wide: true, end: true, value: held("cpus"),
        cell: (one) => amount(records.held(one.id).cpus) },
      { id: "mem", title: "Memory", width: "90px", wide: true, end: true, value: held("mem"),
        cell: (one) => mebibytes(records.held(one.id).mem) },
      { id: "registered", title: "Registered", width: "150px", wide: true, end: true,
        value: (one) => one.registered, cell: (one) => time(one.registered) },
    ],
  });
  const all = h("input", { type: "checkbox", onchange: () => view.update() });
  root.append(...heading("Frameworks").filter(Boolean),
    h("div", { class: "tools" }, h("label", { class: "check" }, all, "those too that have ended")),
    table.element);
  const view = {
    update() {
      const version = `${records.version} ${all.checked}`;
      if (view.version === version) return;
      view.version = version;
      table.generation += 1;
      table.setRows([...records.frameworks.values()]
        .filter((one) => all.checked || one.phase !== "ended"));
    },
    close: () => table.close(),
  };
  return view;
}

/// Links only where a browser goes to the web with them.
const page = (url) => (/^https?:\/\//.test(url || "") ? h("a", { href: url, text: url }) : url);

export function framework(root, [id]) {
  const head = h("div");
  const table = taskTable(() => records, { noFramework: true });
  root.append(...heading(id, h("a", { href: "#/frameworks", text: "Frameworks" })), head,
    h("section", { class: "panel flush" }, h("h2", { text: "Tasks, ended ones too" }), table.element));
  const title = root.querySelector("h1");
  const view = {
    update() {
      const found = records.frameworks.get(id);
      if (!found) {
        const text = live.status === "connecting" ? "Waiting for the node." : "No such framework.";
        return head.replaceChildren(h("p", { class: "dim", text }));
      }
      if (view.version === records.version) return;
      view.version = records.version;
      title.textContent = found.name || id;
      const held = records.held(id);
      const timeout = found.failover ? `${amount(found.failover / 1000)} s` : "none: it ends at once";
      head.replaceChildren(h("div", { class: "grid" }, panel("", null, facts([
        ["Framework", h("code", { text: id })], ["State", state(found.phase)],
        ["Roles", found.roles.join(", ") || "*"], ["User", found.user],
        ["Principal", found.principal],
        ["Registered", `${time(found.registered)} (${age(found.registered)} ago)`],
        ["Back since", found.reregistered !== found.registered ? time(found.reregistered) : ""],
        ["Ended", found.ended ? time(found.ended) : ""], ["May be away", timeout],
        ["Holds", `${count(held.tasks, "task")}, ${amount(held.cpus)} CPU, ${mebibytes(held.mem)}`],
        ["Page", page(found.web)],
      ]))), h("p"));
      table.setRows([...records.tasks.values()].filter((one) => one.framework === id));
    },
    refresh: () => table.refresh(),
    close: () => table.close(),
  };
  return view;
}
