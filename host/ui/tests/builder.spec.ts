import type { Page } from "@playwright/test";

import { axe, expect, fits, forgive, logIn, shot, test, watch } from "./harness";

interface Doc {
  steps: {
    name: string;
    operator?: string;
    data_from?: string[];
    branches?: { label?: string; when?: unknown; steps?: string[] }[];
    template?: string;
  }[];
}

const node = (page: Page, name: string) => page.locator(`.react-flow__node[data-id="${name}"]`);
const nameField = (page: Page) => page.getByRole("textbox", { name: "Name", exact: true });
const saved = (page: Page) => expect(page.getByText("saved", { exact: true })).toBeVisible();

async function create(page: Page, url: string, name: string): Promise<void> {
  await page.goto(`${url}/applications`);
  await page.getByRole("button", { name: "New application" }).first().click();
  await nameField(page).fill(name);
  await page.getByRole("button", { name: "Create and open the builder" }).click();
  await expect(page.getByText("An empty canvas")).toBeVisible();
}

/** Puts a text into an editor of code. */
async function write(page: Page, label: string, text: string): Promise<void> {
  await page.locator(`.cm-content[aria-label="${label}"]`).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

const middle = (box: { x: number; y: number; width: number; height: number } | null) => {
  if (!box) throw new Error("not on the page");
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
};

async function drag(page: Page, from: { x: number; y: number }, to: { x: number; y: number }): Promise<void> {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 6 });
  await page.mouse.move(to.x, to.y, { steps: 6 });
  await page.mouse.up();
}

test("an application with a condition and a transform, by mouse", async ({ page, service }) => {
  await create(page, service.url, "By mouse");
  const canvas = page.locator(".react-flow");
  const item = (name: string) => page.getByRole("button", { name, exact: true });
  const close = () => page.getByRole("button", { name: "Close the step" }).click();
  await item("Transform").dragTo(canvas, { targetPosition: { x: 130, y: 120 } });
  await expect(node(page, "Transform")).toBeVisible();
  await write(page, "Template", '{"score": 7}');
  await expect(page.locator("[data-preview]")).toContainText('"score": 7');
  // Without the panel the canvas is as wide as where the next ones are dropped.
  await close();
  await item("Condition").dragTo(canvas, { targetPosition: { x: 420, y: 120 } });
  await page.getByLabel("Branch 1, left").fill("${Transform.score}");
  await page.locator('input[aria-label="Branch 1, kind"]').click();
  await page.getByRole("option", { name: "is above" }).click();
  await page.getByLabel("Branch 1, right").fill("5");
  await close();
  await item("Transform").dragTo(canvas, { targetPosition: { x: 640, y: 60 } });
  await nameField(page).fill("High");
  await nameField(page).press("Enter");
  await write(page, "Template", '{"said": "high"}');
  await close();
  await page.getByRole("button", { name: "Fit to the window" }).click();
  await page.waitForTimeout(400);

  const source = (name: string) => node(page, name).locator(".react-flow__handle.source");
  const target = (name: string) => node(page, name).locator(".react-flow__handle.target");
  await drag(
    page,
    middle(await source("Transform").boundingBox()),
    middle(await target("Condition").boundingBox()),
  );
  await drag(
    page,
    middle(await source("Condition").boundingBox()),
    middle(await target("High").boundingBox()),
  );
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await expect(page.getByText("No problems")).toBeVisible();
  await shot(page, "builder");
  await page.getByRole("button", { name: "Save and run" }).click();
  await expect(page.getByRole("status").getByText("Success")).toBeVisible();
  await expect(node(page, "High")).toContainText("Success");

  const { body } = await service.api<Doc>("GET", "/applications/by_mouse");
  expect(body.steps.map((step) => step.name)).toEqual(["Transform", "Condition", "High"]);
  expect(body.steps[1]?.data_from).toEqual(["Transform"]);
  expect(body.steps[1]?.branches?.[0]).toEqual({
    label: "yes",
    when: { above: ["${Transform.score}", 5] },
    steps: ["High"],
  });
});

