import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Copy, Eye, Plus, Settings2, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { idOf } from "@/features/application/api";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { EmptyState, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { Time } from "@/ui/Time";

type Configuration = Schema<"DefinitionSummary">;

const COLUMNS: Column<Configuration>[] = [
  {
    id: "name",
    header: "Configuration object",
    cell: ({ row }) => (
      <div>
        <Text fz="sm" fw={550}>
          {row.original.friendly_name || row.original.name}
        </Text>
        <Text fz="xs" c="dimmed">
          {row.original.name}
        </Text>
      </div>
    ),
  },
  {
    id: "description",
    header: "Description",
    cell: ({ row }) => (
      <Text fz="sm" lineClamp={2} maw={420}>
        {row.original.description}
      </Text>
    ),
  },
  { id: "version", header: "Version", cell: ({ row }) => row.original.version ?? "–" },
  { id: "syncpack", header: "SyncPack", cell: ({ row }) => row.original.origin ?? "–" },
  {
    id: "edited",
    header: "Edited",
    cell: ({ row }) => (
      <Text fz="sm" span>
        <Time at={row.original.edited_at} />{" "}
        <Text span c="dimmed" inherit>
          by {row.original.edited_by}
        </Text>
      </Text>
    ),
  },
];

export function Page() {
  const [params] = useParams();
  const navigate = useNavigate();
  const client = useQueryClient();
  const write = useMay("configuration");
  const remove = useMay("administrator");
  const [making, setMaking] = useState<{ from: string | null } | null>(null);
  const list = usePages<Configuration>(["configurations", params.search], (after) =>
    data(
      api.GET("/api/v1/configurations", {
        params: { query: { search: params.search, after, limit: 50 } as never },
      }),
    ),
  );
  const open = (each: Configuration) =>
    void navigate({ to: `/configurations/${encodeURIComponent(each.name)}` as "/" });
  const actions = (each: Configuration): RowAction[] => [
    { label: "View", icon: Eye, run: () => open(each) },
    { label: "Copy as…", icon: Copy, disabled: write.why, run: () => setMaking({ from: each.name }) },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: remove.why,
      run: () =>
        confirm({
          title: `Delete “${each.friendly_name || each.name}”?`,
          text: "Applications that are aligned with it keep it from being deleted.",
          action: "Delete the configuration object",
          danger: true,
          run: async () => {
            await request("DELETE", `/api/v1/configurations/${encodeURIComponent(each.name)}`);
            tell("Deleted", each.name);
            await client.invalidateQueries({ queryKey: ["configurations"] });
          },
        }),
    },
  ];
  return (
    <>
      <PageHead title="Configurations">
        <MayButton
          needs="configuration"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => setMaking({ from: null })}
        >
          New configuration object
        </MayButton>
      </PageHead>
      <SearchBox label="Search configuration objects" />
      <DataTable
        label="Configuration objects"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(each) => each.name}
        error={list.error}
        retry={list.retry}
        open={open}
        actions={actions}
        more={list.more}
        loadingMore={list.loadingMore}
        empty={
          <EmptyState
            icon={Settings2}
            title={params.search ? "No configuration object is like that" : "No configuration objects yet"}
            action={
              params.search ? undefined : (
                <MayButton needs="configuration" onClick={() => setMaking({ from: null })}>
                  New configuration object
                </MayButton>
              )
            }
          >
            They hold what differs between customers: addresses, names, and encrypted passwords.
          </EmptyState>
        }
      />
      {making ? <Make from={making.from} close={() => setMaking(null)} /> : null}
    </>
  );
}

/** Makes a configuration object, empty or as another. Encrypted values are copied and stay encrypted. */
export function Make({ from, close }: { from: string | null; close: () => void }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [friendly, setFriendly] = useState(from ? `${from} copy` : "");
  const [description, setDescription] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const name = idOf(friendly);
  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      const source = from
        ? ((await data(
            api.GET("/api/v1/configurations/{name}", { params: { path: { name: from } } }),
          )) as Record<string, unknown>)
        : { configuration_data: [] };
      await api.PUT("/api/v1/configurations/{name}", {
        params: { path: { name } },
        headers: { "If-None-Match": "*" },
        body: {
          ...source,
          name,
          friendly_name: friendly.trim(),
          ...(description ? { description } : {}),
        } as never,
      });
      await client.invalidateQueries({ queryKey: ["configurations"] });
      close();
      await navigate({ to: `/configurations/${encodeURIComponent(name)}` as "/" });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={close} title={from ? `Copy ${from} as` : "New configuration object"}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Stack gap="md">
          <TextInput
            label="Name"
            data-autofocus
            required
            value={friendly}
            description={`Its id: ${name || "–"}`}
            onChange={(event) => setFriendly(event.currentTarget.value)}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          {error ? <ProblemAlert error={error} title="Not made" /> : null}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={!name}>
              Create
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
