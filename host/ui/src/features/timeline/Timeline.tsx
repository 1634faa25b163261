import { Anchor, Button, Group, SegmentedControl, Select, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useEffectEvent, useMemo, useRef } from "react";

import { api, data, type Schema } from "@/api/client";
import { LIVE } from "@/api/query";
import { runHref } from "@/features/run/api";
import { useNow } from "@/lib/clock";
import { useParams } from "@/lib/search";
import { look, mark, RUN_STATES } from "@/lib/states";
import { duration, exact, useZone } from "@/lib/time";
import { Loading, ProblemAlert } from "@/ui/states";
import { Bars, LANES } from "./Bars";
import classes from "./Timeline.module.css";

type Run = Schema<"TimelineRun">;

const SPANS: Record<string, number> = {
  "15 min": 900,
  "2 h": 7_200,
  "1 d": 86_400,
  "7 d": 604_800,
  "30 d": 2_592_000,
};
const LEAST = 10;
const MOST = 366 * 86_400;
/** So many runs are listed in words. */
const LISTED = 100;

/** The runs of an application over time: a window that is moved and zoomed. */
export default function Timeline({ application }: { application: string }) {
  const [params, setParams] = useParams();
  const navigate = useNavigate();
  const utc = useZone((zone) => zone.utc);
  const now = useNow();
  const drag = useRef<{ x: number; until: number } | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const span = Math.min(MOST, Math.max(LEAST, Number(params.span) || 7_200));
  const live = !params.until;
  const until = live ? Math.ceil(now / LIVE) * LIVE : Number(params.until);
  const from = until - span * 1_000;
  const { state, queue, configuration } = params;
  const timeline = useQuery({
    queryKey: ["timeline", application, from, until, state, queue, configuration],
    queryFn: () =>
      data(
        api.GET("/api/v1/applications/{app}/timeline", {
          params: {
            path: { app: application },
            query: {
              from: new Date(from).toISOString(),
              until: new Date(until).toISOString(),
              state,
              queue,
              configuration,
              limit: 1_000,
            } as never,
          },
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: live ? 0 : 60_000,
  });
  const move = (to: number) => setParams({ until: to >= Date.now() ? undefined : String(Math.round(to)) });
  const zoom = (factor: number, at = 0.5) => {
    const next = Math.min(MOST, Math.max(LEAST, span * factor));
    const pivot = from + span * 1_000 * at;
    const to = pivot + next * 1_000 * (1 - at);
    setParams({
      span: String(Math.round(next)),
      until: to >= Date.now() ? undefined : String(Math.round(to)),
    });
  };
  // The browser's own zoom is held back, which takes a listener that may do so.
  const wheel = useEffectEvent((event: WheelEvent) => {
    if ((!event.ctrlKey && !event.shiftKey) || !box.current) return;
    event.preventDefault();
    const bounds = box.current.getBoundingClientRect();
    zoom((event.deltaY || event.deltaX) > 0 ? 1.3 : 1 / 1.3, (event.clientX - bounds.left) / bounds.width);
  });
  const there = timeline.data !== undefined;
  useEffect(() => {
    const element = box.current;
    const listen = (event: WheelEvent) => wheel(event);
    element?.addEventListener("wheel", listen, { passive: false });
    return () => element?.removeEventListener("wheel", listen);
  }, [there]);
  const at = (time: number) => `${((time - from) / (until - from)) * 100}%`;
  const runs = useMemo(() => [...(timeline.data?.runs ?? [])].reverse(), [timeline.data]);
  const open = (run: Run) => void navigate({ to: runHref(application, run.task_id) as "/" });
  const ticks = Array.from({ length: 7 }, (_, index) => from + ((until - from) * index) / 6);
  const parts = timeline.data?.parts ?? [];
  const highest = Math.max(
    1,
    ...parts.map((part) =>
      Object.values(part.states as Record<string, number>).reduce((sum, count) => sum + count, 0),
    ),
  );
  const words = (run: Run) =>
    `${look(run.state).label}, ${exact(run.created_at, utc)}${run.finished_at ? `, ${duration(Date.parse(run.finished_at) - Date.parse(run.created_at))}` : ""}, queue ${run.queue}${run.configuration ? `, configuration ${run.configuration}` : ""}, ${run.task_id}`;

  return (
    <section aria-label="Timeline">
      <Group gap="sm" mb="sm">
        <SegmentedControl
          aria-label="Window"
          value={Object.entries(SPANS).find(([, seconds]) => seconds === span)?.[0] ?? ""}
          onChange={(value) => setParams({ span: String(SPANS[value]), until: undefined })}
          data={Object.keys(SPANS)}
        />
        <Button.Group>
          <Button
            variant="default"
            px={6}
            aria-label="Earlier"
            onClick={() => move(until - (span * 1_000) / 2)}
          >
            <ChevronLeft size={14} />
          </Button>
          <Button
            variant="default"
            px={6}
            aria-label="Later"
            disabled={live}
            onClick={() => move(until + (span * 1_000) / 2)}
          >
            <ChevronRight size={14} />
          </Button>
          <Button variant="default" px={6} aria-label="Zoom in" onClick={() => zoom(0.5)}>
            <ZoomIn size={14} />
          </Button>
          <Button variant="default" px={6} aria-label="Zoom out" onClick={() => zoom(2)}>
            <ZoomOut size={14} />
          </Button>
          <Button variant="default" disabled={live} onClick={() => setParams({ until: undefined })}>
            Now
          </Button>
        </Button.Group>
        <Select
          aria-label="State"
          placeholder="Any state"
          clearable
          w={140}
          value={state ?? null}
          onChange={(value) => setParams({ state: value ?? undefined })}
          data={RUN_STATES.map((each) => ({ value: each, label: look(each).label }))}
        />
        <Narrow name="queue" label="Queue" />
        <Narrow name="configuration" label="Configuration" />
        <Text fz="xs" c="dimmed" role="status">
          {timeline.data
            ? `${timeline.data.total} ${timeline.data.total === 1 ? "run" : "runs"}${timeline.data.more ? `, the newest ${runs.length} as bars` : ""}`
            : ""}
        </Text>
      </Group>
      {timeline.error ? <ProblemAlert error={timeline.error} retry={() => void timeline.refetch()} /> : null}
      {!timeline.data && !timeline.error ? <Loading rows={6} /> : null}
      {timeline.data ? (
        <>
          {/* The window is moved and zoomed by pointer and by arrow keys, plus and minus. */}
          {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
          <div
            ref={box}
            role="application"
            aria-roledescription="timeline"
            aria-label={`Runs from ${exact(from, utc)} to ${exact(until, utc)}. Arrow keys move the window, plus and minus zoom.`}

            tabIndex={0}
            className={classes.box}
            onKeyDown={(event) => {
              if (event.target !== event.currentTarget) return;
              if (event.key === "ArrowLeft") move(until - span * 250);
              else if (event.key === "ArrowRight") move(until + span * 250);
              else if (event.key === "+" || event.key === "=") zoom(0.5);
              else if (event.key === "-") zoom(2);
              else return;
              event.preventDefault();
            }}
            onPointerDown={(event) => {
              if (!(event.target as HTMLElement).closest(`.${classes.bar ?? ""}`)) {
                drag.current = { x: event.clientX, until };
                event.currentTarget.setPointerCapture(event.pointerId);
              }
            }}
            onPointerMove={(event) => {
              const width = box.current?.clientWidth ?? 1;
              if (drag.current)
                move(drag.current.until - ((event.clientX - drag.current.x) / width) * span * 1_000);
            }}
            onPointerUp={() => {
              drag.current = null;
            }}
          >
            <div className={classes.parts} aria-hidden>
              {parts.map((part) => {
                const states = Object.entries(part.states as Record<string, number>);
                return (
                  <div
                    key={part.from}
                    className={classes.part}
                    style={{
                      left: at(Date.parse(part.from)),
                      width: `${(timeline.data.part_seconds / span) * 100}%`,
                    }}
                  >
                    {states.map(([name, count]) => (
                      <div
                        key={name}
                        style={{ height: `${(count / highest) * 100}%`, background: mark(look(name).tone) }}
                      />
                    ))}
                  </div>
                );
              })}
            </div>
            <div className={classes.bars} style={{ height: LANES * 18 + 8 }}>
              {ticks.map((tick) => (
                <span key={tick} className={classes.tick} style={{ left: at(tick) }} aria-hidden />
              ))}
              <Bars
                runs={runs}
                from={from}
                until={until}
                now={runs.some((run) => !run.finished_at) ? now : 0}
                words={words}
                open={open}
              />
            </div>
            <div className={classes.axis} aria-hidden>
              {ticks.map((tick, index) => (
                <span
                  key={tick}
                  style={{
                    left: at(tick),
                    transform:
                      index === 0
                        ? "none"
                        : index === ticks.length - 1
                          ? "translateX(-100%)"
                          : "translateX(-50%)",
                  }}
                >
                  {span > 86_400 * 2 ? exact(tick, utc).slice(5, 16) : exact(tick, utc).slice(11, 19)}
                </span>
              ))}
            </div>
          </div>
          <Text fz="xs" c="dimmed" mt={4}>
            Drag to move, Ctrl and wheel to zoom. The columns above count all runs; the bars are single runs.
          </Text>
          <details>
            <summary>{runs.length > LISTED ? `As a list, the newest ${LISTED}` : "As a list"}</summary>
            <Table aria-label="Runs of the timeline">
              <Table.Tbody>
                {[...runs]
                  .reverse()
                  .slice(0, LISTED)
                  .map((run) => (
                    <Table.Tr key={run.task_id}>
                      <Table.Td>
                        <Anchor
                          component={Link}
                          to={runHref(application, run.task_id) as "/"}
                          fz="sm"
                          underline="always"
                        >
                          {words(run)}
                        </Anchor>
                      </Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
          </details>
        </>
      ) : null}
    </section>
  );
}

/** A text that narrows what is shown; it stands in the address. */
function Narrow({ name, label }: { name: string; label: string }) {
  const [params, setParams] = useParams();
  const set = useDebouncedCallback((value: string) => setParams({ [name]: value || undefined }), 400);
  return (
    <TextInput
      aria-label={label}
      placeholder={`Any ${label.toLowerCase()}`}
      w={140}
      defaultValue={params[name] ?? ""}
      onChange={(event) => set(event.currentTarget.value.trim())}
    />
  );
}
