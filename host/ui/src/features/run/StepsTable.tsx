import { Text } from "@mantine/core";

import { DataTable, type Column } from "@/ui/DataTable";
import { StateBadge } from "@/ui/StateBadge";
import { Time, Took } from "@/ui/Time";
import type { Run, RunStep } from "./api";

const COLUMNS: Column<RunStep>[] = [
  {
    id: "name",
    header: "Step",
    cell: ({ row }) => (
      <Text fz="sm" fw={500}>
        {row.original.name}
      </Text>
    ),
  },
  { id: "state", header: "State", cell: ({ row }) => <StateBadge state={row.original.state} plain /> },
  {
    id: "why",
    header: "Why",
    cell: ({ row }) => (
      <Text fz="xs" c="dimmed" lineClamp={2} maw={340}>
        {row.original.waits_for?.message ??
          (row.original.error as { message?: string } | null)?.message ??
          ""}
      </Text>
    ),
  },
  {
    id: "queue",
    header: "In the queue",
    meta: { align: "right" },
    cell: ({ row }) => (
      <Took
        from={row.original.ready_at ?? null}
        to={row.original.started_at ?? row.original.finished_at ?? null}
      />
    ),
  },
  {
    id: "took",
    header: "Executed",
    meta: { align: "right" },
    cell: ({ row }) => <Took from={row.original.started_at ?? null} to={row.original.finished_at ?? null} />,
  },
  { id: "attempts", header: "Attempt", meta: { align: "right" }, cell: ({ row }) => row.original.attempts },
  { id: "ended", header: "Ended", cell: ({ row }) => <Time at={row.original.finished_at ?? null} /> },
];

/** The steps of a run as a table: what the graph shows, to read. */
export function StepsTable({ run, select }: { run: Run; select: (name: string) => void }) {
  return (
    <div style={{ padding: "4px 20px 24px" }}>
      <DataTable
        label={`Steps of the run of ${run.application}`}
        columns={COLUMNS}
        rows={run.steps}
        rowId={(step) => step.name}
        open={(step) => select(step.name)}
        empty={<Text c="dimmed">It has no steps.</Text>}
      />
    </div>
  );
}
