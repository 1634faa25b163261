import { Badge, Button, Group, NumberInput, Modal, Stack, TagsInput, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Gauge, Pause, Play, Server } from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { LIVE } from "@/api/query";
import { useMay } from "@/api/session";
import { useNow } from "@/lib/clock";
import { useOverview } from "@/features/dashboard/api";
import { usePages } from "@/lib/pages";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { QueueTable } from "./QueueTable";
import { Time } from "@/ui/Time";

type Worker = Schema<"Worker">;
type Limit = Schema<"LimitSummary">;

const WORKERS: Column<Worker>[] = [
  {
    id: "id",
    header: "Process",
    cell: ({ row }) => (
      <Text fz="sm" fw={500}>
        {row.original.host} · {row.original.id}
      </Text>
    ),
  },
  { id: "state", header: "State", cell: ({ row }) => <Alive worker={row.original} /> },
  { id: "role", header: "Role", cell: ({ row }) => row.original.role },
  {
    id: "queues",
    header: "Queues",
    cell: ({ row }) => (
      <Group gap={4}>
        {row.original.slots === 0
          ? "none"
          : row.original.queues.length === 0
            ? "all"
            : row.original.queues.map((queue) => (
                <Badge key={queue} variant="default" tt="none">
                  {queue}
                  {row.original.weights[queue] ? ` ×${row.original.weights[queue]}` : ""}
                </Badge>
              ))}
      </Group>
    ),
  },
  { id: "slots", header: "Slots", meta: { align: "right" }, cell: ({ row }) => row.original.slots },
  { id: "version", header: "Version", cell: ({ row }) => row.original.version },
  { id: "started", header: "Started", cell: ({ row }) => <Time at={row.original.started_at} /> },
];

function Alive({ worker }: { worker: Worker }) {
  const late = useNow() > new Date(worker.lease_until).getTime();
  return (
    <span style={{ color: late ? "var(--state-failed-text)" : "var(--state-success-text)" }}>
      {late ? "lost" : "alive"}
    </span>
  );
}

const LIMITS: Column<Limit>[] = [
  { id: "key", header: "Limit", cell: ({ row }) => <code>{row.original.key}</code> },
  { id: "kind", header: "Kind", cell: ({ row }) => row.original.kind },
  {
    id: "held",
    header: "Held",
    meta: { align: "right" },
    cell: ({ row }) =>
      `${row.original.held} of ${row.original.limit}${row.original.per ? ` in ${row.original.per} s` : ""}`,
  },
  { id: "waiting", header: "Waiting", meta: { align: "right" }, cell: ({ row }) => row.original.waiting },
];

