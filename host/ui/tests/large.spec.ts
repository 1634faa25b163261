import type { Page } from "@playwright/test";

import { expect, test } from "./harness";
import { drawnSince, emptyPlace, largeApplication, middleNode, watchDrawing } from "./large";

test.beforeAll(async ({ service }) => service.application(largeApplication));

async function open(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/applications/large/edit`);
  await expect(page.locator(".react-flow__node")).toHaveCount(300);
  await expect(page.locator(".react-flow__edge")).toHaveCount(299);
  await expect(page.getByText("No problems")).toBeVisible();
}

test("of three hundred steps, just the one that is dragged is drawn again", async ({ page, service }) => {
  await watchDrawing(page);
  await open(page, service.url);
  const at = await middleNode(page);
  await page.mouse.move(at.x, at.y);
  await page.mouse.down();
  await page.mouse.move(at.x + 5, at.y + 5);
  await drawnSince(page);
  for (let step = 0; step < 30; step++) await page.mouse.move(at.x + 5 + step, at.y + 5 + step);
  const drag = await drawnSince(page);
  await page.mouse.up();
  expect(drag.nodes.filter((name) => name !== at.name)).toEqual([]);
  expect(drag.nodes).toContain(at.name);
  // Its parent's and its two children's.
  expect(new Set(drag.edges).size).toBeLessThanOrEqual(3);
  await expect(page.getByText("not saved; kept as a draft")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText("saved", { exact: true })).toBeVisible();
});

test("of three hundred steps, none is drawn again while one pans", async ({ page, service }) => {
  await watchDrawing(page);
  await open(page, service.url);
  await drawnSince(page);
  const at = await emptyPlace(page);
  const viewport = page.locator(".react-flow__viewport");
  const before = await viewport.getAttribute("style");
  await page.mouse.move(at.x, at.y);
  await page.mouse.down();
  for (let step = 0; step < 30; step++) await page.mouse.move(at.x + step, at.y + step);
  await page.mouse.up();
  expect(await viewport.getAttribute("style")).not.toBe(before);
  const pan = await drawnSince(page);
  expect(pan.nodes).toEqual([]);
  expect(pan.edges).toEqual([]);
});

test("choosing a step draws that one and the one before again", async ({ page, service }) => {
  await watchDrawing(page);
  await open(page, service.url);
  const at = await middleNode(page);
  await drawnSince(page);
  await page.mouse.click(at.x, at.y);
  await expect(page.getByRole("complementary", { name: `Step ${at.name}` })).toBeVisible();
  expect(new Set((await drawnSince(page)).nodes)).toEqual(new Set([at.name]));
});
