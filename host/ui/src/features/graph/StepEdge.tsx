import { BaseEdge, EdgeLabelRenderer, getBezierPath, type Edge, type EdgeProps } from "@xyflow/react";
import { memo } from "react";

import type { EdgeKind } from "./document";
import classes from "./graph.module.css";

export interface EdgeData extends Record<string, unknown> {
  kind: EdgeKind;
  label: string | undefined;
  /** Whether the run went this way; `undefined` where there is no run. */
  taken: boolean | undefined;
  /** Whether it only hands over data, and another edge decides whether the step runs. */
  reads: boolean;
  /** Adds a step into this edge. */
  plus: ((id: string, at: { x: number; y: number }) => void) | undefined;
}

export type StepEdgeType = Edge<EdgeData, "step">;

function StepEdgeView({ id, data, selected, ...ends }: EdgeProps<StepEdgeType>) {
  const [path, x, y] = getBezierPath({ ...ends, curvature: 0.35 });
  const colour = selected
    ? "var(--mantine-primary-color-filled)"
    : data?.taken
      ? "var(--state-running)"
      : data?.kind === "error"
        ? "var(--state-failed)"
        : "var(--line-strong)";
  return (
    <>
      <BaseEdge
        id={id}
        path={path}
        interactionWidth={18}
        {...(ends.markerEnd ? { markerEnd: ends.markerEnd } : {})}
        style={{
          stroke: colour,
          strokeWidth: data?.taken || selected ? 2.2 : 1.5,
          strokeDasharray: data?.kind === "error" ? "5 4" : data?.reads ? "2 4" : undefined,
          opacity: data?.taken === false ? 0.45 : 1,
        }}
      />
      {data?.label || (selected && data?.plus) ? (
        <EdgeLabelRenderer>
          <div
            style={{
              position: "absolute",
              transform: `translate(-50%, -50%) translate(${x}px, ${y}px)`,
              display: "flex",
              gap: 4,
              pointerEvents: "all",
            }}
            className="nodrag nopan"
          >
            {data.label ? (
              <span
                className={classes.label}
                data-kind={data.kind}
                data-taken={data.taken || undefined}
                title={data.label}
              >
                {data.label}
              </span>
            ) : null}
            {selected && data.plus ? (
              <button
                type="button"
                tabIndex={-1}
                className={classes.plus}
                style={{ position: "static", visibility: "visible" }}
                aria-label="Add a step here"
                onClick={(event) => data.plus?.(id, { x: event.clientX, y: event.clientY })}
              />
            ) : null}
          </div>
        </EdgeLabelRenderer>
      ) : null}
    </>
  );
}

/** A line from a step to one that follows it, with the branch's label. */
export const StepEdge = memo(StepEdgeView);
