// Services and their deployments, as Marathon's API tells them, where this port serves it.

import { h, amount, ask, mebibytes, panel, state } from "./dom.js";
import { live } from "./live.js";
import { Table } from "./table.js";
import { heading } from "./overview.js";

const health = (app) => {
  if (app.deployments?.length) return ["deploying", "staging"];
  if (app.tasksUnhealthy > 0) return [`${app.tasksUnhealthy} unhealthy`, "failed"];
  if (app.tasksRunning < app.instances) return ["waiting", "unreachable"];
  return app.instances === 0 ? ["suspended", ""] : ["running", "running"];
};

const shown = (app) => {
  const [text, name] = health(app);
  return state(name, text);
};

export function services(root) {
  const note = h("p", { class: "dim", role: "status" });
  let deployments = h("div");
  const table = new Table({
    label: "Services", none: "No services.",
    columns: [
      { id: "id", title: "Service", width: "minmax(140px,2fr)", narrow: "minmax(100px,2fr)",
        value: (app) => app.id },
      { id: "state", title: "State", width: "120px", narrow: "104px", value: (app) => health(app)[0],
        cell: shown },
      { id: "instances", title: "Instances", width: "90px", narrow: "74px", end: true,
        value: (app) => app.tasksRunning, cell: (app) => `${app.tasksRunning || 0} of ${app.instances}` },
      { id: "healthy", title: "Healthy", width: "80px", wide: true, end: true,
        value: (app) => app.tasksHealthy || 0,
        cell: (app) => (app.healthChecks?.length ? String(app.tasksHealthy || 0) : "–") },
      { id: "cpus", title: "CPU each", width: "80px", wide: true, end: true,
        value: (app) => app.cpus || 0, cell: (app) => amount(app.cpus) },
      { id: "mem", title: "Memory each", width: "100px", wide: true, end: true,
        value: (app) => app.mem || 0, cell: (app) => mebibytes(app.mem) },
      { id: "what", title: "Runs", width: "minmax(120px,2fr)", wide: true,
        value: (app) => app.cmd || app.container?.docker?.image || (app.args || []).join(" ") },
      { id: "version", title: "Version", width: "200px", wide: true, end: true,
        value: (app) => app.version || "" },
    ],
  });
  const grid = h("div", { class: "grid" },
    h("section", { class: "panel flush" }, table.element), deployments);
  root.append(...heading("Services").filter(Boolean), note, grid);
  grid.hidden = true;
  const stop = new AbortController();

  async function look() {
    try {
      const [apps, running] = await Promise.all([
        ask("/v2/apps?embed=apps.counts&embed=apps.deployments", stop.signal),
        ask("/v2/deployments", stop.signal)]);
      grid.hidden = false;
      note.textContent = "";
      table.setRows(apps.apps);
      const next = deploymentPanel(running);
      deployments.replaceWith(next);
      deployments = next;
    } catch (error) {
      if (stop.signal.aborted) return;
      grid.hidden = true;
      note.textContent = error.status === 404
        ? "No services: this node's HTTP port does not serve Marathon's API."
        : `The services cannot be told now: ${error.message}`;
    }
  }

  function deploymentPanel(running) {
    const rows = running.map((one) => h("tr", {}, h("td", { text: one.affectedApps?.join(", ") || "–" }),
      h("td", { text: `${one.currentStep} of ${one.totalSteps}` }),
      h("td", { text: (one.currentActions || []).map((action) =>
        `${action.action} ${action.app || ""}`).join(", ") }),
      h("td", { class: "wide mono dim", text: one.id })));
    return panel("", "Deployments", rows.length === 0
      ? h("p", { class: "dim", text: "None in progress." })
      : h("div", { class: "scroll" }, h("table", { class: "plain" }, h("thead", {}, h("tr", {},
        h("th", { scope: "col", text: "Services" }), h("th", { scope: "col", text: "Step" }),
        h("th", { scope: "col", text: "Now" }), h("th", { scope: "col", class: "wide", text: "Deployment" }))),
      h("tbody", {}, rows))));
  }

  const view = {
    update() {
      if (view.seen === live.services && live.status === view.status) return;
      view.seen = live.services;
      view.status = live.status;
      look();
    },
    close() { stop.abort(); table.close(); },
  };
  return view;
}
