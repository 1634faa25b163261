import type { Page } from "@playwright/test";

import { expect, test } from "../harness";
import { emptyPlace, largeApplication, middleNode } from "../large";
import { frames, tell } from "./figures";

const ROUNDS = 5;

test.beforeAll(async ({ service }) => {
  await service.application(largeApplication);
  await service.application({ name: "small", steps: [{ name: "a", operator: "transform", template: "1" }] });
});

/** Notes when all steps and edges of the large application are in the page. */
async function watchNodes(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const watcher = new MutationObserver(() => {
      const there = (name: string) => document.getElementsByClassName(name).length;
      if (there("react-flow__node") < 300 || there("react-flow__edge") < 299) return;
      requestAnimationFrame(() => performance.mark("all steps"));
      watcher.disconnect();
    });
    document.addEventListener("DOMContentLoaded", () =>
      watcher.observe(document.body, { childList: true, subtree: true }),
    );
  });
}
const drawnAt = (page: Page) =>
  page
    .waitForFunction(() => performance.getEntriesByName("all steps")[0]?.startTime)
    .then((at) => at.jsonValue());

test("three hundred steps are opened", async ({ page, service }) => {
  await watchNodes(page);
  const opened: number[] = [];
  const loaded: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The builder's code is there, as for anybody who opens a second application.
    await page.goto(`${service.url}/applications/small/edit`);
    await page.locator(".react-flow__node").waitFor();
    await page.goto(`${service.url}/applications`);
    await page.getByRole("button", { name: "Actions of large" }).click();
    await page.getByRole("menuitem", { name: "Edit" }).hover();
    await page.waitForTimeout(500);
    await page.evaluate(() => {
      performance.clearMarks();
      const asked = () => void performance.mark("asked");
      addEventListener("click", asked, { once: true, capture: true });
    });
    await page.getByRole("menuitem", { name: "Edit" }).click();
    const all = (await drawnAt(page)) ?? NaN;
    opened.push(
      all - (await page.evaluate(() => performance.getEntriesByName("asked")[0]?.startTime ?? NaN)),
    );
    await page.goto(`${service.url}/applications/large/edit`);
    loaded.push((await drawnAt(page)) ?? NaN);
  }
  tell("300 steps, from the click until all are drawn", "ms", opened);
  tell("300 steps, the page loaded by its address", "ms", loaded);
});

test("a step is dragged, and the canvas, among three hundred steps", async ({ page, service }) => {
  const rates: Record<string, number[]> = {};
  const measure = async (what: string, from: { x: number; y: number }) => {
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(from.x + 4, from.y + 4);
    const rate = await frames(page, 2_000, (passed) =>
      page.mouse.move(from.x + 90 * Math.sin(passed / 300), from.y + 60 * Math.sin(passed / 200)),
    );
    await page.mouse.up();
    (rates[what] ??= []).push(rate);
  };
  for (const [where, path] of [
    ["builder", "/applications/large/edit"],
    ["view", "/applications/large"],
  ] as const) {
    await page.goto(service.url + path);
    await expect(page.locator(".react-flow__node")).toHaveCount(300);
    for (let round = 0; round < ROUNDS; round++) {
      await page.getByRole("button", { name: "Fit to the window" }).click();
      await page.waitForTimeout(700);
      if (where === "builder") await measure("300 steps, a step is dragged", await middleNode(page));
      await measure(`300 steps, panned in the ${where}`, await emptyPlace(page));
    }
    for (let step = 0; step < 8; step++)
      await page.getByRole("button", { name: "Zoom in" }).click({ delay: 250 });
    await measure(`300 steps, panned in the ${where} in full size`, await emptyPlace(page));
  }
  for (const [what, all] of Object.entries(rates)) tell(what, "frames/s", all, Math.max(...all));
});