test("the same by keyboard alone", async ({ page, service }) => {
  await page.goto(`${service.url}/applications`);
  await expect(page.getByRole("heading", { name: "Applications", exact: true })).toBeVisible();
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const into = async (text: string) => {
    await press("Control+a");
    await page.keyboard.insertText(text);
  };
  /** Goes on by a key until the thing of that name has the focus. */
  const goTo = async (name: string, key = "Tab") => {
    const passed: string[] = [];
    for (let left = 80; left > 0; left--) {
      const label = await page.evaluate(() => {
        const at = document.activeElement as HTMLElement | null;
        if (!at || at === document.body) return "";
        const { labels } = at as HTMLInputElement;
        return (at.getAttribute("aria-label") ?? labels?.[0]?.textContent ?? at.textContent)
          .replace(/\s*\*$/, "")
          .trim();
      });
      if (label === name) return;
      passed.push(label);
      await page.keyboard.press(key);
    }
    throw new Error(`${name} is not reached by ${key}: ${passed.join(" | ")}`);
  };
  const addAfter = async (step: string, letters: string, key: string) => {
    await goTo(`Menu of ${step}`, key);
    await press("Enter");
    await expect(page.getByRole("menuitem", { name: "Add a step after it…" })).toBeFocused();
    await press("Enter");
    await expect(page.getByLabel("Step to add")).toBeFocused();
    await page.keyboard.type(letters);
    await press("Enter");
  };
  await goTo("New application");
  await press("Enter");
  await expect(nameField(page)).toBeFocused();
  await into("By keyboard");
  await press("Enter");
  await expect(page.getByText("An empty canvas")).toBeVisible();

  await goTo("Add the first step");
  await press("Enter");
  await expect(page.getByLabel("Step to add")).toBeFocused();
  await page.keyboard.type("transf");
  await press("Enter");
  await expect(nameField(page)).toBeVisible();
  await goTo("Template");
  await into('{"score": 7}');
  await goTo("Steps", "Shift+Tab");
  await press("ArrowRight");
  await addAfter("Transform", "condi", "Tab");
  await expect(nameField(page)).toHaveValue("Condition");
  await goTo("Branch 1, left");
  await into("${Transform.score}");
  await goTo("Branch 1, right");
  await into("7");
  await addAfter("Condition", "transf", "Shift+Tab");
  await expect(nameField(page)).toHaveValue("Transform 2");
  await expect(page.getByText("No problems")).toBeVisible();
  await press("Control+s");
  await saved(page);
  await goTo("Run", "Shift+Tab");
  await press("Enter");
  await expect(page.getByRole("status").getByText("Success")).toBeVisible();
  const { body } = await service.api<Doc>("GET", "/applications/by_keyboard");
  expect(body.steps[1]?.branches?.[0]).toEqual({
    label: "yes",
    when: { equal: ["${Transform.score}", 7] },
    steps: ["Transform 2"],
  });
});

test("two browsers edit one application, and neither loses an edit", async ({
  page,
  browser,
  service,
  faults,
}) => {
  await service.application({
    name: "shared",
    steps: [{ name: "one", operator: "transform", template: "1" }],
  });
  const second = await (await browser.newContext()).newPage();
  watch(second, service.url, faults);
  await logIn(second, service.url);
  for (const each of [page, second]) {
    await each.goto(`${service.url}/applications/shared/edit`);
    await node(each, "one").click();
  }
  await write(page, "Template", '"mine"');
  await write(second, "Template", '"theirs"');
  await second.keyboard.press("Control+s");
  await saved(second);
  await page.keyboard.press("Control+s");
  const dialog = page.getByRole("dialog", { name: "Somebody else saved in the meantime" });
  await expect(dialog).toContainText("theirs");
  await expect(dialog).toContainText("mine");
  await axe(page);
  await dialog.getByRole("button", { name: "Go on editing" }).click();
  await page.reload();
  await node(page, "one").click();
  await expect(page.locator(".cm-content[aria-label=Template]")).toContainText("mine");
  await page.keyboard.press("Control+s");
  await dialog.getByRole("button", { name: "Save mine over it" }).click();
  await saved(page);
  const { body } = await service.api<{ items: unknown[] }>("GET", "/applications/shared/revisions");
  expect(body.items).toHaveLength(3);
  expect((await service.api<Doc>("GET", "/applications/shared")).body.steps[0]?.template).toBe('"mine"');
  forgive(faults, 412, 2);
});

