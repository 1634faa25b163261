import { Graph, layout as dagre } from "@dagrejs/dagre";

import { edgesOf, type ApplicationDoc, type Direction, type Position } from "./document";

/** The size of a step on the canvas, in pixels. */
export const NODE = { width: 216, height: 64 };

/** Places every step anew, by layers. */
export function arrange(document: ApplicationDoc, direction: Direction): Record<string, Position> {
  const graph = new Graph({ multigraph: false });
  graph.setGraph({
    rankdir: direction,
    nodesep: direction === "LR" ? 28 : 40,
    ranksep: direction === "LR" ? 84 : 64,
    marginx: 16,
    marginy: 16,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const step of document.steps) graph.setNode(step.name, { width: NODE.width, height: NODE.height });
  for (const edge of edgesOf(document)) graph.setEdge(edge.from, edge.to);
  dagre(graph);
  return Object.fromEntries(
    document.steps.map((step) => {
      const node = graph.node(step.name) as Position;
      return [step.name, { x: Math.round(node.x - NODE.width / 2), y: Math.round(node.y - NODE.height / 2) }];
    }),
  );
}

/** Where the steps are: as the document has them, and by layers where it has not all. */
export function positionsOf(document: ApplicationDoc): {
  direction: Direction;
  positions: Record<string, Position>;
} {
  const direction = document.layout?.direction === "TB" ? "TB" : "LR";
  const known = document.layout?.positions ?? {};
  const valid = (position: Position | undefined) =>
    Number.isFinite(position?.x) && Number.isFinite(position?.y);
  if (document.steps.length > 0 && document.steps.every((step) => valid(known[step.name])))
    return { direction, positions: known };
  const made = arrange(document, direction);
  // What a person placed stays; what is new comes beneath it.
  const placed = document.steps.filter((step) => valid(known[step.name]));
  if (placed.length === 0) return { direction, positions: made };
  const below = Math.max(...placed.map((step) => known[step.name]?.y ?? 0)) + NODE.height * 2;
  let column = 0;
  return {
    direction,
    positions: Object.fromEntries(
      document.steps.map((step) => {
        const position = known[step.name];
        return [
          step.name,
          position && valid(position) ? position : { x: 16 + NODE.width * 1.2 * column++, y: below },
        ];
      }),
    ),
  };
}
