import { createHmac } from "node:crypto";

import { axe, expect, fits, forgive, shot, test } from "./harness";

test.beforeAll(async ({ service }) => {
  await service.application({
    name: "daily",
    friendly_name: "Daily report",
    version: "1.2.0",
    description: "Makes the report of the day.",
    app_variables: [{ name: "day", value: "today" }],
    steps: [
      { name: "a", operator: "transform", template: "1" },
      { name: "b", operator: "transform", template: "2", data_from: ["a"] },
    ],
  });
  await service.application({
    name: "broken",
    friendly_name: "Broken one",
    steps: [{ name: "a", operator: "transform", output: "json", template: "no" }],
  });
  await service.api(
    "PUT",
    "/configurations/acme",
    {
      name: "acme",
      friendly_name: "Acme",
      configuration_data: [
        { name: "host", value: "a.example" },
        { name: "password", value: "very secret", encrypted: true },
      ],
    },
    { "If-None-Match": "*" },
  );
  await service.api(
    "PUT",
    "/configurations/globex",
    { name: "globex", friendly_name: "Globex", configuration_data: [{ name: "host", value: "b.example" }] },
    { "If-None-Match": "*" },
  );
  await service.api(
    "PUT",
    "/schedules/nightly",
    { application_id: "daily", entry_id: "nightly", cron: "0 3 * * *", time_zone: "Europe/Berlin" },
    { "If-None-Match": "*" },
  );
  for (const name of ["daily", "daily", "broken"]) await service.run(name);
});

const PAGES: [string, string, string][] = [
  ["dashboard", "/", "Dashboard"],
  ["applications", "/applications", "Applications"],
  ["application", "/applications/daily", "Daily report"],
  ["application-runs", "/applications/daily?view=runs", "Daily report"],
  ["application-timeline", "/applications/daily?view=timeline", "Daily report"],
  ["application-schedules", "/applications/daily?view=schedules", "Daily report"],
  ["application-configure", "/applications/daily?view=configure", "Daily report"],
  ["application-revisions", "/applications/daily?view=revisions", "Daily report"],
  ["runs", "/runs", "Runs"],
  ["schedules", "/schedules", "Schedules"],
  ["schedules-week", "/schedules?view=week", "Schedules"],
  ["configurations", "/configurations", "Configurations"],
  ["configuration", "/configurations/acme", "Acme"],
  ["configuration-json", "/configurations/acme?view=json", "Acme"],
  ["webhooks", "/webhooks", "Webhooks"],
  ["dead-letters", "/dead-letters", "Dead letters"],
  ["queues", "/queues", "Queues and workers"],
  ["cache", "/cache", "Cache"],
  ["syncpacks", "/syncpacks", "SyncPacks"],
  ["steps", "/steps", "Steps"],
  ["notifications", "/notifications", "Notifications"],
  ["about", "/about", "About"],
  ["help", "/help/flow", "Flow"],
];

for (const [name, path, title] of PAGES) {
  test(`${name} is accessible, fits and keeps quiet`, async ({ page, service }) => {
    await page.goto(service.url + path);
    await expect(page.getByRole("heading", { level: 1, name: title })).toBeVisible();
    await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
    await axe(page);
    await fits(page);
    await shot(page, name);
  });
}

test("the login says no and yes, and leads where one wanted to go", async ({
  page,
  context,
  service,
  faults,
}) => {
  await page.goto("about:blank");
  await context.clearCookies();
  await page.goto(`${service.url}/schedules?view=week`);
  await expect(page).toHaveURL(/\/login/);
  await axe(page);
  await shot(page, "login");
  await page.locator("[name=user]").fill("isadmin");
  await page.locator("[name=password]").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("alert")).toContainText("wrong");
  await page.locator("[name=password]").fill("a password of the tests");
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page).toHaveURL(/\/schedules\?view=week/);
  await page.getByRole("button", { name: "Your menu" }).click();
  await axe(page);
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page).toHaveURL(/\/login/);
  expect(
    (await context.cookies()).some((cookie) => cookie.name === "powerflow_session" && cookie.value),
  ).toBe(false);
  faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("status of 401")));
});

