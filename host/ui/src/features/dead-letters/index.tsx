import { Anchor, Button, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Eye, FileWarning, RotateCcw, Trash2, Wrench } from "lucide-react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { runHref } from "@/features/run/api";
import { usePages } from "@/lib/pages";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { PageHead } from "@/ui/Page";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time } from "@/ui/Time";

type Letter = Schema<"DeadLetterDocument">;

const COLUMNS: Column<Letter>[] = [
  {
    id: "application",
    header: "Application",
    cell: ({ row }) => (
      <Anchor
        component={Link}
        to={
          `${runHref(row.original.application, row.original.run)}&step=${encodeURIComponent(row.original.step)}` as "/"
        }
        inherit
        c="inherit"
        fw={500}
      >
        {row.original.application}
      </Anchor>
    ),
  },
  { id: "step", header: "Step", cell: ({ row }) => row.original.step },
  {
    id: "reason",
    header: "Reason",
    cell: ({ row }) => (
      <Text fz="sm" maw={460} style={{ overflowWrap: "anywhere" }} lineClamp={3} title={row.original.reason}>
        {row.original.reason}{" "}
        <Anchor href={`/docs/errors/${row.original.code}`} target="_blank" inherit underline="always">
          {row.original.code}
        </Anchor>
      </Text>
    ),
  },
  { id: "attempts", header: "Attempts", meta: { align: "right" }, cell: ({ row }) => row.original.attempts },
  { id: "queue", header: "Queue", cell: ({ row }) => row.original.queue },
  { id: "at", header: "When", cell: ({ row }) => <Time at={row.original.at} /> },
];

/** Steps that were given up, with the reason; to mend and to run again. */
export function Page() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { why } = useMay("execute");
  const list = usePages<Letter>(
    ["dead letters"],
    (after) => data(api.GET("/api/v1/dead-letters", { params: { query: { after, limit: 50 } as never } })),
    { live: true },
  );
  const refresh = () => client.invalidateQueries({ queryKey: ["dead letters"] });
  const at = (letter: Letter) => `/api/v1/dead-letters/${encodeURIComponent(String(letter.id))}`;
  const actions = (letter: Letter): RowAction[] => [
    {
      label: "View the run",
      icon: Eye,
      run: () =>
        void navigate({
          to: `${runHref(letter.application, letter.run)}&step=${encodeURIComponent(letter.step)}` as "/",
        }),
    },
    {
      label: "Mend the application",
      icon: Wrench,
      run: () => void navigate({ to: `/applications/${encodeURIComponent(letter.application)}/edit` as "/" }),
    },
    {
      label: "Replay",
      icon: RotateCcw,
      disabled: why,
      run: () =>
        void request<{ task_id: string }>("POST", `${at(letter)}/replay`)
          .then(async ({ task_id }) => {
            await refresh();
            await navigate({ to: runHref(letter.application, task_id) as "/" });
          })
          .catch((error: unknown) => tellProblem("Not replayed", error)),
    },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: why,
      run: () =>
        confirm({
          title: "Delete this dead letter?",
          text: "The run stays as it is.",
          action: "Delete",
          danger: true,
          run: async () => {
            await request("DELETE", at(letter));
            await refresh();
          },
        }),
    },
  ];
  const many = (chosen: Letter[], clear: () => void) => (
    <Button
      variant="default"
      disabled={Boolean(why)}
      onClick={() =>
        confirm({
          title: `Replay ${chosen.length} dead letters?`,
          text: "Each run is retried from the step that was given up.",
          action: "Replay",
          run: async () => {
            const done = await Promise.allSettled(
              chosen.map((letter) => request("POST", `${at(letter)}/replay`)),
            );
            tell(`${done.filter((each) => each.status === "fulfilled").length} replayed`);
            clear();
            await refresh();
          },
        })
      }
    >
      Replay
    </Button>
  );
  return (
    <>
      <PageHead title="Dead letters" />
      <Group mb="xs">
        <Text fz="sm" c="dimmed">
          Steps that the service gave up because executing them lost one worker after another, or their queue
          entry could not be read.
        </Text>
      </Group>
      <DataTable
        label="Dead letters"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(letter) => String(letter.id)}
        error={list.error}
        retry={list.retry}
        actions={actions}
        bulk={many}
        more={list.more}
        loadingMore={list.loadingMore}
        empty={
          <EmptyState icon={FileWarning} title="No dead letters">
            That is how it should be.
          </EmptyState>
        }
      />
    </>
  );
}
