// The page: what comes from the daemon, and what people do.

import { connect, post } from "./connection.js";
import { showCounts, showHealth, showHistogram, showWarnings } from "./figures.js";
import { Frame } from "./frame.js";
import { EDGE, Gallery } from "./gallery.js";
import { Cells, describe } from "./labels.js";

const $ = (id) => document.getElementById(id);
const cells = new Cells();
const frame = new Frame($("picture"), $("outlines"), $("pointer"));
const gallery = new Gallery($("gallery"), cells, (cell) => show(cell));
/** Cells whose outlines and pictures wait for the next drawing. */
let fresh = [];
let run;
let shown;
const maps = new Map();
const MAPS = 64;

connect({
  connected(there) {
    if (there) return;
    setState("gone", "connection lost, trying again");
  },
  rows(rows) {
    if (frame.take(rows)) {
      $("frame-number").textContent = rows.frame;
    }
  },
  event(message) {
    const take = {
      hello: ({ operator, software }) => {
        $("operate").hidden = !operator;
        $("marking").hidden = !operator;
        $("software").textContent = `senescope ${software}`;
      },
      state: ({ state }) => setState(state, state),
      run: (message) => takeRun(message),
      label: (label) => takeLabel(label),
      stat: (stat) => {
        showHealth($("health"), stat);
        showWarnings($("warnings"), stat.warnings);
      },
    }[message.type];
    take?.(message);
  },
});

function setState(state, words) {
  $("state").textContent = words;
  $("state").dataset.state = state;
  $("start").disabled = !["idle", "fault"].includes(state);
  $("stop").disabled = !["armed", "running"].includes(state);
}

function takeRun(message) {
  if (message.phase === "end") {
    const { finish, detail } = message;
    $("run").textContent = `Run ${message.run.slice(0, 8)} ${finish}${detail ? `: ${detail}` : ""}`;
    return;
  }
  if (message.phase !== "start") return;
  $("run").textContent = `Run ${message.run.slice(0, 8)}`;
  if (message.run === run) return;
  run = message.run;
  cells.clear();
  gallery.clear();
  maps.clear();
  fresh = [];
  show(undefined);
  frame.begin(message.channels);
  showChannels();
  const select = $("map");
  for (const option of [...select.options].slice(3)) option.remove();
  for (const member of message.members) select.add(new Option(`network ${member}`, member));
}

function takeLabel(label) {
  const cell = label.run === run ? cells.add(label) : undefined;
  if (cell) fresh.push(cell);
}

function showChannels() {
  $("channels").replaceChildren(
    ...frame.contrast.map((contrast) => {
      const row = document.createElement("div");
      row.className = "channel";
      const name = document.createElement("label");
      const on = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
      on.addEventListener("change", () => {
        contrast.on = on.checked;
        frame.touchAll();
      });
      name.append(on, ` ${contrast.name}`);
      const slider = (key, words) => {
        const input = Object.assign(document.createElement("input"), {
          type: "range", min: 0, max: 1.5, step: 0.01, value: contrast[key],
        });
        input.setAttribute("aria-label", `${contrast.name}: ${words}`);
        input.addEventListener("input", () => {
          contrast[key] = Number(input.value);
          frame.touchAll();
        });
        return input;
      };
      const low = slider("low", "black at");
      const high = slider("high", "full at");
      const auto = Object.assign(document.createElement("button"), { type: "button", textContent: "Auto" });
      auto.setAttribute("aria-label", `Auto contrast of ${contrast.name}`);
      auto.addEventListener("click", () => {
        [contrast.low, contrast.high, low.value, high.value] = [0, 1, 0, 1];
        frame.touchAll();
      });
      row.append(name, low, high, auto);
      return row;
    }),
  );
}

/** Draws as often as the screen is drawn, when there is something. */
function draw() {
  frame.draw();
  if (fresh.length > 0 && frame.number >= 0) {
    const there = fresh.filter((cell) => !frame.awaits(cell));
    fresh = fresh.filter((cell) => frame.awaits(cell));
    frame.outline(there);
    for (const cell of there) gallery.keep(cell, frame.thumbnail(cell, EDGE));
    gallery.refresh();
    showCounts($("counts"), cells);
    showHistogram($("histogram"), cells);
    const words = `Frame ${frame.number}: ${cells.total} cells so far, ${cells.counts.senescent} senescent`;
    $("picture").setAttribute("aria-label", words);
  }
  document.body.dataset.drawn = frame.drawn.size;
  requestAnimationFrame(draw);
}
requestAnimationFrame(draw);

