import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import {
  Bell,
  Clock,
  Code,
  Filter,
  Hourglass,
  RotateCw,
  Split,
  UserCheck,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import { memo } from "react";

import { look, mark } from "@/lib/states";
import { duration } from "@/lib/time";
import type { Direction } from "./document";
import classes from "./graph.module.css";

/** What a run made of a step, as a node shows it. */
export interface Overlay {
  state: string;
  /** In milliseconds. */
  took: number | null;
  attempts: number;
  /** Why it waits. */
  waits?: string | null;
  /** Whether its result is that of the run that was retried. */
  reused?: boolean;
}

export interface StepData extends Record<string, unknown> {
  name: string;
  kind: string;
  operator: string | undefined;
  file: string | undefined;
  syncpack: string | undefined;
  direction: Direction;
  overlay: Overlay | undefined;
  faults: number;
  editable: boolean;
  /** Opens the step's menu at a place of the window. */
  menu: ((name: string, at: { x: number; y: number }) => void) | undefined;
  /** Adds a step behind this one. */
  plus: ((name: string, at: { x: number; y: number }) => void) | undefined;
}

export type StepNodeType = Node<StepData, "step">;

const ICONS: Record<string, LucideIcon> = {
  condition: Split,
  transform: Filter,
  delay: Clock,
  approval: UserCheck,
  webhook: Bell,
  wait_for_webhook: Bell,
};

/** What stands on a node, for a reader. */
export function describe(data: StepData): string {
  const parts = [data.name, data.kind];
  if (data.overlay) parts.push(look(data.overlay.state).label);
  if (data.faults) parts.push(`${data.faults} ${data.faults === 1 ? "fault" : "faults"}`);
  return parts.join(", ");
}

function StepNodeView({ data, selected }: NodeProps<StepNodeType>) {
  const { overlay, direction } = data;
  const shown = overlay ? look(overlay.state) : null;
  const Icon = data.operator
    ? (ICONS[data.operator] ?? Code)
    : data.file === "TriggerApplication"
      ? Workflow
      : Code;
  const StateIcon = shown?.icon;
  const quiet = overlay && ["not_taken", "skipped", "pending"].includes(overlay.state);
  return (
    <div
      className={classes.node}
      data-selected={selected || undefined}
      data-quiet={quiet || undefined}
      data-state={overlay?.state}
      style={
        shown ? { borderColor: mark(shown.tone), boxShadow: `inset 3px 0 0 ${mark(shown.tone)}` } : undefined
      }
    >
      <Handle
        type="target"
        position={direction === "LR" ? Position.Left : Position.Top}
        isConnectable={data.editable}
        className={classes.handle}
      />
      <span className={classes.icon}>
        <Icon size={16} aria-hidden />
      </span>
      <div className={classes.texts}>
        <div className={classes.name} title={data.name}>
          {data.name}
        </div>
        <div className={classes.kind}>
          {shown && StateIcon ? (
            <span
              style={{ color: `var(--state-${shown.tone}-text)` }}
              className={classes.state}
              title={overlay?.waits ?? undefined}
            >
              <StateIcon
                size={12}
                aria-hidden
                className={overlay?.state === "running" ? classes.spin : undefined}
              />
              {shown.label}
              {overlay?.took !== null && overlay?.took !== undefined && !quiet
                ? ` · ${duration(overlay.took)}`
                : null}
              {(overlay?.attempts ?? 0) > 1 ? (
                <span title={`attempt ${overlay?.attempts ?? 0}`}>
                  <RotateCw size={10} aria-hidden /> {overlay?.attempts}
                </span>
              ) : null}
              {overlay?.reused ? <span title="The result of the run that was retried">reused</span> : null}
            </span>
          ) : (
            <>
              {data.kind}
              {data.syncpack ? ` · ${data.syncpack}` : null}
            </>
          )}
        </div>
      </div>
      {data.faults ? (
        <span className={classes.faults} title={`${data.faults} faults`}>
          {data.faults}
        </span>
      ) : null}
      {overlay?.waits ? <Hourglass size={12} className={classes.waits} aria-hidden /> : null}
      {data.menu ? (
        <button
          type="button"
          className={`${classes.more ?? ""} nodrag`}
          tabIndex={-1}
          aria-label={`Menu of ${data.name}`}
          onClick={(event) => {
            event.stopPropagation();
            const box = event.currentTarget.getBoundingClientRect();
            data.menu?.(data.name, { x: box.left, y: box.bottom });
          }}
        />
      ) : null}
      <Handle
        type="source"
        position={direction === "LR" ? Position.Right : Position.Bottom}
        isConnectable={data.editable}
        className={classes.handle}
      />
      {data.plus ? (
        <button
          type="button"
          tabIndex={-1}
          className={`${classes.plus ?? ""} nodrag`}
          data-direction={direction}
          aria-label={`Add a step after ${data.name}`}
          onClick={(event) => {
            event.stopPropagation();
            data.plus?.(data.name, { x: event.clientX, y: event.clientY });
          }}
        />
      ) : null}
    </div>
  );
}

/** A step on the canvas. */
export const StepNode = memo(StepNodeView);