test("a draft survives a reload; undo, redo, copy, paste and rename", async ({ page, context, service }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await service.application({
    name: "drafted",
    steps: [
      { name: "one", operator: "transform", template: "1" },
      { name: "two", operator: "transform", template: "${one}", data_from: ["one"] },
    ],
  });
  await page.goto(`${service.url}/applications/drafted/edit`);
  await node(page, "two").getByRole("button", { name: "Menu of two" }).click();
  await page.getByRole("menuitem", { name: "Copy as JSON" }).click();
  await page.getByRole("button", { name: "Paste steps" }).click();
  await expect(node(page, "two 2")).toBeVisible();
  await page.reload();
  await expect(node(page, "two 2")).toBeVisible();
  await expect(page.getByText("kept as a draft")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(node(page, "two 2")).toHaveCount(0);
  await page.getByRole("button", { name: "Redo" }).click();
  await expect(node(page, "two 2")).toBeVisible();
  await node(page, "one").click();
  await nameField(page).fill("first");
  await nameField(page).press("Enter");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await saved(page);
  const { body } = await service.api<Doc>("GET", "/applications/drafted");
  expect(body.steps[1]).toMatchObject({ data_from: ["first"], template: "${first}" });
});

test("every drawer of the builder is accessible and fits", async ({ page, service }) => {
  test.slow();
  await service.application({
    name: "all_kinds",
    app_variables: [{ name: "key", value: "1", description: "a key" }],
    steps: [
      { name: "t", operator: "transform", template: "1" },
      {
        name: "c",
        operator: "condition",
        data_from: ["t"],
        branches: [
          {
            label: "a",
            when: { and: [{ equal: ["${t}", 1] }, { not: { exists: "${t.x}" } }] },
            steps: ["d"],
          },
        ],
      },
      { name: "d", operator: "delay", seconds: 1 },
      { name: "p", operator: "approval", question: "?", data_from: ["d"] },
      { name: "w", operator: "wait_for_webhook", key: "${appvar.key}", data_from: ["p"] },
      {
        name: "x",
        file: "TriggerApplication",
        syncpack: "base_steps",
        application: "all_kinds_child",
        data_from: ["w"],
        task_retry: { max_attempts: 2 },
      },
    ],
  });
  await page.goto(`${service.url}/applications/all_kinds/edit`);
  await axe(page);
  for (const name of ["t", "c", "d", "p", "w", "x"]) {
    await node(page, name).focus();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("complementary", { name: `Step ${name}` })).toBeVisible();
    await axe(page);
  }
  for (const tab of ["Advanced", "JSON", "Test"]) {
    await page.getByRole("tab", { name: tab }).click();
    await axe(page);
  }
  await page.getByRole("tab", { name: "JSON" }).click();
  await write(page, "Entry of the step", '{"name": "x", "file": "NoSuchStep", "data_from": ["w"]}');
  await page.getByRole("button", { name: /\d problem/ }).click();
  await axe(page);
  await page.getByRole("button", { name: /NoSuchStep/ }).click();
  await expect(page.getByRole("complementary", { name: "Step x" })).toBeVisible();
  await page.getByRole("button", { name: "Application", exact: true }).click();
  await axe(page);
  await page.getByText("Outline", { exact: true }).click();
  await page
    .getByRole("list", { name: "Steps in their order" })
    .getByRole("button", { name: "Menu of t" })
    .click();
  await axe(page);
  await page.getByRole("menuitem", { name: "Connect to…" }).click();
  await axe(page);
  await page.keyboard.press("Escape");
  await fits(page);
});
