import { Alert, Anchor, Group, Select, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Database, GanttChart, Hourglass, ListTree, ScrollText, Workflow } from "lucide-react";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";

import { request } from "@/api/client";
import { useNow } from "@/lib/clock";
import { look } from "@/lib/states";
import { useParams } from "@/lib/search";
import { CopyId } from "@/ui/CopyId";
import { PageHead } from "@/ui/Page";
import { StateBadge } from "@/ui/StateBadge";
import { Loading, ProblemAlert } from "@/ui/states";
import { Time, Took } from "@/ui/Time";
import { RunActions } from "./Actions";
import { overlayOf, usePinned, useRun, type Run, type StepDetail } from "./api";
import { DataTab } from "./Data";
import { Gantt } from "./Gantt";
import { Logs } from "./Logs";
import classes from "./run.module.css";
import { StepMenu } from "./StepMenu";
import { StepPanel } from "./StepPanel";
import { StepsTable } from "./StepsTable";

const GraphView = lazy(() => import("@/features/graph/GraphView"));

/** A run: graph, Gantt, logs, data and steps, with one selection for all. */
export function RunPage({ application, id }: { application: string; id: string }) {
  if (id.startsWith("istask-")) return <OfStep application={application} id={id} />;
  return <OfRun application={application} id={id} />;
}

/** The address of a step leads to its run. */
function OfStep({ application, id }: { application: string; id: string }) {
  const [params] = useParams();
  const navigate = useNavigate();
  const step = useQuery({
    queryKey: ["task", id],
    queryFn: () => request<StepDetail>("GET", `/api/v1/tasks/${encodeURIComponent(id)}`),
  });
  useEffect(() => {
    if (!step.data) return;
    void navigate({
      to: "/applications/$name",
      params: { name: step.data.run.application },
      search: { ...params, runid: step.data.run.task_id, step: step.data.name } as never,
      replace: true,
    });
  }, [step.data, navigate, params]);
  return step.error ? (
    <Gone application={application} error={step.error} retry={() => void step.refetch()} />
  ) : (
    <Loading />
  );
}

function Gone({ application, error, retry }: { application: string; error: unknown; retry: () => void }) {
  return (
    <>
      <PageHead title="Run" />
      <ProblemAlert title="This run cannot be shown" error={error} retry={retry} />
      <Text mt="md" fz="sm">
        <Anchor
          component={Link}
          to={`/applications/${encodeURIComponent(application)}?view=runs` as "/"}
          underline="always"
        >
          The runs of {application}
        </Anchor>
      </Text>
    </>
  );
}

function OfRun({ application, id }: { application: string; id: string }) {
  const run = useRun(id);
  if (run.error && !run.data)
    return <Gone application={application} error={run.error} retry={() => void run.refetch()} />;
  if (!run.data) return <Loading rows={10} />;
  return <Shown run={run.data} />;
}

