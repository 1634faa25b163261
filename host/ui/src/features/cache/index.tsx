import { Drawer, Group } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Database, Eye, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { confirm } from "@/ui/confirm";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { JsonView } from "@/ui/JsonView";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { Time } from "@/ui/Time";

type Record = Schema<"RecordSummary">;

const COLUMNS: Column<Record>[] = [
  { id: "key", header: "Key", cell: ({ row }) => <code>{row.original.key}</code> },
  { id: "size", header: "Bytes", meta: { align: "right" }, cell: ({ row }) => row.original.size },
  { id: "saved", header: "Saved", cell: ({ row }) => <Time at={row.original.saved_at} /> },
  { id: "expires", header: "Expires", cell: ({ row }) => <Time at={row.original.expires_at ?? null} /> },
];

/** What steps keep from run to run. */
export function Page() {
  const [params] = useParams();
  const client = useQueryClient();
  const { why } = useMay("administrator");
  const [open, setOpen] = useState<string | null>(null);
  const prefix = params.prefix ?? "";
  const list = usePages<Record>(["cache", prefix], (after) =>
    data(api.GET("/api/v1/cache", { params: { query: { prefix, after, limit: 50 } as never } })),
  );
  const refresh = () => client.invalidateQueries({ queryKey: ["cache"] });
  const actions = (each: Record): RowAction[] => [
    { label: "Show", icon: Eye, run: () => setOpen(each.href) },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: why,
      run: () =>
        confirm({
          title: `Delete “${each.key}”?`,
          text: "Steps that look for it find nothing.",
          action: "Delete",
          danger: true,
          run: async () => {
            await request("DELETE", each.href);
            await refresh();
          },
        }),
    },
  ];
  const clear = () =>
    confirm({
      title: prefix ? `Delete all whose key begins with “${prefix}”?` : "Delete every record?",
      text: "Steps that look for them find nothing.",
      action: "Delete them",
      danger: true,
      run: async () => {
        const { deleted } = await request<Schema<"Cleared">>(
          "DELETE",
          `/api/v1/cache?prefix=${encodeURIComponent(prefix)}`,
        );
        tell(`${deleted} deleted`);
        await refresh();
      },
    });
  return (
    <>
      <PageHead title="Cache">
        <MayButton
          needs="administrator"
          variant="default"
          because={list.rows?.length === 0 ? "There is nothing to delete." : null}
          onClick={clear}
        >
          {prefix ? "Delete these" : "Delete all"}
        </MayButton>
      </PageHead>
      <Group>
        <SearchBox label="Keys that begin with" name="prefix" />
      </Group>
      <DataTable
        label="Cache records"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(each) => each.key}
        error={list.error}
        retry={list.retry}
        open={(each) => setOpen(each.href)}
        actions={actions}
        more={list.more}
        loadingMore={list.loadingMore}
        empty={
          <EmptyState icon={Database} title={prefix ? "No key begins so" : "Nothing is cached"}>
            Steps keep here what is to outlive a run.
          </EmptyState>
        }
      />
      {open ? <Shown href={open} close={() => setOpen(null)} /> : null}
    </>
  );
}

function Shown({ href, close }: { href: string; close: () => void }) {
  const record = useQuery({
    queryKey: ["cache record", href],
    queryFn: () => request<Schema<"Record">>("GET", href),
  });
  return (
    <Drawer opened onClose={close} size="lg" title={record.data?.key ?? "Record"}>
      {record.error ? (
        <ProblemAlert error={record.error} />
      ) : record.data ? (
        <JsonView value={record.data.value} label="the record" />
      ) : (
        <Loading />
      )}
    </Drawer>
  );
}
