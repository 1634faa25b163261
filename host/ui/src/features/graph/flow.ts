import { MarkerType, Position, type NodeHandle } from "@xyflow/react";

import { edgesOf, kindOf, type ApplicationDoc, type Direction } from "./document";
import { directionOf, NODE, positionsOf } from "./layout";
import type { EdgeData, StepEdgeType } from "./StepEdge";
import { describe, type Overlay, type StepData, type StepNodeType } from "./StepNode";

interface Options {
  overlay?: Record<string, Overlay> | undefined;
  faults?: Record<string, number> | undefined;
  selected?: string | null | undefined;
  editable?: boolean;
  menu?: StepData["menu"];
  plus?: StepData["plus"];
}

/** The size of a handle with its border, and how far the border of a step draws it in. */
const HANDLE = 9;
const BORDER = 1;

function handle(type: "source" | "target", position: Position, x: number, y: number): NodeHandle {
  return { type, position, x: x - HANDLE / 2, y: y - HANDLE / 2, width: HANDLE, height: HANDLE };
}

/** Where edges end at a step: known, so that they are drawn with it and not after it was measured. */
const HANDLES: Record<Direction, NodeHandle[]> = {
  LR: [
    handle("target", Position.Left, BORDER, NODE.height / 2),
    handle("source", Position.Right, NODE.width - BORDER, NODE.height / 2),
  ],
  TB: [
    handle("target", Position.Top, NODE.width / 2, BORDER),
    handle("source", Position.Bottom, NODE.width / 2, NODE.height - BORDER),
  ],
};

/** The nodes of an application's steps. */
export function nodesOf(document: ApplicationDoc, options: Options): StepNodeType[] {
  const direction = directionOf(document);
  const positions = positionsOf(document);
  return document.steps.map((step) => {
    const data: StepData = {
      name: step.name,
      kind: kindOf(step),
      operator: step.operator,
      file: step.file,
      syncpack: step.syncpack,
      direction,
      overlay: options.overlay?.[step.name],
      faults: options.faults?.[step.name] ?? 0,
      editable: options.editable ?? false,
      menu: options.menu,
      plus: options.plus,
    };
    return {
      id: step.name,
      type: "step",
      position: positions[step.name] ?? { x: 0, y: 0 },
      data,
      ...NODE,
      measured: NODE,
      handles: HANDLES[direction],
      selected: options.selected === step.name,
      draggable: options.editable ?? false,
      ariaLabel: describe(data),
    };
  });
}

const SETTLED = ["success", "warning", "failed"];

/** The edges of an application, with the way that a run went. */
export function linesOf(
  document: ApplicationDoc,
  options: Pick<Options, "overlay"> & { plus?: EdgeData["plus"]; selected?: string | null },
): StepEdgeType[] {
  const { overlay } = options;
  const edges = edgesOf(document);
  const decided = new Set(edges.filter((edge) => edge.kind !== "data").map((edge) => edge.to));
  return edges.map((edge) => {
    const from = overlay?.[edge.from]?.state;
    const to = overlay?.[edge.to]?.state;
    const taken = overlay
      ? SETTLED.includes(from ?? "") && !["not_taken", "skipped", "pending", undefined].includes(to)
      : undefined;
    return {
      id: edge.id,
      type: "step",
      source: edge.from,
      target: edge.to,
      selected: options.selected === edge.id,
      ariaLabel: `${edge.from} to ${edge.to}${edge.label ? `, ${edge.label}` : ""}`,
      data: {
        reads: edge.kind === "data" && decided.has(edge.to),
        kind: edge.kind,
        label: edge.label,
        taken,
        plus: options.plus,
      },
      markerEnd: {
        type: MarkerType.ArrowClosed,
        width: 16,
        height: 16,
        color: taken ? "var(--state-running)" : "var(--line-strong)",
      },
    };
  });
}