function Shown({ run }: { run: Run }) {
  const [params, setParams] = useParams();
  const tab = params.tab ?? "graph";
  const selected = run.steps.find((step) => step.name === params.step);
  const [menu, setMenu] = useState<{ name: string; x: number; y: number } | null>(null);
  const select = (name: string | null) => setParams({ step: name ?? undefined });
  return (
    <div className={classes.page} data-fill>
      <div className={classes.head}>
        <PageHead
          title={`Run of ${run.application}`}
          document={`${look(run.state).label} · ${run.application}`}
          aside={
            <span role="status">
              <StateBadge state={run.state} />
            </span>
          }
        >
          <RunActions run={run} selected={selected?.name ?? null} />
        </PageHead>
        <Facts run={run} />
        {run.waiting ? (
          <Alert color="grape" variant="light" icon={<Hourglass size={16} />} py={6} mt="xs">
            {run.waiting.message}
          </Alert>
        ) : null}
        <Tabs value={tab} onChange={(value) => setParams({ tab: value ?? undefined })} mt="xs">
          <Group justify="space-between" align="flex-end" gap="sm" wrap="wrap-reverse">
            <Tabs.List aria-label="What of the run is shown">
              <Tabs.Tab value="graph" leftSection={<Workflow size={14} aria-hidden />}>
                Graph
              </Tabs.Tab>
              <Tabs.Tab value="gantt" leftSection={<GanttChart size={14} aria-hidden />}>
                Gantt
              </Tabs.Tab>
              <Tabs.Tab value="logs" leftSection={<ScrollText size={14} aria-hidden />}>
                Logs
              </Tabs.Tab>
              <Tabs.Tab value="data" leftSection={<Database size={14} aria-hidden />}>
                Data
              </Tabs.Tab>
              <Tabs.Tab value="steps" leftSection={<ListTree size={14} aria-hidden />}>
                Steps
              </Tabs.Tab>
            </Tabs.List>
            <Select
              aria-label="Step"
              placeholder="All steps"
              clearable
              searchable
              w={240}
              mb={4}
              data={run.steps.map((step) => step.name)}
              value={selected?.name ?? null}
              onChange={select}
            />
          </Group>
        </Tabs>
      </div>
      <div className={classes.body}>
        <div className={classes.content} role="tabpanel" aria-label={tab}>
          {tab === "graph" ? (
            <GraphTab
              run={run}
              selected={selected?.name ?? null}
              select={select}
              menu={(name, at) => setMenu({ name, ...at })}
            />
          ) : null}
          {tab === "gantt" ? <Gantt run={run} selected={selected?.name ?? null} select={select} /> : null}
          {tab === "logs" ? (
            <Logs
              key={selected?.task_id ?? run.task_id}
              id={selected?.task_id ?? run.task_id}
              live={!run.ended}
              name={selected?.name ?? run.application}
            />
          ) : null}
          {tab === "data" ? <DataTab run={run} selected={selected?.name ?? null} /> : null}
          {tab === "steps" ? <StepsTable run={run} select={select} /> : null}
        </div>
        {selected && (tab === "graph" || tab === "gantt" || tab === "steps") ? (
          <StepPanel run={run} step={selected} close={() => select(null)} />
        ) : null}
      </div>
      {menu ? <StepMenu run={run} name={menu.name} at={menu} close={() => setMenu(null)} /> : null}
    </div>
  );
}

/** The facts of a run, in a line. */
function Facts({ run }: { run: Run }) {
  const fact = (name: string, value: React.ReactNode) => (
    <span className={classes.fact}>
      <span>{name}</span> {value}
    </span>
  );
  const parent =
    /^(?:parent|run|child):?\s*(isapp-[0-9a-f-]+)/.exec(run.trigger)?.[1] ??
    /(isapp-[0-9a-f-]{36})/.exec(run.trigger)?.[1];
  return (
    <div className={classes.facts}>
      {fact("Run", <CopyId id={run.task_id} what="run id" />)}
      {fact("Accepted", <Time at={run.created_at} exactly />)}
      {fact("Took", <Took from={run.created_at} to={run.finished_at} />)}
      {fact("Steps", `${run.steps_ended} of ${run.steps_total} ended`)}
      {fact("Revision", run.application_revision)}
      {run.configuration
        ? fact(
            "Configuration",
            <Anchor
              component={Link}
              to={`/configurations/${encodeURIComponent(run.configuration)}` as "/"}
              inherit
              underline="always"
            >
              {run.configuration}
            </Anchor>,
          )
        : null}
      {fact("Queue", run.queue)}
      {fact(
        "Started by",
        parent ? (
          <Anchor component={Link} to={`/runs?id=${parent}` as "/"} inherit underline="always">
            {run.trigger}
          </Anchor>
        ) : (
          run.trigger
        ),
      )}
      {fact("Kept until", <Time at={run.expires_at} />)}
    </div>
  );
}

function GraphTab({
  run,
  selected,
  select,
  menu,
}: {
  run: Run;
  selected: string | null;
  select: (name: string | null) => void;
  menu: (name: string, at: { x: number; y: number }) => void;
}) {
  const pinned = usePinned(run);
  const now = useNow();
  // Durations of running steps grow each second; an ended run needs no clock.
  const at = run.ended ? 0 : now;
  const overlay = useMemo(() => overlayOf(run, at), [run, at]);
  if (pinned.error)
    return (
      <ProblemAlert
        error={pinned.error}
        retry={() => void pinned.refetch()}
        title="The application cannot be shown as it was"
      />
    );
  if (!pinned.data) return <Loading />;
  return (
    <Suspense fallback={<Loading />}>
      <GraphView
        document={pinned.data}
        overlay={overlay}
        selected={selected}
        select={select}
        menu={menu}
        label={`Graph of ${run.application}`}
      />
    </Suspense>
  );
}
