// The frame as it is scanned, row by row, with the outlines of its cells and a map over one of them.

/** Red, green, blue of a channel at its full contrast. */
const TINTS = { SRS: [255, 214, 0], TPEF: [0, 200, 83], TRANS: [150, 150, 150] };
const OTHER_TINTS = [[255, 214, 0], [0, 200, 83], [150, 150, 150]];
/** Outlines lie on a dark picture, whatever the colours of the page. */
const COLOURS = { senescent: "#ff9e2c", proliferating: "#56b4e9", uncertain: "#ffffff", atypical: "#f0a6d2" };
const DASHES = { uncertain: [3, 2], atypical: [1, 2] };
/** Part of the samples that may be darker or brighter than the automatic contrast. */
const TAIL = 0.002;

export class Frame {
  constructor(picture, outlines, pointer) {
    this.canvases = [picture, outlines, pointer];
    [this.picture, this.outlines, this.pointer] = this.canvases.map((canvas) => canvas.getContext("2d"));
    this.shape = "";
    /** The frame that is scanned, and that before, which stays in view until it is scanned over. */
    this.number = -1;
    this.before = { number: -1, canvas: document.createElement("canvas") };
    this.rows = 0;
    this.contrast = [];
    this.dirty = [0, 0];
    this.drawn = new Set();
  }

  /** A run begins, with these channels in the order of the samples. */
  begin(channels) {
    this.number = -1;
    this.before.number = -1;
    this.rows = 0;
    this.contrast = channels.map((channel, index) => ({
      name: channel.name,
      tint: TINTS[channel.name] ?? OTHER_TINTS[index % 3],
      on: true,
      low: 0,
      high: 1,
      from: 0,
      to: 1,
      counts: new Uint32Array(4096),
      bits: channel.bit_depth ?? 16,
    }));
  }

  /** Takes rows of the present frame. Whether they begin another one. */
  take(rows) {
    const shape = `${rows.width}x${rows.height}x${rows.channels}`;
    if (shape !== this.shape) {
      this.shape = shape;
      this.width = rows.width;
      this.height = rows.height;
      this.planes = Array.from({ length: rows.channels }, () => new Uint16Array(rows.width * rows.height));
      this.image = new ImageData(rows.width, rows.height);
      this.image.data.fill(255);
      this.before.number = -1;
      for (const canvas of [...this.canvases, this.before.canvas]) {
        canvas.width = rows.width;
        canvas.height = rows.height;
      }
      this.canvases[0].parentElement.style.aspectRatio = `${rows.width} / ${rows.height}`;
    }
    const another = rows.frame !== this.number || rows.firstRow < this.rows;
    if (another) this.turn(rows.frame);
    this.factor = rows.factor;
    const size = rows.rows * rows.width;
    this.planes.forEach((plane, channel) => {
      const samples = rows.samples.subarray(channel * size, (channel + 1) * size);
      plane.set(samples, rows.firstRow * rows.width);
      const contrast = this.contrast[channel];
      if (contrast) for (let i = 0; i < size; i += 7) contrast.counts[Math.min(4095, samples[i] >> 4)] += 1;
    });
    this.rows = rows.firstRow + rows.rows;
    this.outlines.clearRect(0, rows.firstRow, this.width, rows.rows);
    if (this.pointed !== this.number) this.pointer.clearRect(0, rows.firstRow, this.width, rows.rows);
    if (!this.settled && this.rows > this.height / 8) {
      this.settleContrast();
      this.touch(0, this.rows);
    }
    this.touch(rows.firstRow, this.rows);
    return another;
  }

  /** Another frame begins. */
  turn(number) {
    this.draw();
    this.before.number = this.number;
    this.before.canvas.getContext("2d").drawImage(this.canvases[0], 0, 0);
    this.number = number;
    this.rows = 0;
    this.drawn.clear();
    this.settleContrast();
  }

  /** The range of counts from which each channel is drawn: that of the last frame. */
  settleContrast() {
    for (const contrast of this.contrast) {
      const total = contrast.counts.reduce((sum, count) => sum + count, 0);
      if (total < 1000) continue;
      const quantile = (part) => {
        let left = part * total;
        const bin = contrast.counts.findIndex((count) => (left -= count) <= 0);
        return 16 * Math.max(0, bin);
      };
      contrast.from = quantile(TAIL);
      contrast.to = Math.max(contrast.from + 16, quantile(1 - TAIL) + 16);
      contrast.counts.fill(0);
      this.settled = true;
    }
  }

  /** Rows must be drawn again. */
  touch(from, to) {
    this.dirty = this.dirty[0] === this.dirty[1]
      ? [from, to]
      : [Math.min(from, this.dirty[0]), Math.max(to, this.dirty[1])];
  }

  /** All of it must be drawn again: the contrast has changed. */
  touchAll() {
    this.touch(0, this.height ?? 0);
  }