test("an application is made, copied, exported, imported with a plan, and deleted", async ({
  page,
  service,
}) => {
  await page.goto(`${service.url}/applications`);
  await page.getByRole("button", { name: "New application" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("x".repeat(67));
  await expect(page.getByText("66 are the most")).toBeVisible();
  await axe(page);
  await page.keyboard.press("Escape");
  const row = page.getByRole("row", { name: /Daily report/ });
  await row.getByRole("button", { name: "Actions of daily" }).click();
  await axe(page);
  await page.getByRole("menuitem", { name: "Copy…" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("Copy of it");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page).toHaveURL(/copy_of_it/);
  await page.goto(`${service.url}/applications`);
  const file = (name: string, content: unknown) => ({
    name: `${name}.json`,
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(content)),
  });
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await (
    await chooser
  ).setFiles([
    file("new_one", { steps: [{ name: "s", file: "NoSuchStep" }] }),
    file("copy_of_it", { name: "copy_of_it", steps: [] }),
    file("noise", { nothing: true }),
  ]);
  const dialog = page.getByRole("dialog", { name: "Import applications" });
  await expect(dialog.getByRole("row", { name: /new_one/ })).toContainText("new");
  await expect(dialog.getByRole("row", { name: /new_one/ })).toContainText("NoSuchStep");
  await expect(dialog.getByRole("row", { name: /copy_of_it/ })).toContainText("changes");
  await expect(dialog.getByRole("row", { name: /noise/ })).toContainText("cannot be imported");
  await axe(page);
  await dialog.getByRole("button", { name: "Import 2" }).click();
  await expect(dialog.getByRole("row", { name: /copy_of_it/ })).toContainText("revision 2");
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await page.getByRole("button", { name: "Actions of new_one" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Delete the application" }).click();
  await expect(page.getByRole("row", { name: /new_one/ })).toHaveCount(0);
});

test("a secret is written and never read", async ({ page, service }) => {
  await page.goto(`${service.url}/configurations/acme`);
  await expect(page.getByText("stored, never shown")).toBeVisible();
  await page.getByRole("button", { name: "Replace password" }).click();
  await page
    .getByRole("textbox", { name: "Value of password" })
    .or(page.getByLabel("Value of password"))
    .first()
    .fill("another secret");
  await page.getByLabel("Value of host").fill("c.example");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("stored, never shown")).toBeVisible();
  const { body } = await service.api("GET", "/configurations/acme");
  expect(JSON.stringify(body)).toContain("c.example");
  expect(JSON.stringify(body)).not.toContain("secret");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("dialog").locator("input").first().click();
  await page.getByRole("option", { name: "globex" }).click();
  await expect(page.getByRole("dialog")).toContainText("b.example");
  await axe(page);
});

test("a schedule says when it is due as one types, and is paused and resumed", async ({
  page,
  service,
  faults,
}) => {
  await page.goto(`${service.url}/schedules`);
  await page.getByRole("button", { name: "New schedule" }).first().click();
  const drawer = page.getByRole("dialog", { name: "New schedule" });
  await drawer.getByRole("textbox", { name: "Name" }).fill("weekly");
  await drawer.locator("input").nth(1).click();
  await page.getByRole("option", { name: "daily" }).click();
  await drawer.getByRole("textbox", { name: "Cron" }).fill("0 9 * * MON");
  await expect(drawer.getByRole("status")).toContainText("Monday");
  await axe(page);
  await shot(page, "schedule");
  await drawer.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("row", { name: /weekly/ })).toBeVisible();
  await page.getByRole("button", { name: "Actions of weekly" }).click();
  await page.getByRole("menuitem", { name: "Pause" }).click();
  await expect(page.getByRole("row", { name: /weekly/ })).toContainText("paused");
  // Half-typed expressions are refused by the preview.
  faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("status of 422")));
});

