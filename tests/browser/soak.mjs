// A page that stays open, and what pages that read nothing do to the labels. usage: node soak.mjs SENESCOPE [MINUTES]
//
// Every other minute two pages are open that read nothing. The networks are the tiny ones, so that many labels come.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";

import { launch, open } from "./browser.mjs";
import { Daemon } from "./daemon.mjs";

const [program, minutes = "20"] = process.argv.slice(2);
const MIB = 1 << 20;
const faults = [];
const daemon = new Daemon(program);

/** A page that asks for everything and reads nothing. */
function stalled() {
  const socket = connect(daemon.http, "127.0.0.1", () => {
    const key = randomBytes(16).toString("base64");
    socket.write(`GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:${daemon.http}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
      + `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    socket.pause();
  });
  socket.on("error", () => {});
  return socket;
}

/** Latencies of the labels that came since the last time, in ms. */
let last = 0;
async function latencies() {
  const { labels } = await (await fetch(`${daemon.url}/api/labels?since=${last}&limit=4096`)).json();
  last = labels.at(-1)?.seq ?? last;
  return labels.map((label) => label.latency_ns.total / 1e6);
}

const quantile = (values, part) => values.sort((a, b) => a - b)[Math.floor(part * (values.length - 1))];

const browser = await launch();
try {
  await daemon.start({ "ensemble.dir": "tests/golden/tiny", "record.enabled": "false", "scan.dwell_ns": 4000 });
  const page = await open(browser, daemon.url, faults);
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const took = { alone: [], stalled: [] };
  const heaps = [];
  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  await pause(10);
  await latencies();
  for (let minute = 0; minute < Number(minutes); minute += 1) {
    const pages = minute % 2 === 1 ? [stalled(), stalled()] : [];
    await pause(60);
    took[pages.length > 0 ? "stalled" : "alone"].push(...(await latencies()));
    for (const socket of pages) socket.destroy();
    await devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await devtools.send("Performance.getMetrics");
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    heaps.push(value("JSHeapUsedSize") / MIB);
    const cells = await page.evaluate(() => Number(document.getElementById("frame-number").textContent));
    console.log(`minute ${minute + 1}: heap ${heaps.at(-1).toFixed(1)} MiB, ${value("Nodes")} nodes, frame ${cells}, label ${last}`);
  }
  for (const [name, values] of Object.entries(took)) {
    const [median, high] = [0.5, 0.99].map((part) => quantile(values, part).toFixed(1));
    console.log(`${name}: ${values.length} labels, median ${median} ms, 99 % within ${high} ms`);
  }
  const [median, high] = [0.5, 0.99].map((part) => quantile(took.stalled, part) / quantile(took.alone, part));
  console.log(`latency with stalled pages over that without: median ${median.toFixed(2)}, 99 % ${high.toFixed(2)}`);
  const half = heaps.slice(Math.floor(heaps.length / 2));
  console.log(`heap after ${heaps.length} minutes ${heaps.at(-1).toFixed(1)} MiB, from the middle on ${Math.min(...half).toFixed(1)} to ${Math.max(...half).toFixed(1)}`);
  if (faults.length > 0) throw new Error(faults.join("\n"));
} finally {
  await browser.close();
  await daemon.end();
  daemon.remove();
}
