// Counts, the histogram, and the daemon's condition in words.

import { CLASSES } from "./labels.js";

/** Fills a list of terms with pairs of a term and its value. */
function fill(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, value, name]) => {
      const dt = document.createElement("dt");
      dt.textContent = term;
      if (name) dt.className = name;
      const dd = document.createElement("dd");
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}

export function showCounts(list, cells) {
  fill(list, CLASSES.map((name) => [name, String(cells.counts[name]), name]));
}

export function showHistogram(canvas, cells) {
  const context = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const most = Math.max(1, ...cells.bins);
  const { width, height } = canvas;
  const step = width / cells.bins.length;
  context.clearRect(0, 0, width, height);
  cells.bins.forEach((count, bin) => {
    const tall = (count / most) * (height - 16);
    context.fillStyle = style.getPropertyValue(bin < 10 ? "--proliferating" : "--senescent");
    context.fillRect(bin * step + 1, height - 14 - tall, step - 2, tall);
  });
  context.fillStyle = style.getPropertyValue("--quiet");
  context.font = "11px system-ui, sans-serif";
  context.fillText("0", 0, height - 2);
  context.fillText("1", width - 8, height - 2);
  const half = cells.bins.reduce((sum, count, bin) => sum + (bin >= 10 ? count : 0), 0);
  canvas.setAttribute("aria-label", `Histogram of the probability: ${half} of ${cells.total} cells at 0.5 or above`);
}

const ms = (ns) => `${(ns / 1e6).toFixed(ns < 1e7 ? 1 : 0)} ms`;

/** What the last statistics say. */
export function showHealth(list, stat) {
  const total = stat.latency?.total;
  const lost = stat.edges.flatMap((edge) =>
    Object.entries(edge.discarded).map(([reason, count]) => `${count} ${edge.name} (${reason.replaceAll("_", " ")})`));
  const pairs = [["frames", String(stat.frames)]];
  if (total) pairs.push(["last row to label, median", ms(total.p50_ns)], ["… 99 %", ms(total.p99_ns)]);
  pairs.push(["discarded", lost.length > 0 ? lost.join(", ") : "nothing"]);
  if (stat.recording) {
    const { frames, labels, failure, detail } = stat.recording;
    if (failure) pairs.push(["recording", `ended: ${detail}`]);
    else pairs.push(["frames recorded", String(frames)], ["labels recorded", String(labels)]);
  }
  fill(list, pairs);
}

export function showWarnings(list, warnings) {
  const texts = [...list.children].map((item) => item.textContent);
  if (texts.join("\n") === warnings.join("\n")) return;
  list.replaceChildren(
    ...warnings.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }),
  );
}
