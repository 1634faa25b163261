// Draws a graph by layers, after Sugiyama: circles are opened, each node gets a layer, long edges are
// led through the layers between, crossings are made fewer by barycentres, and the places across the
// layers are those of least squares to the neighbours. Pure: it knows indices and sizes only.

/** A place in a layer: of a node, or of a long edge that passes. */
interface Slot {
  layer: number;
  /** Its room across the layers. */
  size: number;
  before: number[];
  after: number[];
}

export interface Place {
  layer: number;
  /** The middle, across the layers. */
  across: number;
}

/** If long edges pass more layers than this all together, they are drawn straight. */
const MOST_PASSES = 6_000;
const PASS_SIZE = 12;
const ORDER_SWEEPS = 8;
const PLACE_SWEEPS = 8;

/** Places `count` nodes; `size` is their room across the layers, `gap` what is left free between two. */
export function layers(count: number, edges: [number, number][], size: number, gap: number): Place[] {
  const ways = opened(count, edges);
  const slots = slotsOf(layerOf(count, ways), ways, size);
  const rows: number[][] = [];
  slots.forEach((slot, index) => (rows[slot.layer] ??= []).push(index));
  const ordered = order(slots, rows);
  const across = place(slots, ordered, gap);
  return slots.slice(0, count).map((slot, index) => ({ layer: slot.layer, across: across[index] ?? 0 }));
}

/** The edges without those that close a circle, each pair once. */
function opened(count: number, edges: [number, number][]): [number, number][] {
  const next = Array.from({ length: count }, () => new Set<number>());
  for (const [from, to] of edges) if (from !== to) next[from]?.add(to);
  const targets = (node: number) => [...(next[node] ?? [])].values();
  const OPEN = 1;
  const DONE = 2;
  const state = new Uint8Array(count);
  for (let root = 0; root < count; root++) {
    if (state[root]) continue;
    const path = [{ node: root, left: targets(root) }];
    state[root] = OPEN;
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { value: to, done } = top.left.next();
      if (done || to === undefined) {
        state[top.node] = DONE;
        path.pop();
      } else if (state[to] === OPEN) next[top.node]?.delete(to);
      else if (state[to] !== DONE) {
        state[to] = OPEN;
        path.push({ node: to, left: targets(to) });
      }
    }
  }
  return next.flatMap((set, from) => [...set].map((to): [number, number] => [from, to]));
}

/** The layer of each node: behind all that lead to it, and a start just before what it leads to. */
function layerOf(count: number, ways: [number, number][]): number[] {
  const after = Array.from({ length: count }, (): number[] => []);
  const waits = new Array<number>(count).fill(0);
  const starts = new Set(waits.keys());
  for (const [from, to] of ways) {
    after[from]?.push(to);
    waits[to] = (waits[to] ?? 0) + 1;
    starts.delete(to);
  }
  const layer = new Array<number>(count).fill(0);
  const line = [...starts];
  for (const node of line)
    for (const to of after[node] ?? []) {
      layer[to] = Math.max(layer[to] ?? 0, (layer[node] ?? 0) + 1);
      waits[to] = (waits[to] ?? 0) - 1;
      if (waits[to] === 0) line.push(to);
    }
  for (const node of starts) {
    const next = after[node] ?? [];
    if (next.length > 0)
      layer[node] = next.reduce((least, to) => Math.min(least, layer[to] ?? 0), Infinity) - 1;
  }
  return layer;
}

/** A slot for each node, and behind them one for each layer that a long edge passes. */
function slotsOf(layer: number[], ways: [number, number][], size: number): Slot[] {
  const slots: Slot[] = layer.map((at) => ({ layer: at, size, before: [], after: [] }));
  const span = ([from, to]: [number, number]) => (layer[to] ?? 0) - (layer[from] ?? 0);
  const passes = ways.reduce((sum, way) => sum + span(way) - 1, 0) <= MOST_PASSES;
  const join = (from: number, to: number) => {
    slots[from]?.after.push(to);
    slots[to]?.before.push(from);
  };
  for (const way of ways) {
    const [from, to] = way;
    let last = from;
    if (!passes && span(way) > 1) continue;
    for (let at = (layer[from] ?? 0) + 1; at < (layer[to] ?? 0); at++) {
      slots.push({ layer: at, size: PASS_SIZE, before: [], after: [] });
      join(last, slots.length - 1);
      last = slots.length - 1;
    }
    join(last, to);
  }
  return slots;
}

/** The rows, in an order with few crossings. */
function order(slots: Slot[], rows: number[][]): number[][] {
  let best = depthFirst(slots, rows);
  let least = crossings(slots, best);
  let now = best;
  for (let sweep = 0; sweep < ORDER_SWEEPS && least > 0; sweep++) {
    now = swept(slots, now, sweep % 2 === 0);
    const count = crossings(slots, now);
    if (count < least) [best, least] = [now, count];
  }
  return best;
}

