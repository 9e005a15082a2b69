// The cells as small pictures, in the order that somebody wants.

import { describe } from "./labels.js";

/** Cells that are shown, and the edge of their pictures in pixels. */
const SHOWN = 200;
export const EDGE = 72;
/** Pictures that are kept. */
const PICTURES = 1000;
const REDRAW_MS = 400;

function text(name) {
  return Object.assign(document.createElement("span"), { className: name });
}

export class Gallery {
  /** `select(cell)` is called when somebody chooses one. */
  constructor(list, cells, select) {
    this.list = list;
    this.cells = cells;
    this.select = select;
    this.order = "newest";
    this.pictures = new Map();
    this.items = new Map();
    this.selected = undefined;
    this.waiting = undefined;
    list.addEventListener("click", (event) => this.choose(event.target.closest("li")));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  clear() {
    this.pictures.clear();
    this.items.clear();
    this.list.replaceChildren();
    this.selected = undefined;
  }

  keep(cell, picture) {
    if (picture === undefined) return;
    this.pictures.set(cell.seq, picture);
    if (this.pictures.size > PICTURES) this.pictures.delete(this.pictures.keys().next().value);
  }

  /** Shows what has changed, soon: many cells come at once. */
  refresh() {
    this.waiting ??= setTimeout(() => {
      this.waiting = undefined;
      this.show();
    }, REDRAW_MS);
  }

  show() {
    const cells = this.cells.sorted(this.order, SHOWN);
    const wanted = new Set(cells.map((cell) => cell.seq));
    for (const seq of this.items.keys()) if (!wanted.has(seq)) this.items.delete(seq);
    const items = cells.map((cell) => this.item(cell));
    // What stands there already is left alone: it may have the focus.
    if (items.length !== this.list.children.length || items.some((item, at) => this.list.children[at] !== item)) {
      this.list.replaceChildren(...items);
    }
  }

  item(cell) {
    let item = this.items.get(cell.seq);
    if (!item) {
      item = document.createElement("li");
      item.id = `cell-${cell.seq}`;
      item.dataset.seq = cell.seq;
      item.setAttribute("role", "option");
      const empty = Object.assign(document.createElement("canvas"), { width: EDGE, height: EDGE });
      item.append(this.pictures.get(cell.seq)?.canvas ?? empty, text("label"), text("unseen"));
      this.items.set(cell.seq, item);
    }
    const [, words, more] = item.children;
    const mark = this.cells.marks.get(cell.seq);
    words.textContent = mark ? `✎ ${mark}` : `${cell.label} ${Math.round(100 * cell.p)}\u00a0%`;
    words.className = `label ${cell.label}${mark ? " marked" : ""}`;
    more.textContent = describe(cell);
    item.setAttribute("aria-selected", String(cell.seq === this.selected));
    return item;
  }

  choose(item) {
    if (!item) return;
    const cell = this.cells.bySeq.get(Number(item.dataset.seq));
    this.selected = cell?.seq;
    this.list.setAttribute("aria-activedescendant", item.id);
    this.show();
    item.scrollIntoView({ block: "nearest" });
    this.select(cell);
  }

  key(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const items = [...this.list.children];
    const at = items.findIndex((item) => Number(item.dataset.seq) === this.selected);
    const step = steps[event.key];
    const next = { Home: 0, End: items.length - 1 }[event.key] ?? (step === undefined ? undefined : Math.max(0, at + step));
    if (next === undefined || items.length === 0) return;
    event.preventDefault();
    this.choose(items[Math.min(next, items.length - 1)]);
  }
}
