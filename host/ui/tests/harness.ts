import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";

import { PASSWORD, Service, USER } from "./service";

/** A page that is logged in, and the service that it is of. What goes wrong in the page fails the test. */
export const test = base.extend<{ page: Page; faults: string[] }, { service: Service }>({
  service: [
    async ({}, use) => {
      const service = new Service();
      await service.start();
      await use(service);
      await service.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  // What the page complained of; a test that provokes something takes that away again.

  faults: async ({}, use) => {
    await use([]);
  },
  page: async ({ page, service, faults }, use) => {
    watch(page, service.url, faults);
    await logIn(page, service.url);
    await use(page);
    expect(faults).toEqual([]);
  },
});
export { expect };

/** Notes what a page complains of, and whom it asks. */
export function watch(page: Page, url: string, faults: string[]): void {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${String(error)}`));
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(url))
      faults.push(`asked elsewhere: ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 500) faults.push(`${response.status()}: ${response.url()}`);
  });
}

/** Takes the browser's own lines about refusals that a test provoked away: just so many. */
export function forgive(faults: string[], status: number, count: number): void {
  for (let left = count; left > 0; left--) {
    const at = faults.findIndex((fault) => fault.includes(`status of ${status}`));
    expect(at, `a refusal with ${status} was provoked`).toBeGreaterThanOrEqual(0);
    faults.splice(at, 1);
  }
}

export async function logIn(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/login`);
  await page.locator("[name=user]").fill(USER);
  await page.locator("[name=password]").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL((at) => !at.pathname.startsWith("/login"));
}

/** What axe-core finds in a page, in light and in dark. */
export async function axe(page: Page): Promise<void> {
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.waitForTimeout(250);
    const { violations } = await new AxeBuilder({ page })
      .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
      .analyze();
    const told = violations.flatMap((each) =>
      each.nodes.map((node) => `${scheme} ${each.id}: ${node.target.join(" ")} ${node.failureSummary ?? ""}`),
    );
    expect(told, await page.title()).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Pictures of a page in both themes, wide and narrow, in the ignored folder `screenshots`. */
export async function shot(page: Page, name: string): Promise<void> {
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 });
      await page.waitForTimeout(150);
      await page.screenshot({ path: `screenshots/${name}-${scheme}-${width}.png` });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Nothing is cut off: the page is not wider than the window, also at twice the size. */
export async function fits(page: Page): Promise<void> {
  for (const width of [1280, 640, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(150);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(over, `${page.url()} at ${width}`).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}
