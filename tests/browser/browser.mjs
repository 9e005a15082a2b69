// Debian's Chromium without a screen. $MODULES is the folder with the installed modules.

import { createRequire } from "node:module";

export const require = createRequire(process.env.MODULES);
const { chromium } = require("playwright-core");

export const launch = () =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-dev-shm-usage"] });

/** Opens a page whose errors are noted in `faults`. */
export async function open(browser, url, faults) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.on("console", (message) => {
    // A connection that is gone is told by the browser itself; the page shows it.
    if (message.type() === "error" && !/ERR_CONNECTION|WebSocket|Failed to load resource/.test(message.text())) {
      faults.push(message.text());
    }
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(url);
  return page;
}