/** What belongs together stands together: a tree comes out of this without a crossing. */
function depthFirst(slots: Slot[], rows: number[][]): number[][] {
  const found: number[][] = rows.map(() => []);
  const seen = new Uint8Array(slots.length);
  for (const root of rows.flat()) {
    const open = [root];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (seen[index]) continue;
      seen[index] = 1;
      const slot = slots[index];
      if (!slot) continue;
      found[slot.layer]?.push(index);
      open.push(...slot.after.toReversed());
    }
  }
  return found;
}

function ranks(slots: Slot[], rows: number[][]): number[] {
  const rank = new Array<number>(slots.length).fill(0);
  for (const row of rows) row.forEach((index, at) => (rank[index] = at));
  return rank;
}

/** Orders each row by the mean rank of its neighbours in the row that was ordered before it. */
function swept(slots: Slot[], rows: number[][], forwards: boolean): number[][] {
  const rank = ranks(slots, rows);
  const next = [...rows];
  const walk = forwards ? next.keys() : [...next.keys()].reverse();
  for (const at of walk) {
    const mean = new Map<number, number>();
    for (const index of next[at] ?? []) {
      const near = (forwards ? slots[index]?.before : slots[index]?.after) ?? [];
      const sum = near.reduce((total, each) => total + (rank[each] ?? 0), 0);
      mean.set(index, near.length > 0 ? sum / near.length : (rank[index] ?? 0));
    }
    next[at] = (next[at] ?? []).toSorted((one, other) => (mean.get(one) ?? 0) - (mean.get(other) ?? 0));
    next[at].forEach((index, place) => (rank[index] = place));
  }
  return next;
}

/** How many pairs of edges cross, by a tree of counts for each row. */
function crossings(slots: Slot[], rows: number[][]): number {
  const rank = ranks(slots, rows);
  let count = 0;
  rows.forEach((row, at) => {
    const tree = new Uint32Array((rows[at + 1]?.length ?? 0) + 1);
    let all = 0;
    for (const index of row) {
      const ends = (slots[index]?.after ?? []).map((to) => (rank[to] ?? 0) + 1);
      for (const end of ends) {
        let below = 0;
        for (let left = end; left > 0; left -= left & -left) below += tree[left] ?? 0;
        count += all - below;
      }
      for (const end of ends)
        for (let right = end; right < tree.length; right += right & -right)
          tree[right] = (tree[right] ?? 0) + 1;
      all += ends.length;
    }
  });
  return count;
}

/** What has no neighbours on the side that is looked to gives way. */
const LIGHT = 1e-3;

/** The middle of each slot across the layers: as near to its neighbours as the order of the rows lets it. */
function place(slots: Slot[], rows: number[][], gap: number): number[] {
  const across = new Array<number>(slots.length).fill(0);
  // What each would have to itself in a rising line, if those before it took no room.
  const room = rows.map((row) => {
    let taken = 0;
    return row.map((index, at) => {
      const [own, other] = [slots[index]?.size ?? 0, slots[row[at - 1] ?? -1]?.size ?? 0];
      taken += at === 0 ? 0 : (own + other) / 2 + gap;
      return taken;
    });
  });
  const settle = (at: number, side: "before" | "after") => {
    const wishes = (rows[at] ?? []).map((index, place) => {
      const near = slots[index]?.[side] ?? [];
      const sum = near.reduce((total, each) => total + (across[each] ?? 0), 0);
      const wish = near.length > 0 ? sum / near.length : (across[index] ?? 0);
      return { wish: wish - (room[at]?.[place] ?? 0), weight: near.length > 0 ? 1 : LIGHT };
    });
    rising(wishes).forEach((free, place) => {
      const index = rows[at]?.[place];
      if (index !== undefined) across[index] = free + (room[at]?.[place] ?? 0);
    });
  };
  const forwards = [...rows.keys()];
  for (const at of forwards) settle(at, "before");
  // The last sweep is towards where it is narrow: what leads to many ends stands in their middle.
  const starts = slots.filter((slot) => slot.before.length === 0).length;
  const ends = slots.filter((slot) => slot.after.length === 0).length;
  for (let sweep = PLACE_SWEEPS; sweep > 0; sweep--) {
    const backwards = (sweep % 2 === 1) === ends >= starts;
    for (const at of backwards ? forwards.toReversed() : forwards) settle(at, backwards ? "after" : "before");
  }
  return across;
}

/** The rising line that is nearest to the wishes: where two are the wrong way round, they share their mean. */
function rising(wishes: { wish: number; weight: number }[]): number[] {
  const blocks: { sum: number; weight: number; count: number }[] = [];
  for (const { wish, weight } of wishes) {
    let block = { sum: wish * weight, weight, count: 1 };
    for (let last = blocks.at(-1); last; last = blocks.at(-1)) {
      if (last.sum / last.weight < block.sum / block.weight) break;
      block = {
        sum: last.sum + block.sum,
        weight: last.weight + block.weight,
        count: last.count + block.count,
      };
      blocks.pop();
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, weight, count }) => new Array<number>(count).fill(sum / weight));
}
