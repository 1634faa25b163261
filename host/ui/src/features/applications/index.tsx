import { ActionIcon, Anchor, Button, Group, Select, Switch, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import {
  CalendarClock,
  Copy,
  Download,
  Eye,
  FileUp,
  Pencil,
  Play,
  Plus,
  Star,
  Trash2,
  Workflow,
} from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { download } from "@/features/application/api";
import { RunDialog, useStart } from "@/features/application/RunDialog";
import { useFavourites } from "@/features/dashboard/api";
import { runHref } from "@/features/run/api";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { ColumnFilter } from "@/ui/ColumnFilter";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { StateBadge } from "@/ui/StateBadge";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time } from "@/ui/Time";
import { CopyDialog } from "./CopyDialog";
import { CreateDialog } from "./CreateDialog";
import { ImportDialog, useDrop } from "./ImportDialog";

type Application = Schema<"ApplicationSummary">;

const COLUMNS: Column<Application>[] = [
  {
    id: "name",
    header: "Application",
    meta: { sort: "friendly_name" },
    cell: ({ row }) => (
      <div>
        <Anchor
          component={Link}
          to={`/applications/${encodeURIComponent(row.original.name)}` as "/"}
          inherit
          c="inherit"
          fw={550}
          data-name
        >
          {row.original.friendly_name || row.original.name}
        </Anchor>
        <Text fz="xs" c="dimmed">
          {row.original.name}
        </Text>
      </div>
    ),
  },
  {
    id: "version",
    header: "Version",
    meta: { sort: "version", filter: <ColumnFilter name="version" label="Version" /> },
    cell: ({ row }) => row.original.version ?? "–",
  },
  {
    id: "syncpack",
    header: "SyncPack",
    meta: { sort: "syncpack", filter: <ColumnFilter name="syncpack" label="SyncPack" /> },
    cell: ({ row }) => row.original.origin ?? "–",
  },
  {
    id: "configuration",
    header: "Configuration",
    meta: { sort: "configuration", filter: <ColumnFilter name="configuration" label="Configuration" /> },
    cell: ({ row }) => row.original.configuration ?? "–",
  },
  {
    id: "edited",
    header: "Edited",
    meta: { sort: "edited", filter: <ColumnFilter name="edited_by" label="Edited by" /> },
    cell: ({ row }) => (
      <Text fz="sm" span>
        <Time at={row.original.edited_at} />{" "}
        <Text span c="dimmed" inherit>
          by {row.original.edited_by}
        </Text>
      </Text>
    ),
  },
  {
    id: "last",
    header: "Last run",
    meta: { sort: "last_run" },
    cell: ({ row }) => {
      const last = row.original.last_run;
      if (!last)
        return (
          <Text fz="sm" c="dimmed">
            never
          </Text>
        );
      return (
        <Group gap="xs" wrap="nowrap">
          <Anchor component={Link} to={runHref(row.original.name, last.task_id)} inherit c="inherit">
            <StateBadge state={last.state} plain />
          </Anchor>
          <Time at={last.created_at} />
        </Group>
      );
    },
  },
  {
    id: "description",
    header: "Description",
    meta: { hidden: true },
    cell: ({ row }) => (
      <Text fz="xs" lineClamp={2} maw={360}>
        {row.original.description}
      </Text>
    ),
  },
];

