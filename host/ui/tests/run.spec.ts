import type { Page } from "@playwright/test";

import { axe, expect, fits, shot, test } from "./harness";
import { openLongLog } from "./noisy";

const node = (page: Page, name: string) => page.locator(`.react-flow__node[data-id="${name}"]`);
const state = (page: Page) => page.getByRole("heading", { level: 1 }).locator("xpath=..").getByRole("status");
/** A line of the console for each request that found nobody, and no answer is a fault of the page. */
const unreached = (fault: string) =>
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_NETWORK|ERR_SOCKET|ERR_INCOMPLETE_CHUNKED_ENCODING/.test(
    fault,
  );

test("a failure is seen, mended in the builder, and the run goes on from the failed step", async ({
  page,
  service,
}) => {
  await service.application({
    name: "mended",
    steps: [
      { name: "read", operator: "transform", template: '{"n": 3}' },
      {
        name: "judge",
        operator: "transform",
        output: "json",
        template: "no JSON {{ read.n }}",
        data_from: ["read"],
      },
      { name: "tell", operator: "transform", template: '{"told": {{ judge.n }}}', data_from: ["judge"] },
    ],
  });
  await page.goto(`${service.url}/applications/mended`);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(state(page)).toHaveText("Failed");
  const first = new URL(page.url()).searchParams.get("runid") ?? "";
  await node(page, "judge").click();
  await expect(page.getByRole("complementary", { name: "Step judge" })).toContainText("JSON");
  await axe(page);
  await page.getByRole("tab", { name: "Logs" }).click();
  await expect(page.getByRole("log")).toContainText("start judge");
  await page.goto(`${service.url}/applications/mended/edit`);
  await node(page, "judge").click();
  await page.locator(".cm-content[aria-label=Template]").click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText('{"n": {{ read.n + 1 }}}');
  await expect(page.locator("[data-preview]")).toContainText('"n": 4');
  await page.keyboard.press("Control+s");
  await expect(page.getByText("saved", { exact: true })).toBeVisible();
  await page.goto(`${service.url}/applications/mended?runid=${first}`);
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  await axe(page);
  await page
    .getByRole("group", { name: "Newest revision" })
    .getByRole("menuitem", { name: "From what did not succeed" })
    .click();
  await expect(state(page)).toHaveText("Success");
  await expect(node(page, "read")).toContainText("reused");
  await page.getByRole("tab", { name: "Data" }).click();
  await page.getByRole("button", { name: "tell" }).click();
  await expect(page.locator(".cm-content")).toContainText('"told": 4');
  await axe(page);
});

test("the service is killed while a run is watched, and the view catches up by itself", async ({
  page,
  service,
  faults,
}) => {
  test.slow();
  await service.application({
    name: "outlives",
    steps: [
      { name: "first", operator: "transform", template: "1" },
      { name: "pause", operator: "delay", seconds: 6, data_from: ["first"] },
      { name: "last", operator: "transform", template: "2", data_from: ["pause"] },
    ],
  });
  await page.goto(`${service.url}/applications/outlives`);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(node(page, "pause")).toContainText("Waiting");
  const at = page.url();
  await service.kill();
  await expect(page.getByText("The service is not reached")).toBeVisible({ timeout: 20_000 });
  await expect(node(page, "pause")).toContainText("Waiting");
  await service.start();
  await expect(page.getByText("The service is not reached")).toBeHidden({ timeout: 20_000 });
  await expect(state(page)).toHaveText("Success", { timeout: 40_000 });
  await expect(node(page, "last")).toContainText("Success");
  expect(page.url()).toBe(at);
  const left = faults.filter((fault) => !unreached(fault));
  faults.splice(0, faults.length, ...left);
});

test("an approval is decided where it waits", async ({ page, service }) => {
  await service.application({
    name: "asks",
    steps: [
      { name: "Ask", operator: "approval", question: "Restart core-1?" },
      { name: "done", operator: "transform", template: "1", data_from: ["Ask"] },
    ],
  });
  const { task_id } = await service.run("asks", {}, 0);
  await page.goto(`${service.url}/approvals`);
  await expect(page.getByRole("article", { name: "Restart core-1?" })).toBeVisible();
  await axe(page);
  await fits(page);
  await shot(page, "approvals");
  await page.goto(`${service.url}/applications/asks?runid=${task_id}&step=Ask`);
  await page.getByRole("textbox", { name: "Note" }).fill("agreed");
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(state(page)).toHaveText("Success");
  await expect(page.getByText("Approved")).toBeVisible();
});

test("a run is cancelled, replayed and found by its addresses", async ({ page, service }) => {
  test.slow();
  await service.application({ name: "found", steps: [{ name: "long", operator: "delay", seconds: 600 }] });
  const { task_id } = await service.run("found", {}, 0);
  const step =
    (await service.api<{ steps: { task_id: string }[] }>("GET", `/tasks/${task_id}`)).body.steps[0]
      ?.task_id ?? "";
  // The predecessor's address, and those of which only an id is known.
  await page.goto(`${service.url}/integrations/found?runid=${task_id}`);
  await expect(page).toHaveURL(new RegExp(`/applications/found\\?runid=${task_id}`));
  await expect(node(page, "long")).toContainText("Waiting");
  await page.goto(`${service.url}/runs?id=${step}`);
  await expect(page).toHaveURL(/step=long/);
  await page.goto(`${service.url}/applications/found?runid=${step}`);
  await expect(page).toHaveURL(new RegExp(`runid=${task_id}`));
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await axe(page);
  await page.getByRole("button", { name: "Cancel the run" }).click();
  await expect(state(page)).toHaveText("Cancelled");
  await page.getByRole("button", { name: "Replay" }).click();
  await expect(page).not.toHaveURL(new RegExp(task_id));
  for (const tab of ["Gantt", "Logs", "Data", "Steps"]) {
    await page.getByRole("tab", { name: tab, exact: true }).click();
    await axe(page);
    await fits(page);
    await shot(page, `run-${tab.toLowerCase()}`);
  }
});

test("a run that lacks a parameter is refused with a form that takes it", async ({
  page,
  service,
  faults,
}) => {
  await service.application({
    name: "lacks",
    app_variables: [{ name: "device", required: true, description: "Which device", sample_value: "core-1" }],
    steps: [{ name: "say", operator: "transform", template: '{"device": "{{ ${appvar.device} }}"}' }],
  });
  await page.goto(`${service.url}/applications/lacks`);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Run lacks" });
  await expect(dialog).toContainText("device");
  await axe(page);
  await shot(page, "run-dialog");
  await dialog.getByRole("textbox", { name: "device" }).fill("core-7");
  await dialog.getByRole("button", { name: "Run", exact: true }).click();
  await expect(state(page)).toHaveText("Success");
  faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("status of 422")));
});

test("a log of 10,000 lines is shown and searched", async ({ page, service }) => {
  test.slow();
  await openLongLog(page, service);
  await page.getByRole("textbox", { name: "Search the log" }).fill("step 4999");
  await expect(page.getByText("2 of 10000 lines")).toBeVisible();
});
