import type { Page } from "@playwright/test";

/** Prints a figure, and the rounds that it is the best of. */
export function tell(what: string, unit: string, rounds: number[], best = Math.min(...rounds)): void {
  const all = rounds.map((each) => each.toFixed(0)).join(", ");
  process.stdout.write(`${what}: ${best.toFixed(0)} ${unit}${rounds.length > 1 ? ` (of ${all})` : ""}\n`);
}

/** How often the page draws in a second while something is done to it for as long as `ms`. */
export async function frames(
  page: Page,
  ms: number,
  act: (passed: number) => Promise<void>,
): Promise<number> {
  const rate = page.evaluate(
    (long) =>
      new Promise<number>((done) => {
        const began = performance.now();
        let count = 0;
        const next = () => {
          count++;
          const passed = performance.now() - began;
          if (passed < long) requestAnimationFrame(next);
          else done((count * 1_000) / passed);
        };
        requestAnimationFrame(next);
      }),
    ms,
  );
  const began = Date.now();
  while (Date.now() - began < ms) await act(Date.now() - began);
  return rate;
}
