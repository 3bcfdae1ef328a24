// The records of the datacenter, as they are told. Tasks and the others are replaced as whole
// objects when they change: what is the same object looks the same.

const ended = new Set([
  "finished", "failed", "killed", "lost", "error", "dropped", "gone", "gone_by_operator",
]);
export const isLive = (task) => !ended.has(task.state);
export const keyOf = (task) => `${task.framework}/${task.id}`;
export const since = (task) => (task.steps.length ? task.steps[task.steps.length - 1].time : 0);

export class Records {
  constructor() {
    this.agents = new Map();
    this.frameworks = new Map();
    this.tasks = new Map();
    this.revision = 0;
    this.version = 0;
  }

  replace(state) {
    this.agents = new Map(state.agents.map((agent) => [agent.id, agent]));
    this.frameworks = new Map(state.frameworks.map((framework) => [framework.id, framework]));
    this.tasks = new Map(state.tasks.map((task) => [keyOf(task), task]));
    this.revision = state.revision;
    this.time = state.time;
    this.version += 1;
    return this;
  }

  apply(changes) {
    for (const agent of changes.agents) this.agents.set(agent.id, agent);
    for (const framework of changes.frameworks) this.frameworks.set(framework.id, framework);
    for (const task of changes.tasks) {
      const key = keyOf(task);
      const known = this.tasks.get(key);
      // What it was launched with is told once.
      if (known && task.name === undefined && known.sandbox === task.sandbox) {
        task.name = known.name;
        task.command = known.command;
      }
      this.tasks.set(key, task);
    }
    for (const key of changes.gone_tasks) this.tasks.delete(key);
    for (const id of changes.gone_frameworks) this.frameworks.delete(id);
    this.revision = changes.revision;
    this.version += 1;
  }

  /// What tasks hold, by agent and by framework, and how many there are in each state.
  get books() {
    if (this.booked?.version === this.version) return this.booked;
    const books = { version: this.version, agents: new Map(), frameworks: new Map(),
      states: new Map(), live: 0 };
    for (const task of this.tasks.values()) {
      books.states.set(task.state, (books.states.get(task.state) || 0) + 1);
      if (!isLive(task)) continue;
      books.live += 1;
      for (const [table, id] of [[books.agents, task.agent], [books.frameworks, task.framework]]) {
        let sum = table.get(id);
        if (!sum) table.set(id, (sum = { tasks: 0, cpus: 0, mem: 0, disk: 0, gpus: 0 }));
        sum.tasks += 1;
        for (const name of ["cpus", "mem", "disk", "gpus"]) {
          sum[name] += task.resources[name] || 0;
        }
      }
    }
    this.booked = books;
    return books;
  }

  used(agent) { return this.books.agents.get(agent) || nothing; }
  held(framework) { return this.books.frameworks.get(framework) || nothing; }

  /// Of the agents that can be reached.
  get totals() {
    const totals = { cpus: 0, mem: 0, disk: 0, gpus: 0, used: { cpus: 0, mem: 0, disk: 0, gpus: 0 } };
    for (const agent of this.agents.values()) {
      if (agent.phase !== "reachable") continue;
      const used = this.used(agent.id);
      for (const name of ["cpus", "mem", "disk", "gpus"]) {
        totals[name] += agent.resources[name] || 0;
        totals.used[name] += used[name];
      }
    }
    return totals;
  }

  host(id) { return this.agents.get(id)?.hostname || id; }
  frameworkName(id) { return this.frameworks.get(id)?.name || id; }
}

const nothing = { tasks: 0, cpus: 0, mem: 0, disk: 0, gpus: 0 };
