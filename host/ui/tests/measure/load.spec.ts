import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { expect, logIn, test } from "../harness";
import { tell } from "./figures";

const ROUNDS = 5;
const DIST = new URL("../../dist/", import.meta.url).pathname;

test("the dashboard with nothing in the cache", async ({ browser, service }) => {
  const shown: number[] = [];
  const painted: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await logIn(page, service.url);
    const session = await context.storageState();
    await context.close();
    const fresh = await browser.newContext({ storageState: session });
    const first = await fresh.newPage();
    await first.goto(service.url);
    await expect(first.getByRole("heading", { level: 1, name: "Dashboard" })).toBeVisible();
    shown.push(await first.evaluate(() => performance.now()));
    const paint = await first.waitForFunction(
      () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    );
    painted.push((await paint.jsonValue()) ?? NaN);
    await fresh.close();
  }
  tell("dashboard, cold cache, first paint with content", "ms", painted);
  tell("dashboard, cold cache, its heading is seen", "ms", shown);
});

/** Run `npm run build` before: it writes the compressed files that the service serves. */
test("what the first page loads", async ({ browser, service }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const names = new Set<string>();
  page.on("response", (answer) => {
    const { pathname, origin } = new URL(answer.url());
    if (origin === service.url && pathname.startsWith("/assets/")) names.add(pathname.slice(1));
  });
  await logIn(page, service.url);
  await expect(page.getByRole("heading", { level: 1, name: "Dashboard" })).toBeVisible();
  await page.waitForTimeout(2_000);
  const size = (name: string) => {
    const path = join(DIST, name);
    return statSync(readdirSync(join(DIST, "assets")).includes(`${name.slice(7)}.br`) ? `${path}.br` : path)
      .size;
  };
  const sizes = [...names]
    .filter((name) => !name.endsWith(".woff2"))
    .map((name) => [name, size(name)] as const);
  const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  for (const [name, bytes] of sizes.toSorted((one, other) => other[1] - one[1]).slice(0, 8))
    process.stdout.write(`  ${(bytes / 1_000).toFixed(1)} kB ${name}\n`);
  process.stdout.write(
    `login and dashboard: ${(total / 1_000).toFixed(1)} kB in ${sizes.length} files without the font (budget 250 kB)\n`,
  );
  await context.close();
});
