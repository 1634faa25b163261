import { Anchor, Button, Group, Select, Text, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Ban, Eye, ListTree, RotateCcw } from "lucide-react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { watchRun } from "@/features/notifications/store";
import { runHref } from "@/features/run/api";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { look, RUN_STATES } from "@/lib/states";
import { confirm } from "@/ui/confirm";
import { CopyId } from "@/ui/CopyId";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { StateBadge } from "@/ui/StateBadge";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time, Took } from "@/ui/Time";

type Run = Schema<"Run">;

const COLUMNS: Column<Run>[] = [
  { id: "run", header: "Run", cell: ({ row }) => <CopyId id={row.original.task_id} what="run id" /> },
  { id: "state", header: "State", cell: ({ row }) => <StateBadge state={row.original.state} plain /> },
  {
    id: "application",
    header: "Application",
    cell: ({ row }) => (
      <Anchor
        component={Link}
        to={runHref(row.original.application, row.original.task_id)}
        inherit
        c="inherit"
        fw={500}
      >
        {row.original.application}
      </Anchor>
    ),
  },
  { id: "accepted", header: "Accepted", cell: ({ row }) => <Time at={row.original.created_at} /> },
  {
    id: "took",
    header: "Took",
    meta: { align: "right" },
    cell: ({ row }) => <Took from={row.original.created_at} to={row.original.finished_at ?? null} />,
  },
  {
    id: "steps",
    header: "Steps",
    meta: { align: "right" },
    cell: ({ row }) => `${row.original.steps_ended}/${row.original.steps_total}`,
  },
  { id: "configuration", header: "Configuration", cell: ({ row }) => row.original.configuration ?? "–" },
  { id: "queue", header: "Queue", cell: ({ row }) => row.original.queue },
  {
    id: "trigger",
    header: "Started by",
    cell: ({ row }) => (
      <Text fz="sm" maw={220} truncate title={row.original.trigger}>
        {row.original.trigger}
      </Text>
    ),
  },
  {
    id: "revision",
    header: "Revision",
    meta: { align: "right", hidden: true },
    cell: ({ row }) => row.original.application_revision,
  },
];

/** Past and present runs, of one application or of all; filtered and paged by the service. */
export function RunsTable({ application }: { application?: string }) {
  const [params, setParams] = useParams();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { why } = useMay("execute");
  const { state, queue, configuration } = params;
  const app = application ?? params.application;
  const query = { application: app, state, queue, configuration };
  const runs = usePages<Run>(
    ["runs", query],
    (after) => data(api.GET("/api/v1/runs", { params: { query: { ...query, after, limit: 50 } as never } })),
    { live: true },
  );
  const open = (run: Run) => void navigate({ to: runHref(run.application, run.task_id) as "/" });
  const replay = async (run: Run) => {
    const started = await request<Schema<"Accepted">>("POST", `/api/v1/tasks/${run.task_id}/replay`);
    watchRun(started.task_id, run.application);
    return started;
  };
  const cancel = (run: Run) => request("DELETE", `/api/v1/tasks/${run.task_id}`);
  const refresh = () => client.invalidateQueries({ queryKey: ["runs"] });
  const actions = (run: Run): RowAction[] => [
    { label: "View", icon: Eye, run: () => open(run) },
    {
      label: "Replay",
      icon: RotateCcw,
      disabled: why,
      run: () =>
        void replay(run)
          .then((started) => navigate({ to: runHref(run.application, started.task_id) as "/" }))
          .catch((error: unknown) => tellProblem("The run was not replayed", error)),
    },
    {
      label: "Cancel",
      icon: Ban,
      danger: true,
      disabled: why ?? (run.ended ? "The run has ended." : null),
      run: () =>
        confirm({
          title: "Cancel this run?",
          text: `${run.application}, ${run.task_id}`,
          action: "Cancel the run",
          danger: true,
          run: async () => {
            await cancel(run);
            await refresh();
          },
        }),
    },
  ];
  const many = (chosen: Run[], clear: () => void) => {
    const live = chosen.filter((run) => !run.ended);
    const all = async (which: Run[], act: (run: Run) => Promise<unknown>, word: string) => {
      const done = await Promise.allSettled(which.map(act));
      const failed = done.filter((each) => each.status === "rejected");
      tell(`${done.length - failed.length} ${word}`, failed.length > 0 ? `${failed.length} refused` : "");
      clear();
      await refresh();
    };
    return (
      <>
        <Button
          variant="default"
          disabled={Boolean(why)}
          onClick={() =>
            confirm({
              title: `Replay ${chosen.length} runs?`,
              text: "Each is started again with the same parameters, configuration object and queue.",
              action: "Replay",
              run: () => all(chosen, replay, "replayed"),
            })
          }
        >
          Replay
        </Button>
        <Button
          variant="default"
          disabled={Boolean(why) || live.length === 0}
          onClick={() =>
            confirm({
              title: `Cancel ${live.length} runs?`,
              text: "Those that have ended stay as they are.",
              action: "Cancel them",
              danger: true,
              run: () => all(live, cancel, "cancelled"),
            })
          }
        >
          Cancel {live.length}
        </Button>
      </>
    );
  };
  const filtered = Boolean(state ?? queue ?? configuration ?? (application ? undefined : app));
  return (
    <>
      <Group gap="sm" mb="xs">
        <Select
          aria-label="State"
          placeholder="Any state"
          clearable
          w={150}
          data={RUN_STATES.map((each) => ({ value: each, label: look(each).label }))}
          value={state ?? null}
          onChange={(value) => setParams({ state: value ?? undefined })}
        />
        {application ? null : <Filter name="application" label="Application" />}
        <Filter name="configuration" label="Configuration" />
        <Filter name="queue" label="Queue" />
        {filtered ? (
          <Button
            variant="subtle"
            color="gray"
            onClick={() =>
              setParams({
                state: undefined,
                queue: undefined,
                configuration: undefined,
                application: undefined,
              })
            }
          >
            Clear the filters
          </Button>
        ) : null}
      </Group>
      <DataTable
        label="Runs"
        columns={application ? COLUMNS.filter((column) => column.id !== "application") : COLUMNS}
        rows={runs.rows}
        rowId={(run) => run.task_id}
        error={runs.error}
        retry={runs.retry}
        open={open}
        actions={actions}
        bulk={many}
        more={runs.more}
        loadingMore={runs.loadingMore}
        empty={
          <EmptyState
            icon={ListTree}
            title={filtered ? "No run is like that" : "No runs yet"}
            action={
              filtered || application ? undefined : (
                <Button component={Link} to="/applications" variant="default">
                  To the applications
                </Button>
              )
            }
          >
            {filtered
              ? "Other filters may show more."
              : "Runs are shown here as soon as an application is started, by hand, by a schedule or by a webhook."}
          </EmptyState>
        }
      />
    </>
  );
}

/** A filter by a whole name, which stands in the address. */
function Filter({ name, label }: { name: string; label: string }) {
  const [params, setParams] = useParams();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setParams({ [name]: new FormData(event.currentTarget).get("value") as string });
      }}
    >
      <TextInput
        key={params[name] ?? ""}
        name="value"
        aria-label={label}
        placeholder={label}
        w={160}
        defaultValue={params[name] ?? ""}
        onBlur={(event) => {
          if (event.currentTarget.value !== (params[name] ?? ""))
            setParams({ [name]: event.currentTarget.value });
        }}
      />
    </form>
  );
}
