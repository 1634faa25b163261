import { describe, expect, it } from "vitest";

import { layers } from "./layers";

type Edges = [number, number][];

const graphs: Record<string, [number, Edges]> = {
  tree: [
    300,
    range(300)
      .slice(1)
      .map((each) => [(each - 1) >> 1, each]),
  ],
  chain: [
    5_000,
    range(5_000)
      .slice(1)
      .map((each) => [each - 1, each]),
  ],
  apart: [5_000, []],
  dense: [
    1_000,
    range(1_000)
      .slice(1)
      .flatMap((each): Edges => [
        [each >> 1, each],
        [Math.max(0, each - 3), each],
        [Math.max(0, each - 10), each],
      ]),
  ],
  none: [0, []],
};

function range(count: number): number[] {
  return [...new Array<number>(count).keys()];
}

describe("layers", () => {
  for (const [name, [count, edges]] of Object.entries(graphs)) {
    it(`places each behind those before it, and none upon another: ${name}`, () => {
      const places = layers(count, edges, 64, 28);
      expect(places).toHaveLength(count);
      for (const [from, to] of edges)
        expect(places[to]?.layer ?? 0).toBeGreaterThan(places[from]?.layer ?? Infinity);
      const sorted = places.toSorted((one, other) => one.layer - other.layer || one.across - other.across);
      const close = sorted.filter((each, at) => {
        const before = sorted[at - 1];
        return before?.layer === each.layer && each.across - before.across < 64 + 28 - 1e-6;
      });
      expect(close).toEqual([]);
    });
  }

  it("opens a circle", () => {
    const places = layers(
      3,
      [
        [0, 1],
        [1, 2],
        [2, 0],
        [1, 1],
      ],
      64,
      28,
    );
    expect(places.map((each) => each.layer)).toEqual([0, 1, 2]);
  });

  it("puts a step in the middle of those that it leads to, and crosses no edges of a tree", () => {
    const places = layers(
      7,
      [
        [0, 1],
        [0, 2],
        [1, 3],
        [2, 4],
        [1, 5],
        [2, 6],
      ],
      64,
      28,
    );
    const at = (index: number) => places[index]?.across ?? NaN;
    expect(at(0)).toBeCloseTo((at(1) + at(2)) / 2);
    expect(at(1)).toBeCloseTo((at(3) + at(5)) / 2);
    expect(Math.max(at(3), at(5))).toBeLessThan(Math.min(at(4), at(6)));
  });

  it("puts a step in the middle of those that lead to it", () => {
    const places = layers(
      7,
      [
        [1, 0],
        [2, 0],
        [3, 1],
        [4, 2],
        [5, 1],
        [6, 2],
      ],
      64,
      28,
    );
    const at = (index: number) => places[index]?.across ?? NaN;
    expect(at(0)).toBeCloseTo((at(1) + at(2)) / 2);
    expect(at(1)).toBeCloseTo((at(3) + at(5)) / 2);
  });

  it("puts what nothing leads to just before what it leads to", () => {
    const places = layers(
      4,
      [
        [0, 1],
        [1, 2],
        [3, 2],
      ],
      64,
      28,
    );
    expect(places[3]?.layer).toBe(1);
  });

  it("leads a long edge around the steps between", () => {
    const places = layers(
      3,
      [
        [0, 1],
        [1, 2],
        [0, 2],
      ],
      64,
      28,
    );
    expect(places[1]?.across).not.toBe(places[0]?.across);
  });
});
