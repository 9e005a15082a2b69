// The live page as a person sees it. usage: node page.mjs SENESCOPE [PICTURES], with the modules in $MODULES.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { launch, open, require } from "./browser.mjs";
import { Daemon, until } from "./daemon.mjs";

const AXE = readFileSync(require.resolve("axe-core"), "utf8");

const [program, pictures] = process.argv.slice(2);
const daemon = new Daemon(program);
const faults = [];

const picture = async (page, name) => {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`) });
};

/** How many rows of the picture are not black. */
const litRows = (page) => page.evaluate(() => {
  const canvas = document.getElementById("picture");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let rows = 0;
  for (let y = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1) {
      const at = 4 * (y * canvas.width + x);
      if (data[at] + data[at + 1] + data[at + 2] > 0) {
        rows += 1;
        break;
      }
    }
  }
  return rows;
});

/** Colours of the outlines, as hexadecimal numbers of opaque pixels. */
const outlineColours = (page) => page.evaluate(() => {
  const canvas = document.getElementById("outlines");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = {};
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 250) continue;
    const name = [0, 1, 2].map((i) => data[at + i].toString(16).padStart(2, "0")).join("");
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
});

async function aFrameGrows(page) {
  await until("the first rows", () => litRows(page));
  const first = await litRows(page);
  await until("more rows", async () => (await litRows(page)) > first + 40);
  console.log(`ok the frame grows: from ${first} rows to ${await litRows(page)} while it is scanned`);
}

async function outlinesHaveTheirColours(page) {
  await until("cells in the gallery", async () => (await page.locator("#gallery li").count()) >= 6);
  const colours = await until("outlines", async () => {
    const found = await outlineColours(page);
    return Object.keys(found).length > 0 && found;
  });
  const known = ["ff9e2c", "56b4e9", "ffffff", "f0a6d2"];
  const drawn = known.filter((name) => colours[name] > 20);
  assert(drawn.length > 0, JSON.stringify(colours));
  const counts = await page.locator("#counts dd").allTextContents();
  const total = counts.reduce((sum, count) => sum + Number(count), 0);
  assert(total >= 6, `${counts}`);
  console.log(`ok outlines have their colours: ${drawn.join(", ")}; ${total} cells`);
}

async function aMapShows(page) {
  // A cell of the present frame: its outline is there.
  await until("a map over a cell", async () => {
    await page.selectOption("#sort", "newest");
    await page.waitForTimeout(600);
    await page.locator("#gallery li").first().click();
    await page.waitForTimeout(500);
    return page.evaluate(() => {
      const canvas = document.getElementById("pointer");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let warm = 0;
      for (let at = 0; at < data.length; at += 4) warm += data[at + 3] > 30 && data[at] > 200 && data[at + 2] < 60 ? 1 : 0;
      return warm > 100;
    });
  });
  const note = await page.locator("#map-note").textContent();
  assert.match(note, /by mean/);
  await picture(page, "live-page");
  console.log(`ok a map shows: ${note}`);
}

async function theGallerySorts(page) {
  for (const [order, value] of [["senescent", (cell) => cell.p[1]], ["uncertain", (cell) => cell.entropy]]) {
    await page.selectOption("#sort", order);
    const seqs = await page.locator("#gallery li").evaluateAll((items) => items.map((item) => Number(item.dataset.seq)));
    const { labels } = await (await fetch(`${daemon.url}/api/labels?limit=4096`)).json();
    const bySeq = new Map(labels.map((label) => [label.seq, label]));
    const values = seqs.map((seq) => value(bySeq.get(seq)));
    assert(values.length >= 6 && values.every((each, at) => at === 0 || each <= values[at - 1]), `${order}: ${values}`);
  }
  const [first, next] = await page.locator("#gallery li").evaluateAll((items) => items.slice(0, 2).map((item) => item.id));
  await page.locator(`#${first}`).click();
  await page.locator("#gallery").press("ArrowRight");
  assert.equal(await page.locator("#gallery li[aria-selected=true]").getAttribute("id"), next);
  console.log("ok the gallery sorts, and the arrow keys go through it");
}

