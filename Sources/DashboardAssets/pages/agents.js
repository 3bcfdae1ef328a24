// The machines, with what they have and what is held of it.

import { h, age, amount, bar, facts, mebibytes, panel, state, time } from "./dom.js";
import { live, records } from "./live.js";
import { isLive } from "./model.js";
import { Table } from "./table.js";
import { heading, resourceBars } from "./overview.js";
import { taskTable } from "./tasks.js";

const link = (kind, id) => `#/${kind}/${encodeURIComponent(id)}`;

const stateOf = (agent) =>
  agent.phase === "reachable" && agent.mode !== "active" ? agent.mode : agent.phase;

/// A table of agents of a moment.
export function agentTable(of, options = {}) {
  const part = (name, text) => (agent) => {
    const total = agent.resources[name] || 0;
    const used = of().used(agent.id)[name];
    return bar(used, total, `${text(used)} / ${text(total)}`);
  };
  const share = (name) => (agent) =>
    agent.resources[name] ? of().used(agent.id)[name] / agent.resources[name] : 0;
  return new Table({
    label: "Agents", fill: options.fill, none: "No agents.",
    open: (agent) => { location.hash = link("agents", agent.id); },
    columns: [
      { id: "host", title: "Host", width: "minmax(120px,1.3fr)", narrow: "minmax(80px,1.2fr)",
        value: (agent) => agent.hostname,
        cell: (agent) => h("a", { href: link("agents", agent.id), text: agent.hostname || agent.id }) },
      { id: "id", title: "Agent", width: "90px", wide: true, value: (agent) => agent.id,
        cell: (agent) => h("span", { class: "mono dim", text: agent.id.slice(0, 10), title: agent.id }) },
      { id: "state", title: "State", width: "110px", narrow: "92px", value: stateOf,
        cell: (agent) => state(stateOf(agent)) },
      { id: "tasks", title: "Tasks", width: "56px", narrow: "44px", end: true,
        value: (agent) => of().used(agent.id).tasks },
      { id: "cpus", title: "CPU", width: "minmax(90px,1fr)", narrow: "minmax(60px,1fr)",
        value: share("cpus"), cell: part("cpus", amount) },
      { id: "mem", title: "Memory", width: "minmax(120px,1.2fr)", wide: true,
        value: share("mem"), cell: part("mem", mebibytes) },
      { id: "disk", title: "Disk", width: "minmax(120px,1.2fr)", wide: true,
        value: share("disk"), cell: part("disk", mebibytes) },
    ],
  });
}

export function agents(root) {
  const table = agentTable(() => records, { fill: true });
  const all = h("input", { type: "checkbox", onchange: () => view.update() });
  root.append(...heading("Agents").filter(Boolean),
    h("div", { class: "tools" }, h("label", { class: "check" }, all, "those too that are gone")),
    table.element);
  const view = {
    update() {
      const version = `${records.version} ${all.checked}`;
      if (view.version === version) return;
      view.version = version;
      // What is held of an agent changes without its record.
      table.generation += 1;
      table.setRows([...records.agents.values()]
        .filter((one) => all.checked || one.phase !== "gone"));
    },
    close: () => table.close(),
  };
  return view;
}

export function agent(root, [id]) {
  const head = h("div");
  const table = taskTable(() => records);
  root.append(...heading(id, h("a", { href: "#/agents", text: "Agents" })), head,
    h("section", { class: "panel flush" }, h("h2", { text: "Tasks" }), table.element));
  const title = root.querySelector("h1");
  const view = {
    update() {
      const found = records.agents.get(id);
      if (!found) {
        const text = live.status === "connecting" ? "Waiting for the node." : "No such agent.";
        return head.replaceChildren(h("p", { class: "dim", text }));
      }
      if (view.version === records.version) return;
      view.version = records.version;
      title.textContent = found.hostname || id;
      head.replaceChildren(h("div", { class: "grid" },
        panel("span6", null, facts([
          ["Agent", h("code", { text: id })], ["State", state(stateOf(found))],
          ["Since", `${time(found.since)} (${age(found.since)})`],
          ["Registered", time(found.registered)],
          ["Serves", found.url ? h("a", { href: `${found.url}/state`, text: found.url }) : "–"],
          ["Attributes", found.attributes.join(", ")],
          ["Resources", h("code", { text: found.resources.text })],
        ])),
        panel("span6", "Held", resourceBars(found.resources, records.used(id)))), h("p"));
      table.setRows([...records.tasks.values()].filter((one) => one.agent === id && isLive(one)));
    },
    refresh: () => table.refresh(),
    close: () => table.close(),
  };
  return view;
}
