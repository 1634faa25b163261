import { expect, test } from "./harness";

test("the first page loads neither the builder nor the editor, nor what only they need", async ({
  page,
  service,
}) => {
  const names: string[] = [];
  page.on("response", (answer) => names.push(new URL(answer.url()).pathname));
  await page.goto(service.url);
  await expect(page.getByRole("heading", { level: 1, name: "Dashboard" })).toBeVisible();
  await page.waitForLoadState("load");
  expect(names.filter((name) => /\/assets\/index-.*\.js$/.test(name))).toHaveLength(1);
  expect(names.filter((name) => /\/assets\/(builder|GraphView|Editor|help)-/.test(name))).toEqual([]);
  // The other way round: what it would be found by is there.
  await page.goto(`${service.url}/help`);
  await expect.poll(() => names.some((name) => /\/assets\/help-/.test(name))).toBe(true);
});