/** Who executes what, what is paused, and which limits hold steps back. */
export function Page() {
  const client = useQueryClient();
  const admin = useMay("administrator");
  const workers = useQuery({
    queryKey: ["workers"],
    queryFn: () => data(api.GET("/api/v1/workers")),
    refetchInterval: LIVE,
  });
  const overview = useOverview();
  const pauses = useQuery({
    queryKey: ["pauses"],
    queryFn: () => data(api.GET("/api/v1/runs/pauses")),
    refetchInterval: LIVE,
  });
  const limits = usePages<Limit>(
    ["limits"],
    (after) => data(api.GET("/api/v1/limits", { params: { query: { after, limit: 50 } as never } })),
    { live: true },
  );
  const [editing, setEditing] = useState<Worker | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["pauses"] });
  const pauseAll = () =>
    confirm({
      title: "Pause everything?",
      text: "No step is started until it is resumed; those that are executed end. What is accepted waits and is not lost.",
      action: "Pause everything",
      danger: true,
      run: async () => {
        await request("POST", "/api/v1/runs/pause", { all: true, reason: "by hand" });
        await refresh();
      },
    });
  const pauseQueue = (queue: string) =>
    confirm({
      title: `Pause the queue ${queue}?`,
      text: "No step of its runs is started until it is resumed; those that are executed end.",
      action: "Pause the queue",
      run: async () => {
        await request("POST", "/api/v1/runs/pause", { queue, reason: "by hand" });
        await refresh();
      },
    });
  const resume = (body: Schema<"ResumeRuns">) => () =>
    void request("POST", "/api/v1/runs/resume", body)
      .then(refresh)
      .then(() => tell("Resumed"));
  const held = pauses.data?.items ?? [];
  return (
    <>
      <PageHead title="Queues and workers">
        <MayButton
          needs="administrator"
          variant="default"
          leftSection={<Pause size={14} aria-hidden />}
          because={held.some((each) => !each.application && !each.queue) ? "Everything is paused." : null}
          onClick={pauseAll}
        >
          Pause everything
        </MayButton>
      </PageHead>
      {held.length > 0 ? (
        <Stack gap={4} mb="lg" component="section" aria-label="Paused">
          <Title order={2}>Paused</Title>
          {held.map((each) => (
            <Group key={`${each.application ?? ""} ${each.queue ?? ""}`} gap="sm">
              <Pause size={14} aria-hidden />
              <Text fz="sm">
                {each.application
                  ? `application ${each.application}`
                  : each.queue
                    ? `queue ${each.queue}`
                    : "everything"}
                , by {each.by} <Time at={each.since} />
                {each.reason ? `: ${each.reason}` : ""}
              </Text>
              <MayButton
                needs="administrator"
                size="compact-xs"
                variant="default"
                leftSection={<Play size={12} aria-hidden />}
                onClick={resume(
                  each.application
                    ? { application: each.application }
                    : each.queue
                      ? { queue: each.queue }
                      : { all: true },
                )}
              >
                Resume
              </MayButton>
            </Group>
          ))}
        </Stack>
      ) : null}
      <section aria-label="Queues">
        <Title order={2} mb="xs">
          Queues
        </Title>
        {workers.data ? <Served served={workers.data.served} /> : <Loading rows={1} />}
        <QueueTable
          queues={overview.data?.queues ?? []}
          action={({ queue }) => (
            <MayButton
              needs="administrator"
              variant="subtle"
              aria-label={`Pause the queue ${queue}`}
              because={
                held.some((each) => !each.application && each.queue === queue) ? "It is paused." : null
              }
              onClick={() => pauseQueue(queue)}
            >
              Pause
            </MayButton>
          )}
        />
      </section>
      <Title order={2} mt="lg">
        Processes
      </Title>
      {workers.error && !workers.data ? (
        <ProblemAlert error={workers.error} retry={() => void workers.refetch()} />
      ) : null}
      <DataTable
        label="Processes"
        columns={WORKERS}
        rows={workers.data?.items}
        rowId={(each) => String(each.id)}
        actions={(each) => [
          {
            label: "Change queues and slots…",
            icon: Server,
            disabled:
              admin.why ??
              (each.slots === 0 && each.role !== "worker" && each.role !== "all"
                ? "It executes no steps."
                : null),
            run: () => setEditing(each),
          },
        ]}
        empty={<EmptyState icon={Server} title="No process is known" />}
      />
      <Title order={2} mt="lg">
        Limits
      </Title>
      <DataTable
        label="Limits"
        columns={LIMITS}
        rows={limits.rows}
        rowId={(each) => `${each.kind} ${each.key}`}
        error={limits.error}
        retry={limits.retry}
        more={limits.more}
        loadingMore={limits.loadingMore}
        empty={
          <EmptyState icon={Gauge} title="No limit is in use">
            Steps with a limit of how many execute at a time, or how often they start, are listed here with
            who holds it.
          </EmptyState>
        }
      />
      {editing ? <Change worker={editing} close={() => setEditing(null)} /> : null}
    </>
  );
}

function Served({ served }: { served: Schema<"ServedQueues"> }) {
  return (
    <Group gap="sm">
      <Text fz="sm">
        {served.by_all > 0
          ? `${served.by_all} ${served.by_all === 1 ? "process serves" : "processes serve"} every queue.`
          : "No process serves every queue."}
      </Text>
      {served.queues.map((each) => (
        <Badge key={each.queue} variant="default" tt="none">
          {each.queue}: {each.workers}
        </Badge>
      ))}
    </Group>
  );
}

function Change({ worker, close }: { worker: Worker; close: () => void }) {
  const client = useQueryClient();
  const [queues, setQueues] = useState(worker.queues);
  const [slots, setSlots] = useState<number | string>(worker.slots);
  const [error, setError] = useState<unknown>(null);
  const save = () => {
    request("PATCH", worker.href, { queues, slots: Number(slots) })
      .then(async () => {
        tell("Changed", "It takes effect within a second.");
        await client.invalidateQueries({ queryKey: ["workers"] });
        close();
      })
      .catch((problem: unknown) => setError(problem));
  };
  return (
    <Modal opened onClose={close} title={`Process ${worker.id} on ${worker.host}`}>
      <Stack gap="md">
        <TagsInput
          label="Queues"
          description="None: all."
          value={queues}
          onChange={setQueues}
          data-autofocus
        />
        <NumberInput
          label="Slots"
          description="How many steps it executes at a time."
          min={0}
          value={slots}
          onChange={setSlots}
        />
        {error ? <ProblemAlert error={error} title="Not changed" /> : null}
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button onClick={save}>Change</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
