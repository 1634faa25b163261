import { Anchor, Badge, Button, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarClock, History, Pause, Pencil, Play, Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { MayButton } from "@/ui/MayButton";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time } from "@/ui/Time";
import { Backfill } from "./Backfill";
import { ScheduleEditor } from "./ScheduleEditor";

type Schedule = Schema<"Schedule">;

const COLUMNS: Column<Schedule>[] = [
  {
    id: "name",
    header: "Schedule",
    cell: ({ row }) => (
      <Text fz="sm" fw={500}>
        {row.original.name}
      </Text>
    ),
  },
  {
    id: "application",
    header: "Application",
    cell: ({ row }) => (
      <Anchor
        component={Link}
        to={`/applications/${encodeURIComponent(row.original.application)}` as "/"}
        inherit
        c="inherit"
      >
        {row.original.application}
      </Anchor>
    ),
  },
  {
    id: "when",
    header: "When",
    cell: ({ row }) => (
      <Text fz="sm" maw={320}>
        {row.original.description ?? "cannot be read by this version"}
      </Text>
    ),
  },
  {
    id: "next",
    header: "Next",
    cell: ({ row }) =>
      row.original.enabled ? (
        <Time at={row.original.next_due ?? null} />
      ) : (
        <Badge variant="default" tt="none" leftSection={<Pause size={10} aria-hidden />}>
          paused
        </Badge>
      ),
  },
  {
    id: "last",
    header: "Last run",
    cell: ({ row }) => {
      const last = row.original.last_run as { href?: string; start_time?: number } | null | undefined;
      if (!last?.href || last.start_time === undefined)
        return (
          <Text fz="sm" c="dimmed">
            never
          </Text>
        );
      return (
        <Anchor
          component={Link}
          to={`/runs?id=${last.href.split("/").pop() ?? ""}` as "/"}
          inherit
          c="inherit"
        >
          <Time at={new Date(last.start_time * 1000).toISOString()} />
        </Anchor>
      );
    },
  },
  { id: "total", header: "Runs", meta: { align: "right" }, cell: ({ row }) => row.original.total_runs },
  {
    id: "edited",
    header: "Edited",
    meta: { hidden: true },
    cell: ({ row }) => (
      <>
        <Time at={row.original.edited_at} /> by {row.original.edited_by}
      </>
    ),
  },
];

/** Schedules, of one application or of all. */
export function ScheduleList({ application }: { application?: string }) {
  const [params] = useParams();
  const client = useQueryClient();
  const developer = useMay("developer");
  const execute = useMay("execute");
  const [dialog, setDialog] = useState<
    { kind: "edit"; name: string | null } | { kind: "backfill"; name: string } | null
  >(null);
  const query = { application, search: application ? undefined : params.search };
  const schedules = usePages<Schedule>(
    ["schedules", query],
    (after) =>
      data(api.GET("/api/v1/schedules", { params: { query: { ...query, after, limit: 50 } as never } })),
    { live: true },
  );
  const refresh = () => client.invalidateQueries({ queryKey: ["schedules"] });
  const at = (name: string) => `/api/v1/schedules/${encodeURIComponent(name)}`;
  const actions = (each: Schedule): RowAction[] => [
    { label: "Edit", icon: Pencil, run: () => setDialog({ kind: "edit", name: each.name }) },
    {
      label: each.enabled ? "Pause" : "Resume",
      icon: each.enabled ? Pause : Play,
      disabled: execute.why,
      run: () =>
        void request("POST", `${at(each.name)}/${each.enabled ? "pause" : "resume"}`)
          .then(refresh)
          .catch((error: unknown) => tellProblem("Not done", error)),
    },
    {
      label: "Backfill…",
      icon: History,
      disabled: execute.why,
      run: () => setDialog({ kind: "backfill", name: each.name }),
    },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: developer.why,
      run: () =>
        confirm({
          title: `Delete the schedule “${each.name}”?`,
          text: "Runs that it has started stay.",
          action: "Delete the schedule",
          danger: true,
          run: async () => {
            await request("DELETE", at(each.name));
            tell("Deleted", each.name);
            await refresh();
          },
        }),
    },
  ];
  const add = (
    <MayButton
      needs="developer"
      leftSection={<Plus size={14} aria-hidden />}
      onClick={() => setDialog({ kind: "edit", name: null })}
    >
      New schedule
    </MayButton>
  );
  return (
    <>
      <Group justify="flex-end" mb={4}>
        {add}
      </Group>
      <DataTable
        label="Schedules"
        columns={application ? COLUMNS.filter((column) => column.id !== "application") : COLUMNS}
        rows={schedules.rows}
        rowId={(each) => each.name}
        error={schedules.error}
        retry={schedules.retry}
        open={(each) => setDialog({ kind: "edit", name: each.name })}
        actions={actions}
        more={schedules.more}
        loadingMore={schedules.loadingMore}
        empty={
          <EmptyState
            icon={CalendarClock}
            title={query.search ? "No schedule is like that" : "No schedules yet"}
            action={
              query.search ? undefined : (
                <Button
                  variant="default"
                  disabled={!developer.may}
                  onClick={() => setDialog({ kind: "edit", name: null })}
                >
                  New schedule
                </Button>
              )
            }
          >
            A schedule starts an application by itself: by cron, in a time zone, or every so many seconds.
          </EmptyState>
        }
      />
      {dialog?.kind === "edit" ? (
        <ScheduleEditor name={dialog.name} application={application} close={() => setDialog(null)} />
      ) : null}
      {dialog?.kind === "backfill" ? <Backfill name={dialog.name} close={() => setDialog(null)} /> : null}
    </>
  );
}
