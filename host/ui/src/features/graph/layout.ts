import { edgesOf, type ApplicationDoc, type Direction, type Position } from "./document";
import { layers } from "./layers";

/** The size of a step on the canvas, in pixels. */
export const NODE = { width: 216, height: 64 };

const MARGIN = 16;
/** What is left free between layers, and between steps of a layer. */
const GAPS = { LR: { along: 84, across: 28 }, TB: { along: 64, across: 40 } };

/** Which way the steps are laid out. */
export const directionOf = (document: ApplicationDoc): Direction =>
  document.layout?.direction === "TB" ? "TB" : "LR";

/** Places every step anew, by layers. */
export function arrange(document: ApplicationDoc, direction: Direction): Record<string, Position> {
  const indices = new Map(document.steps.map((step, index) => [step.name, index]));
  const edges = edgesOf(document).map(({ from, to }): [number, number] => [
    indices.get(from) ?? 0,
    indices.get(to) ?? 0,
  ]);
  return arranged(
    document.steps.map((step) => step.name),
    edges,
    direction,
  );
}

/** The last layouts by structure: what a step is told changes nothing in where it stands. */
const known = new Map<string, Record<string, Position>>();
const MOST_KNOWN = 8;

function arranged(
  names: string[],
  edges: [number, number][],
  direction: Direction,
): Record<string, Position> {
  const key = JSON.stringify([direction, names, edges]);
  const before = known.get(key);
  if (before) return before;
  const [along, across] = direction === "LR" ? [NODE.width, NODE.height] : [NODE.height, NODE.width];
  const gaps = GAPS[direction];
  const places = layers(names.length, edges, across, gaps.across);
  const first = places.reduce((least, place) => Math.min(least, place.across), Infinity);
  const made = Object.fromEntries(
    names.map((name, index) => {
      const place = places[index] ?? { layer: 0, across: 0 };
      const forth = MARGIN + place.layer * (along + gaps.along);
      const aside = MARGIN + Math.round(place.across - first);
      return [name, direction === "LR" ? { x: forth, y: aside } : { x: aside, y: forth }];
    }),
  );
  const oldest = known.size >= MOST_KNOWN ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  known.set(key, made);
  return made;
}

const valid = (position: Position | undefined): position is Position =>
  Number.isFinite(position?.x) && Number.isFinite(position?.y);

/** Where the steps are: as the document has them, and by layers where it has not all. */
export function positionsOf(document: ApplicationDoc): Record<string, Position> {
  const own = document.layout?.positions ?? {};
  const { steps } = document;
  const placed = steps.filter((step) => valid(own[step.name]));
  if (placed.length === 0) return arrange(document, directionOf(document));
  if (placed.length === steps.length) return own;
  // What a person placed stays; what is new comes beneath it.
  const lowest = placed.reduce((most, step) => Math.max(most, own[step.name]?.y ?? 0), -Infinity);
  const below = lowest + NODE.height * 2;
  let column = 0;
  return Object.fromEntries(
    steps.map((step) => {
      const position = own[step.name];
      return [step.name, valid(position) ? position : { x: MARGIN + NODE.width * 1.2 * column++, y: below }];
    }),
  );
}
