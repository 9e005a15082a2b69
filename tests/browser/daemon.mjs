// A daemon of the tests, on ports of its own.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const PATIENCE_MS = 120_000;

/** A port that is free, below those of outgoing connections. */
function freePort() {
  return new Promise((done, failed) => {
    const port = 20_000 + Math.floor(12_000 * Math.random());
    const server = createServer();
    server.once("error", () => freePort().then(done, failed));
    server.listen(port, "127.0.0.1", () => server.close(() => done(port)));
  });
}

export class Daemon {
  constructor(program) {
    this.program = program;
    this.home = mkdtempSync(join(tmpdir(), "senescope-page-"));
  }

  get url() {
    return `http://127.0.0.1:${this.http}`;
  }

  /** Starts it, on the ports that it had before when it is started again, and waits until it is ready. */
  async start(settings = {}) {
    this.ports ??= await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    const [http, labels, maps, control] = this.ports;
    this.http = http;
    const all = {
      "http.bind": `127.0.0.1:${http}`,
      "publish.labels": `tcp://127.0.0.1:${labels}`,
      "publish.maps": `tcp://127.0.0.1:${maps}`,
      "publish.control": `tcp://127.0.0.1:${control}`,
      "record.enabled": "true",
      "record.dir": join(this.home, "recordings"),
      "control.stay": "true",
      ...settings,
    };
    const words = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const environment = { ...process.env, SENESCOPE__HTTP__ENABLED: "true", SENESCOPE_LOG: "warn" };
    this.process = spawn(this.program, ["run", ...words], { cwd: ROOT, env: environment, stdio: ["ignore", "ignore", "inherit"] });
    await until("the daemon is ready", async () => {
      if (this.process.exitCode !== null) throw new Error(`the daemon ended with ${this.process.exitCode}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  async end(signal = "SIGTERM") {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    await ended;
  }

  /** The marks of the last recording. */
  marks() {
    const folder = join(this.home, "recordings");
    const last = readdirSync(folder).sort().at(-1);
    const lines = readFileSync(join(folder, last, "marks.ndjson"), "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line));
  }

  remove() {
    this.process?.kill("SIGKILL");
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Waits until `what` is true. */
export async function until(words, what, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${words}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