test("the timeline tells of a run, is zoomed by the wheel and narrowed", async ({ page, service }) => {
  await page.goto(`${service.url}/applications/daily?view=timeline`);
  const bar = page.locator("[data-bar]").last();
  await bar.hover();
  await expect(page.getByText(/queue default/).first()).toBeVisible();
  await page.evaluate(() => {
    const heard = (event: Event) => (document.body.dataset.held = String(event.defaultPrevented));
    window.addEventListener("wheel", heard);
  });
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -120);
  await page.keyboard.up("Control");
  await expect(page).toHaveURL(/span=%225538%22/);
  // The browser does not zoom as well.
  await expect(page.locator("body")).toHaveAttribute("data-held", "true");
  await page.getByRole("textbox", { name: "Queue" }).fill("elsewhere");
  await expect(page.locator("[data-bar]")).toHaveCount(0);
  await page.getByRole("textbox", { name: "Queue" }).fill("");
  await page.locator("[data-bar]").last().click();
  await expect(page).toHaveURL(/runid=isapp-/);
});

test("applications are sorted by a head and narrowed by a column", async ({ page, service }) => {
  await page.goto(`${service.url}/applications`);
  const names = page.locator("tbody tr [data-name]");
  await page.getByRole("button", { name: "Application", exact: true }).click();
  await page.getByRole("button", { name: "Application", exact: true }).click();
  await expect(page).toHaveURL(/order=desc/);
  // Other tests may have left applications here.
  const shown = async () => (await names.allTextContents()).map((name) => name.toLowerCase());
  await expect
    .poll(async () => (await shown()).indexOf("broken one") - (await shown()).indexOf("daily report"))
    .toBeGreaterThan(0);
  expect(await shown()).toEqual((await shown()).toSorted().toReversed());
  await page.getByRole("button", { name: "Filter Version" }).click();
  await page.getByRole("textbox", { name: "Version contains" }).fill("1.2");
  await axe(page);
  await expect(page.getByRole("row", { name: /broken/ })).toHaveCount(0);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Filter Version: 1.2" })).toBeVisible();
  await page.getByRole("button", { name: "Favourite Daily report" }).click();
  await page.goto(service.url);
  await expect(page.getByRole("region", { name: "Favourites" })).toContainText("Daily report");
});

test("a webhook is made, called, looked into and disabled", async ({ page, service }) => {
  test.slow();
  await page.goto(`${service.url}/webhooks`);
  await page.getByRole("button", { name: "New webhook" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("pushes");
  await page.getByRole("combobox", { name: "Application" }).click();
  await page.getByRole("option", { name: "daily" }).click();
  await axe(page);
  await page.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog", { name: "For the sender" });
  const [url = "", secret = ""] = await dialog.locator("code").allTextContents();
  await axe(page);
  await page.getByRole("button", { name: "I have them" }).click();
  const body = '{"event": 7}';
  const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const call = (headers: Record<string, string>) => fetch(url, { method: "POST", body, headers });
  expect((await call({ "x-hub-signature-256": signature })).status).toBe(202);
  // Whoever proves nothing learns nothing, not even that there is such an address.
  expect((await call({ "x-hub-signature-256": "sha256=00" })).status).toBe(404);
  await page.getByRole("row", { name: /pushes/ }).click();
  const log = page.getByRole("dialog", { name: "Deliveries of pushes" });
  await expect(log.getByRole("row", { name: /accepted/ })).toBeVisible();
  await log.getByRole("button", { name: "Deliver 1 again" }).click();
  await expect(log.getByRole("row", { name: /accepted/ })).toHaveCount(2);
  await axe(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Actions of pushes" }).click();
  await page.getByRole("menuitem", { name: "Disable" }).click();
  await expect(page.getByRole("row", { name: /pushes/ })).toContainText("disabled");
  await shot(page, "webhook");
});

test("the palette goes anywhere by a few letters", async ({ page, service }) => {
  await page.goto(service.url);
  await expect(page.getByRole("heading", { name: "Dashboard" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("textbox", { name: "Go to anything" })).toBeFocused();
  await page.keyboard.type("daily rep");
  await expect(page.getByRole("option", { name: /^Daily report/ })).toBeVisible();
  await axe(page);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/applications\/daily/);
  await page.goto(`${service.url}/nothing/there`);
  await expect(page.getByText("There is no such page")).toBeVisible();
});

test("an application that there is not is said so", async ({ page, service, faults }) => {
  await page.goto(`${service.url}/applications/dialy`);
  await expect(page.getByRole("alert")).toContainText("did you mean `daily`");
  forgive(faults, 404, 1);
});