export function Page() {
  const [params, setParams] = useParams();
  const navigate = useNavigate();
  const client = useQueryClient();
  const begin = useStart();
  const may = {
    execute: useMay("execute"),
    developer: useMay("developer"),
    administrator: useMay("administrator"),
  };
  const [dialog, setDialog] = useState<
    | { kind: "run"; name: string; problem: unknown }
    | { kind: "copy"; name: string }
    | { kind: "create" }
    | null
  >(null);
  const [files, setFiles] = useState<File[] | null>(null);
  const over = useDrop((dropped) => {
    if (may.developer.may) setFiles(dropped);
  });
  const { search, state, version, syncpack, configuration, edited_by } = params;
  const narrowed = { search, state, version, syncpack, configuration, edited_by };
  const query = {
    ...narrowed,
    hidden: params.hidden === "true" ? undefined : false,
    sort: params.sort ? `${params.order === "desc" ? "-" : ""}${params.sort}` : "friendly_name",
  };
  const applications = usePages<Application>(
    ["applications", query],
    (after) =>
      data(api.GET("/api/v1/applications", { params: { query: { ...query, after, limit: 50 } as never } })),
    { live: true },
  );
  const [favourites, star] = useFavourites();
  const page = (name: string) => `/applications/${encodeURIComponent(name)}`;
  const exportOf = (name: string) =>
    data(api.GET("/api/v1/applications/{name}", { params: { path: { name } } }))
      .then((document) => download(name, document))
      .catch((error: unknown) => tellProblem("Not exported", error));
  const actions = (each: Application): RowAction[] => [
    {
      label: "Run",
      icon: Play,
      disabled: may.execute.why,
      run: () => begin(each.name, {}, (problem) => setDialog({ kind: "run", name: each.name, problem })),
    },
    { label: "View", icon: Eye, run: () => void navigate({ to: page(each.name) as "/" }) },
    { label: "Edit", icon: Pencil, run: () => void navigate({ to: `${page(each.name)}/edit` as "/" }) },
    {
      label: "Schedule",
      icon: CalendarClock,
      run: () => void navigate({ to: `${page(each.name)}?view=schedules` as "/" }),
    },
    {
      label: "Copy…",
      icon: Copy,
      disabled: may.developer.why,
      run: () => setDialog({ kind: "copy", name: each.name }),
    },
    { label: "Export", icon: Download, run: () => void exportOf(each.name) },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: may.administrator.why,
      run: () =>
        confirm({
          title: `Delete “${each.friendly_name || each.name}”?`,
          text: "Its revisions, schedules and webhooks go with it. Past runs stay until they expire.",
          action: "Delete the application",
          danger: true,
          run: async () => {
            await request("DELETE", `/api/v1/applications/${encodeURIComponent(each.name)}`);
            tell("Deleted", each.name);
            await client.invalidateQueries({ queryKey: ["applications"] });
          },
        }),
    },
  ];
  const columns: Column<Application>[] = [
    {
      id: "star",
      header: "",
      meta: { width: 32 },
      cell: ({ row }) => (
        <ActionIcon
          size={24}
          aria-label={`Favourite ${row.original.friendly_name || row.original.name}`}
          aria-pressed={favourites.includes(row.original.name)}
          onClick={() => star(row.original.name)}
        >
          <Star size={14} fill={favourites.includes(row.original.name) ? "currentColor" : "none"} />
        </ActionIcon>
      ),
    },
    ...COLUMNS.slice(0, 6),
    {
      id: "schedule",
      header: "Schedule",
      cell: ({ row }) =>
        row.original.scheduled ? <CalendarClock size={15} role="img" aria-label="scheduled" /> : null,
    },
    ...COLUMNS.slice(6),
  ];
  const choose = () => {
    const input = document.createElement("input");
    Object.assign(input, {
      type: "file",
      accept: ".json,application/json",
      multiple: true,
      onchange: () => setFiles([...(input.files ?? [])]),
    });
    input.click();
  };
  return (
    <>
      <PageHead title="Applications">
        <MayButton
          needs="developer"
          variant="default"
          leftSection={<FileUp size={14} aria-hidden />}
          onClick={choose}
        >
          Import
        </MayButton>
        <MayButton
          needs="developer"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => setDialog({ kind: "create" })}
        >
          New application
        </MayButton>
      </PageHead>
      <Group gap="md" mb="xs">
        <SearchBox label="Search applications" />
        <Select
          aria-label="Last run"
          placeholder="Any last run"
          clearable
          w={150}
          value={params.state ?? null}
          onChange={(state) => setParams({ state: state ?? undefined })}
          data={[
            { value: "failed", label: "Failed" },
            { value: "warning", label: "Warning" },
            { value: "success", label: "Success" },
            { value: "running", label: "Running" },
            { value: "queued", label: "Queued" },
            { value: "cancelled", label: "Cancelled" },
            { value: "never", label: "Never run" },
          ]}
        />
        <Switch
          label="Hidden ones too"
          checked={params.hidden === "true"}
          onChange={(event) => setParams({ hidden: event.currentTarget.checked ? "true" : undefined })}
        />
      </Group>
      <DataTable
        label="Applications"
        columns={columns}
        rows={applications.rows}
        rowId={(each) => each.name}
        error={applications.error}
        retry={applications.retry}
        open={(each) => void navigate({ to: page(each.name) as "/" })}
        actions={actions}
        more={applications.more}
        loadingMore={applications.loadingMore}
        empty={
          Object.values(narrowed).some(Boolean) ? (
            <EmptyState
              icon={Workflow}
              title="No application is like that"
              action={
                <Button
                  variant="default"
                  onClick={() =>
                    setParams(Object.fromEntries(Object.keys(narrowed).map((key) => [key, undefined])))
                  }
                >
                  Show all
                </Button>
              }
            />
          ) : (
            <EmptyState
              icon={Workflow}
              title="No applications yet"
              action={
                <Group gap="sm">
                  <MayButton needs="developer" onClick={() => setDialog({ kind: "create" })}>
                    New application
                  </MayButton>
                  <MayButton needs="developer" variant="default" onClick={choose}>
                    Import files
                  </MayButton>
                </Group>
              }
            >
              An application is a graph of steps. Build one here, drop files of your present ones on this
              page, or activate a SyncPack that brings some.
            </EmptyState>
          )
        }
      />
      {over ? (
        <div
          role="status"
          style={{
            position: "fixed",
            inset: 12,
            border: "2px dashed var(--mantine-primary-color-filled)",
            borderRadius: 8,
            display: "grid",
            placeItems: "center",
            background: "color-mix(in srgb, var(--surface) 85%, transparent)",
            zIndex: 400,
            pointerEvents: "none",
          }}
        >
          Drop application files to see what they would change
        </div>
      ) : null}
      {dialog?.kind === "run" ? (
        <RunDialog name={dialog.name} problem={dialog.problem} close={() => setDialog(null)} />
      ) : null}
      {dialog?.kind === "copy" ? <CopyDialog name={dialog.name} close={() => setDialog(null)} /> : null}
      {dialog?.kind === "create" ? <CreateDialog close={() => setDialog(null)} /> : null}
      {files ? <ImportDialog files={files} close={() => setFiles(null)} /> : null}
    </>
  );
}
