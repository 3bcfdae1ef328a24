// A table that holds any number of rows and has elements for those in sight only.
//
// Its rows are reached with Tab, gone through with the arrow keys, Page Up and Down, Home and End,
// and opened with Enter.

import { h } from "./dom.js";

const rowHeight = 30;
const margin = 8;

export class Table {
  /// columns: { id, title, width, narrow, end, wide, value(row), cell(row) }; `narrow` is the
  /// width on small screens, where columns that are `wide` are left out.
  constructor({ label, columns, sort, open, fill, none }) {
    this.columns = columns;
    this.sort = sort || { id: columns[0].id, descends: false };
    this.open = open;
    this.none = none || "Nothing here.";
    this.rows = [];
    this.elements = new Map();
    this.active = 0;
    this.generation = 0;
    this.head = h("div", { class: "vt-head", role: "row" }, columns.map((column) => this.title(column)));
    this.space = h("div", { class: "vt-space" });
    this.body = h("div", { class: "vt-body", role: "rowgroup" }, this.space);
    this.element = h("div", { class: fill ? "vt fill" : "vt", role: "table", "aria-label": label },
      h("div", { role: "rowgroup" }, this.head), this.body);
    this.element.style.setProperty("--cols", columns.map((column) => column.width).join(" "));
    this.element.style.setProperty("--cols-narrow", columns.filter((column) => !column.wide)
      .map((column) => column.narrow || column.width).join(" "));
    this.body.addEventListener("scroll", () => this.later(), { passive: true });
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => this.later());
    this.observer.observe(this.body);
  }

  title(column) {
    const cell = h("div", {
      role: "columnheader", class: this.classOf(column), "aria-sort": "none",
    }, h("button", { type: "button", text: column.title, onclick: () => {
      const descends = this.sort.id === column.id ? !this.sort.descends : Boolean(column.end);
      this.sort = { id: column.id, descends };
      this.setRows(this.rows);
    } }));
    column.head = cell;
    return cell;
  }

  classOf(column) { return `${column.end ? "end " : ""}${column.wide ? "wide" : ""}`; }

  setRows(rows) {
    const column = this.columns.find((one) => one.id === this.sort.id) || this.columns[0];
    const sign = this.sort.descends ? -1 : 1;
    const keyed = rows.map((row) => [column.value(row), row]);
    keyed.sort((one, other) => {
      const [a, b] = [one[0], other[0]];
      return a === b ? 0 : a < b ? -sign : sign;
    });
    this.rows = keyed.map((pair) => pair[1]);
    for (const one of this.columns) {
      const order = one !== column ? "none" : this.sort.descends ? "descending" : "ascending";
      one.head.setAttribute("aria-sort", order);
    }
    this.element.setAttribute("aria-rowcount", this.rows.length + 1);
    this.space.style.setProperty("height", `${Math.max(this.rows.length, 2) * rowHeight}px`);
    this.active = Math.min(this.active, Math.max(0, this.rows.length - 1));
    if (this.rows.length === 0) {
      this.empty ||= h("div", { class: "vt-none", text: this.none });
      this.space.append(this.empty);
    } else {
      this.empty?.remove();
    }
    this.draw();
  }

  /// What a cell says may have changed although its row has not: ages do.
  refresh() {
    this.generation += 1;
    this.draw();
  }

  later() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
    });
  }

  draw() {
    const top = this.body.scrollTop;
    const first = Math.max(0, Math.floor(top / rowHeight) - margin);
    const height = this.body.clientHeight || 600;
    const last = Math.min(this.rows.length, Math.ceil((top + height) / rowHeight) + margin);
    const free = [];
    for (const [place, element] of this.elements) {
      if (place < first || place >= last) {
        if (element === document.activeElement) continue;
        free.push(element);
        this.elements.delete(place);
      }
    }
    for (let place = first; place < last; place += 1) {
      let element = this.elements.get(place);
      if (!element) {
        element = free.pop() || this.makeRow();
        this.elements.set(place, element);
        element.place = place;
        element.style.setProperty("top", `${place * rowHeight}px`);
        element.setAttribute("aria-rowindex", place + 2);
        if (!element.isConnected) this.space.append(element);
      }
      this.fillRow(element, this.rows[place]);
      element.tabIndex = place === this.active ? 0 : -1;
    }
    for (const element of free) element.remove();
  }

  makeRow() {
    return h("div", { class: "vt-row", role: "row", onclick: (event) => {
      this.active = event.currentTarget.place;
      if (!event.target.closest("a")) this.open?.(this.rows[this.active]);
    } }, this.columns.map((column) => h("div", { role: "cell", class: this.classOf(column) })));
  }

  fillRow(element, row) {
    if (element.row === row && element.generation === this.generation) return;
    element.row = row;
    element.generation = this.generation;
    this.columns.forEach((column, place) => {
      const cell = element.children[place];
      const content = column.cell ? column.cell(row) : String(column.value(row));
      if (typeof content === "string") {
        if (cell.textContent !== content || cell.firstElementChild) cell.textContent = content;
        cell.title = content;
      } else {
        cell.replaceChildren(content);
      }
    });
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.body.clientHeight / rowHeight) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page,
      Home: -Infinity, End: Infinity };
    if (event.key === "Enter" && event.target.classList.contains("vt-row")) {
      this.open?.(this.rows[this.active]);
      event.preventDefault();
    }
    if (!(event.key in steps) || this.rows.length === 0) return;
    event.preventDefault();
    this.active = Math.max(0, Math.min(this.rows.length - 1, this.active + steps[event.key]));
    const top = this.active * rowHeight;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    const bottom = top + rowHeight - this.body.clientHeight;
    if (bottom > this.body.scrollTop) this.body.scrollTop = bottom;
    this.draw();
    this.elements.get(this.active)?.focus({ preventScroll: true });
  }

  close() { this.observer.disconnect(); }
}
