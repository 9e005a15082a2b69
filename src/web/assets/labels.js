// The cells of the run, as they are told.

export const CLASSES = ["senescent", "proliferating", "uncertain", "atypical"];
/** Cells that are kept; the oldest go first. */
const MOST = 4096;

/** The cells of a run by their numbers, in the order in which they came. */
export class Cells {
  constructor() {
    this.clear();
  }

  clear() {
    this.bySeq = new Map();
    this.counts = Object.fromEntries(CLASSES.map((name) => [name, 0]));
    this.bins = new Uint32Array(20);
    this.marks = new Map();
  }

  /** Takes a label message; gives its cell, if it was not known. */
  add(message) {
    if (this.bySeq.has(message.seq)) return undefined;
    const cell = kept(message);
    this.bySeq.set(cell.seq, cell);
    this.counts[cell.label] += 1;
    this.bins[Math.min(19, Math.floor(cell.p * 20))] += 1;
    if (this.bySeq.size > MOST) this.bySeq.delete(this.bySeq.keys().next().value);
    return cell;
  }

  get total() {
    return CLASSES.reduce((sum, name) => sum + this.counts[name], 0);
  }

  /** The first cells in an order. */
  sorted(order, most) {
    const cells = [...this.bySeq.values()];
    if (order === "senescent") cells.sort((a, b) => b.p - a.p || b.seq - a.seq);
    else if (order === "uncertain") cells.sort((a, b) => b.entropy - a.entropy || b.seq - a.seq);
    else cells.reverse();
    return cells.slice(0, most);
  }

  /** The cell of a frame whose outline has a point in it, in pixels of the frame. */
  at(frame, x, y) {
    for (const cell of this.bySeq.values()) {
      const [left, top, width, height] = cell.bbox;
      if (cell.frame !== frame || x < left || y < top || x >= left + width || y >= top + height) continue;
      if (inside(cell.outline, x, y)) return cell;
    }
    return undefined;
  }
}

/** What is kept of a label: little, because thousands are. `p` is the probability of senescence. */
function kept({ seq, run, frame, cell, label, p, entropy, bbox, outline, area_um2, flags }) {
  const set = Object.keys(flags).filter((name) => flags[name] === true);
  return { seq, run, frame, cell, label, p: p[1], entropy, bbox, outline: Uint16Array.from(outline.flat()), area_um2, flags: set };
}

/** Whether a point lies in a polygon, whose corners are x and y in turn. */
function inside(outline, x, y) {
  let within = false;
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [outline[i], outline[i + 1], outline[j], outline[j + 1]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
  }
  return within;
}

/** A cell in words. */
export function describe(cell) {
  const percent = Math.round(100 * cell.p);
  const flags = cell.flags.map((name) => name.replaceAll("_", " "));
  const unusual = flags.length > 0 ? `; ${flags.join(", ")}` : "";
  return `Frame ${cell.frame}, cell ${cell.cell}: ${cell.label}, senescent with ${percent} %, `
    + `${Math.round(cell.area_um2)} µm²${unusual}`;
}