  /** Draws what has changed. */
  draw() {
    const [from, to] = this.dirty;
    if (from === to || !this.image) return;
    this.dirty = [0, 0];
    const { data } = this.image;
    const start = from * this.width;
    const end = to * this.width;
    const channels = this.contrast.slice(0, this.planes.length).map((contrast, index) => {
      const span = contrast.to - contrast.from;
      const low = contrast.from + contrast.low * span;
      const scale = 1 / Math.max(1, (contrast.high - contrast.low) * span);
      return { plane: this.planes[index], low, scale: contrast.on ? scale : 0, tint: contrast.tint };
    });
    for (let i = start; i < end; i += 1) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (const { plane, low, scale, tint } of channels) {
        const value = Math.min(1, Math.max(0, (plane[i] - low) * scale));
        red += value * tint[0];
        green += value * tint[1];
        blue += value * tint[2];
      }
      // The array clamps.
      data[4 * i] = red;
      data[4 * i + 1] = green;
      data[4 * i + 2] = blue;
    }
    this.picture.putImageData(this.image, 0, 0, 0, from, this.width, to - from);
  }

  /** Whether the rows of a cell are still to come. */
  awaits(cell) {
    const end = (cell.bbox[1] + cell.bbox[3]) / this.factor + 2;
    return cell.frame > this.number || (cell.frame === this.number && this.rows < Math.min(end, this.height));
  }

  /** Draws outlines of cells that are not drawn yet. */
  outline(cells) {
    for (const frame of [this.number, this.before.number]) {
      const paths = {};
      for (const cell of cells) {
        if (cell.frame !== frame || this.drawn.has(cell.seq)) continue;
        this.drawn.add(cell.seq);
        paths[cell.label] ??= new Path2D();
        this.trace(paths[cell.label], cell);
      }
      this.within(this.outlines, frame, () => {
        for (const [name, path] of Object.entries(paths)) this.stroke(this.outlines, path, name, 1.5);
      });
    }
  }

  /** Draws where a frame is in view: that before where it is not scanned over. */
  within(context, frame, draw) {
    context.save();
    if (frame !== this.number) {
      const region = new Path2D();
      region.rect(0, this.rows, this.width, this.height - this.rows);
      context.clip(region);
    }
    draw();
    context.restore();
  }

  trace(path, cell) {
    for (let at = 0; at < cell.outline.length; at += 2) {
      const [x, y] = [(cell.outline[at] + 0.5) / this.factor, (cell.outline[at + 1] + 0.5) / this.factor];
      if (at === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    path.closePath();
  }

  stroke(context, path, name, width) {
    context.strokeStyle = COLOURS[name];
    context.lineWidth = (width * this.width) / 512;
    context.setLineDash((DASHES[name] ?? []).map((dash) => (dash * this.width) / 256));
    context.stroke(path);
  }

  /** Shows a cell, with a map over it. */
  point(cell, map, opacity) {
    const context = this.pointer;
    context.clearRect(0, 0, this.width ?? 0, this.height ?? 0);
    this.pointed = cell?.frame;
    if (!cell || ![this.number, this.before.number].includes(cell.frame)) return;
    this.within(context, cell.frame, () => {
      if (map) {
        const [x, y, width, height] = map.bbox.map((value) => value / this.factor);
        context.globalAlpha = opacity;
        context.drawImage(map.image, x, y, width, height);
        context.globalAlpha = 1;
      }
      const path = new Path2D();
      this.trace(path, cell);
      this.stroke(context, path, cell.label, 3.5);
    });
  }

  /** A small picture of a cell, with its place in pixels of the frame; nothing when its pixels are gone. */
  thumbnail(cell, edge) {
    const from = { [this.before.number]: this.before.canvas, [this.number]: this.canvases[0] }[cell.frame];
    if (!from) return undefined;
    this.draw();
    const [x, y, width, height] = cell.bbox.map((value) => value / this.factor);
    const size = Math.min(1.25 * Math.max(width, height), this.width, this.height);
    const left = Math.min(Math.max(x + width / 2 - size / 2, 0), this.width - size);
    const top = Math.min(Math.max(y + height / 2 - size / 2, 0), this.height - size);
    const canvas = document.createElement("canvas");
    canvas.width = edge;
    canvas.height = edge;
    canvas.setAttribute("aria-hidden", "true");
    canvas.getContext("2d").drawImage(from, left, top, size, size, 0, 0, edge, edge);
    const [x0, y0, edge0] = [left, top, size].map((value) => value * this.factor);
    return { canvas, left: x0, top: y0, size: edge0 };
  }

  /** Where an event of the pointer is: the frame that is in view there, and the place in its pixels. */
  place(event) {
    const box = this.canvases[0].getBoundingClientRect();
    const scale = (this.width ?? 0) / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    return [y < this.rows ? this.number : this.before.number, x * this.factor, y * this.factor];
  }
}
