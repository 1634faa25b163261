import { expect, test } from "../harness";
import { openLongLog } from "../noisy";

test("a log of 10,000 lines is scrolled and searched", async ({ page, service }) => {
  test.slow();
  await openLongLog(page, service);
  const frames = await page.evaluate(async () => {
    const box = document.querySelector<HTMLElement>("[role=log]");
    if (!box) return [];
    const gaps: number[] = [];
    let last = performance.now();
    for (let frame = 0; frame < 90; frame++) {
      box.scrollTop += 1_800;
      await new Promise((next) => requestAnimationFrame(next));
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return gaps.sort((a, b) => a - b);
  });
  const began = Date.now();
  await page.getByRole("textbox", { name: "Search the log" }).fill("step 4999");
  await expect(page.getByText("2 of 10000 lines")).toBeVisible();
  const searched = Date.now() - began;
  const median = frames[Math.floor(frames.length / 2)] ?? 0;
  process.stdout.write(
    `log of 10,000 lines: median frame ${median.toFixed(1)} ms, p95 ${(frames[85] ?? 0).toFixed(1)} ms, search ${searched} ms\n`,
  );
  expect(frames).toHaveLength(90);
});
