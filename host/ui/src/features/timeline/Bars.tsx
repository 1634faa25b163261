import { Paper, Text } from "@mantine/core";
import { memo, useState, type PointerEvent } from "react";

import type { Schema } from "@/api/client";
import { look, mark } from "@/lib/states";
import { StateBadge } from "@/ui/StateBadge";
import { lanes } from "./lanes";
import classes from "./Timeline.module.css";

type Run = Schema<"TimelineRun">;

/** Rows of bars beneath each other. */
export const LANES = 14;
/** The width of what tells of a run, in pixels. */
const WIDTH = 300;
/** How far above a bar in the lower half it stands. */
const HEIGHT = 100;

interface Props {
  runs: Run[];
  from: number;
  until: number;
  /** Until when runs that go on are drawn; 0 where all have ended. */
  now: number;
  words: (run: Run) => string;
  open: (run: Run) => void;
}

/** A bar for each run, and what is known of the one under the pointer. */
export function Bars({ runs, from, until, now, words, open }: Props) {
  const [over, setOver] = useState<{ index: number; x: number; y: number } | null>(null);
  const run = over ? runs[over.index] : undefined;
  const indexOf = (event: { target: EventTarget }) =>
    Number((event.target as HTMLElement).dataset.bar ?? Number.NaN);
  const point = (event: PointerEvent<HTMLDivElement>) => {
    const index = indexOf(event);
    if (Number.isNaN(index)) {
      setOver(null);
      return;
    }
    const bounds = event.currentTarget.getBoundingClientRect();
    const x = Math.min(event.clientX - bounds.left, bounds.width - WIDTH);
    const bar = (event.target as HTMLElement).getBoundingClientRect();
    setOver({
      index,
      x: Math.max(0, x),
      y: bar.bottom - bounds.top + 6 - (bar.bottom - bounds.top > bounds.height / 2 ? HEIGHT : 0),
    });
  };
  return (
    // The same runs are listed below, each a link.
    <div
      aria-hidden
      className={classes.all}
      onPointerOver={point}
      onPointerLeave={() => setOver(null)}
      onClick={(event) => {
        const chosen = runs[indexOf(event)];
        if (chosen) open(chosen);
      }}
    >
      <Drawn runs={runs} from={from} until={until} now={now} />
      {over && run ? (
        <Paper
          withBorder
          shadow="md"
          p="xs"
          className={classes.told}
          style={{ left: over.x, top: over.y, width: WIDTH }}
        >
          <StateBadge state={run.state} plain />
          <Text fz="xs">{words(run)}</Text>
        </Paper>
      ) : null}
    </div>
  );
}

const Drawn = memo(function Drawn({ runs, from, until, now }: Omit<Props, "words" | "open">) {
  const least = (until - from) / 250;
  const spans = runs.map((run) => {
    const begin = Date.parse(run.created_at);
    const end = run.finished_at ? Date.parse(run.finished_at) : now;
    return { from: begin, to: Math.max(end, begin + least) };
  });
  const lane = lanes(spans, LANES);
  const percent = (time: number) => `${(time / (until - from)) * 100}%`;
  return spans.map((span, index) => {
    const run = runs[index];
    return run ? (
      <div
        key={run.task_id}
        data-bar={index}
        className={classes.bar}
        style={{
          left: percent(span.from - from),
          width: percent(span.to - span.from),
          top: (lane[index] ?? 0) * 18 + 6,
          background: mark(look(run.state).tone),
        }}
      />
    ) : null;
  });
});