/** Draws the picture of the cell that is shown, with its map. */
function magnify(cell, map) {
  const canvas = $("detail-picture");
  const picture = gallery.pictures.get(cell.seq);
  canvas.hidden = !picture;
  if (!picture) return;
  const context = canvas.getContext("2d");
  context.drawImage(picture.canvas, 0, 0, canvas.width, canvas.height);
  if (!map) return;
  const scale = canvas.width / picture.size;
  const [x, y, width, height] = map.bbox;
  context.globalAlpha = Number($("opacity").value);
  context.drawImage(map.image, (x - picture.left) * scale, (y - picture.top) * scale, width * scale, height * scale);
  context.globalAlpha = 1;
}

/** Shows a cell: in words, on the frame, and its map. */
async function show(cell) {
  shown = cell;
  $("detail").hidden = !cell;
  if (!cell) {
    frame.point(undefined);
    return;
  }
  $("detail-text").textContent = describe(cell);
  $("mark-note").textContent = "";
  const member = $("map").value;
  frame.point(cell);
  magnify(cell);
  const map = member === "" ? undefined : await mapOf(cell, member);
  if (shown !== cell || $("map").value !== member) return;
  frame.point(cell, map, Number($("opacity").value));
  magnify(cell, map);
}

/** A map of a cell as an image; nothing when there is none. */
async function mapOf(cell, member) {
  const key = `${cell.seq}/${member}`;
  if (!maps.has(key)) {
    maps.set(key, load(cell, member));
    if (maps.size > MAPS) maps.delete(maps.keys().next().value);
  }
  const map = await maps.get(key);
  const asked = member === "mean" ? "" : "; the networks' own maps are told with publish.member_maps = true";
  $("map-note").textContent = map ? `${map.class}, by ${member}` : `No such map of this cell${asked}.`;
  return map;
}

async function load(cell, member) {
  try {
    const listed = await fetch(`api/maps/${cell.seq}`);
    if (!listed.ok) return undefined;
    const about = (await listed.json()).maps.find((map) => map.member === member);
    if (!about) return undefined;
    const image = await fetch(`api/maps/${cell.seq}/${encodeURIComponent(member)}`);
    return { ...about, image: await coloured(await image.blob()) };
  } catch {
    return undefined;
  }
}

/** Grey levels as a hot colour that is the less transparent the higher. */
async function coloured(blob) {
  const grey = await createImageBitmap(blob);
  const canvas = document.createElement("canvas");
  canvas.width = grey.width;
  canvas.height = grey.height;
  const context = canvas.getContext("2d");
  context.drawImage(grey, 0, 0);
  const image = context.getImageData(0, 0, grey.width, grey.height);
  for (let i = 0; i < image.data.length; i += 4) {
    const value = image.data[i];
    image.data[i] = 255;
    image.data[i + 1] = Math.max(0, 1.4 * value - 100);
    image.data[i + 2] = Math.max(0, 3 * value - 510);
    image.data[i + 3] = value;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

$("pointer").addEventListener("pointermove", (event) => {
  const cell = cells.at(...frame.place(event));
  if (cell !== undefined && cell !== shown) show(cell);
});
$("pointer").addEventListener("click", (event) => {
  const cell = cells.at(...frame.place(event));
  if (cell) gallery.choose(gallery.items.get(cell.seq));
});
$("sort").addEventListener("change", (event) => {
  gallery.order = event.target.value;
  gallery.show();
});
$("map").addEventListener("change", () => show(shown));
$("opacity").addEventListener("input", () => show(shown));
for (const what of ["start", "stop"]) {
  $(what).addEventListener("click", () =>
    post(`api/run/${what}`).catch((error) => showWarnings($("warnings"), [error.message])));
}
$("marking").addEventListener("click", async (event) => {
  const name = event.target.dataset.class;
  const cell = shown;
  if (!name || !cell) return;
  try {
    await post("api/marks", { run: cell.run, frame: cell.frame, cell: cell.cell, class: name });
    if (name === "unmarked") cells.marks.delete(cell.seq);
    else cells.marks.set(cell.seq, name);
    $("mark-note").textContent = name === "unmarked" ? "The mark is taken back." : `Marked as ${name} in the recording.`;
    gallery.show();
  } catch (error) {
    $("mark-note").textContent = error.message;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, button") || event.ctrlKey || event.metaKey || event.altKey) return;
  const channel = document.querySelectorAll("#channels input[type=checkbox]")[Number(event.key) - 1];
  if (channel) channel.click();
  if (event.key.toLowerCase() === "m") {
    const select = $("map");
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    show(shown);
  }
});
