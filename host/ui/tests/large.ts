import type { Page } from "@playwright/test";

/** A tree of three hundred steps, none of which a person placed. */
export const largeApplication = {
  name: "large",
  steps: Array.from({ length: 300 }, (_, index) => ({
    name: `s${index}`,
    operator: "transform",
    template: "1",
    data_from: index ? [`s${Math.floor((index - 1) / 2)}`] : [],
  })),
};

/** The middle of a step that stands well inside of the canvas. */
export async function middleNode(page: Page): Promise<{ name: string; x: number; y: number }> {
  const found = await page.evaluate(() => {
    const canvas = document.querySelector(".react-flow")?.getBoundingClientRect();
    if (!canvas) return null;
    const far = (box: DOMRect) =>
      Math.hypot(box.x - canvas.x - canvas.width / 2, box.y - canvas.y - canvas.height / 2);
    const [first] = [...document.querySelectorAll<HTMLElement>(".react-flow__node")]
      .map((node) => ({ name: node.dataset.id ?? "", box: node.getBoundingClientRect() }))
      .sort((one, other) => far(one.box) - far(other.box));
    if (!first) return null;
    const { x, y, width, height } = first.box;
    return { name: first.name, x: x + width / 3, y: y + height / 2 };
  });
  if (!found) throw new Error("no step on the canvas");
  return found;
}

/** A place of the canvas where nothing stands. */
export async function emptyPlace(page: Page): Promise<{ x: number; y: number }> {
  const found = await page.evaluate(() => {
    const canvas = document.querySelector(".react-flow")?.getBoundingClientRect();
    if (!canvas) return null;
    for (let y = canvas.bottom - 60; y > canvas.top + 60; y -= 7)
      for (let x = canvas.left + 80; x < canvas.right - 80; x += 7)
        if ([0, 3].every((by) => document.elementFromPoint(x + by, y + by)?.matches(".react-flow__pane")))
          return { x, y };
    return null;
  });
  if (!found) throw new Error("the canvas is full");
  return found;
}

interface Fiber {
  child: Fiber | null;
  sibling: Fiber | null;
  alternate: Fiber | null;
  flags: number;
  memoizedProps: { id?: string; positionAbsoluteX?: number; sourceX?: number } | null;
  type: unknown;
}

/** Notes, from the next page on, which steps and edges React draws: as its developer tools are told of it. */
export async function watchDrawing(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const drawn = { nodes: [] as string[], edges: [] as string[] };
    const PERFORMED_WORK = 1;
    const note = ({ memoizedProps: props, flags, type }: Fiber) => {
      if (typeof type !== "function" || (flags & PERFORMED_WORK) === 0 || !props?.id) return;
      if (props.positionAbsoluteX !== undefined) drawn.nodes.push(props.id);
      else if (props.sourceX !== undefined) drawn.edges.push(props.id);
    };
    // Children that React left as they were are the same object as before.
    const walk = (first: Fiber | null) => {
      for (let each = first; each; each = each.sibling) {
        note(each);
        if (each.child !== each.alternate?.child) walk(each.child);
      }
    };
    Object.assign(window, {
      drawn,
      __REACT_DEVTOOLS_GLOBAL_HOOK__: {
        supportsFiber: true,
        renderers: new Map(),
        inject: () => 1,
        onCommitFiberUnmount: () => undefined,
        onPostCommitFiberRoot: () => undefined,
        onCommitFiberRoot: (_: number, root: { current: Fiber }) => walk(root.current),
      },
    });
  });
}

/** What was drawn since the last time that this was asked. */
export async function drawnSince(page: Page): Promise<{ nodes: string[]; edges: string[] }> {
  return page.evaluate(() => {
    const { drawn } = window as unknown as { drawn: { nodes: string[]; edges: string[] } };
    return { nodes: drawn.nodes.splice(0), edges: drawn.edges.splice(0) };
  });
}