async function aLabelIsMarked(page) {
  const seq = Number(await page.locator("#gallery li[aria-selected=true]").getAttribute("data-seq"));
  await page.getByRole("button", { name: "proliferating", exact: true }).click();
  await page.getByText("Marked as proliferating in the recording.").waitFor();
  const { labels } = await (await fetch(`${daemon.url}/api/labels?limit=4096`)).json();
  const label = labels.find((each) => each.seq === seq);
  const mark = daemon.marks().at(-1);
  assert.deepEqual([mark.frame, mark.cell, mark.class], [label.frame, label.cell, "proliferating"]);
  console.log(`ok a label is marked as wrong, and the record holds it: frame ${mark.frame}, cell ${mark.cell}`);
}

async function nothingIsOutOfReach(page) {
  const axe = async () => {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  };
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const found = await axe();
    const words = found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
    assert.deepEqual(words, [], colorScheme);
    await picture(page, `live-page-${colorScheme}`);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert(wide <= 390, `the page is ${wide} wide on a telephone`);
  await picture(page, "live-page-phone");
  await page.setViewportSize({ width: 1400, height: 900 });
  console.log("ok axe-core finds no serious fault, light and dark; a telephone is wide enough");
}

async function stopAndStart(page) {
  await page.getByRole("button", { name: "Stop" }).click();
  await page.locator("#state[data-state=idle]").waitFor({ timeout: 60_000 });
  const ended = await page.locator("#run").textContent();
  assert.match(ended, /cancelled/);
  await page.getByRole("button", { name: "Start" }).click();
  await page.locator("#state[data-state=running]").waitFor({ timeout: 60_000 });
  console.log("ok a run is stopped and another one started");
}

async function theConnectionComesBack(page) {
  await page.evaluate(() => { globalThis.sameDocument = true; });
  await daemon.end("SIGKILL");
  await page.locator("#state[data-state=gone]").waitFor();
  await picture(page, "live-page-gone");
  await daemon.start();
  await page.locator("#state[data-state=running]").waitFor({ timeout: 60_000 });
  await until("cells after the restart", async () => (await page.locator("#gallery li").count()) > 0);
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true);
  console.log("ok the connection drops and comes back without a reload");
}

/** Far more cells than a laboratory has in a frame. The networks are the tiny ones: what they say does not matter. */
async function manyCells(browser) {
  const scan = { "scan.width": 2048, "scan.height": 2048, "scan.pixel_size_um": 1, "scan.dwell_ns": 6000 };
  const dish = { "sim.seed": 16, "segment.split_neck": 0.95 };
  const crowded = new Daemon(program);
  try {
    await crowded.start({ ...scan, ...dish, "ensemble.dir": "tests/golden/tiny", "record.enabled": "false" });
    const page = await open(browser, crowded.url, faults);
    const drawn = await until("2000 outlines in view", () =>
      page.evaluate(() => Number(document.body.dataset.drawn) >= 2000 && document.body.dataset.drawn));
    const rate = await page.evaluate(() => new Promise((done) => {
      const began = performance.now();
      let drawings = 0;
      const step = (now) => {
        drawings += 1;
        if (now - began < 5000) requestAnimationFrame(step);
        else done((1000 * drawings) / (now - began));
      };
      requestAnimationFrame(step);
    }));
    await picture(page, "many-cells");
    console.log(`ok many cells: ${drawn} outlines in view, drawn ${rate.toFixed(0)} times a second`);
    await page.context().close();
    await crowded.end();
  } finally {
    crowded.remove();
  }
}

const browser = await launch();
let failed = false;
try {
  await daemon.start();
  const page = await open(browser, daemon.url, faults);
  await aFrameGrows(page);
  await outlinesHaveTheirColours(page);
  await aMapShows(page);
  await theGallerySorts(page);
  await aLabelIsMarked(page);
  await nothingIsOutOfReach(page);
  await stopAndStart(page);
  await theConnectionComesBack(page);
  await page.context().close();
  await daemon.end();
  await manyCells(browser);
  assert.deepEqual(faults, [], "the console has errors");
  console.log("ok the console has no error");
} catch (error) {
  failed = true;
  console.error(error, faults);
} finally {
  await browser.close();
  daemon.remove();
}
process.exit(failed ? 1 : 0);
