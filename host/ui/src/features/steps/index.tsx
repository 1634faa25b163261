import { Text } from "@mantine/core";
import { Blocks } from "lucide-react";
import { useState } from "react";

import { Details } from "@/features/builder/Registry";
import { useSteps, type StepSummary } from "@/features/builder/registry";
import { useParams } from "@/lib/search";
import { DataTable, type Column } from "@/ui/DataTable";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { EmptyState } from "@/ui/states";

const COLUMNS: Column<StepSummary>[] = [
  {
    id: "name",
    header: "Step",
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
  { id: "kind", header: "Kind", cell: ({ row }) => row.original.kind },
  {
    id: "description",
    header: "What it does",
    cell: ({ row }) => (
      <Text fz="sm" maw={460} lineClamp={2}>
        {row.original.description}
      </Text>
    ),
  },
  { id: "pack", header: "SyncPack", cell: ({ row }) => row.original.syncpack },
  { id: "version", header: "Version", cell: ({ row }) => row.original.version },
  { id: "author", header: "Creator", cell: ({ row }) => row.original.author },
];

/** Every step of the active SyncPacks. */
export function Page() {
  const [params] = useParams();
  const steps = useSteps();
  const [open, setOpen] = useState<StepSummary | null>(null);
  const needle = (params.search ?? "").toLowerCase();
  const rows = steps.data?.items.filter((each) =>
    `${each.name} ${each.friendly_name} ${each.description} ${each.syncpack}`.toLowerCase().includes(needle),
  );
  return (
    <>
      <PageHead title="Steps" />
      <SearchBox label="Search steps" />
      <DataTable
        label="Steps"
        columns={COLUMNS}
        rows={rows}
        rowId={(each) => `${each.syncpack} ${each.name}`}
        error={steps.error}
        retry={() => void steps.refetch()}
        open={setOpen}
        empty={<EmptyState icon={Blocks} title="No step is like that" />}
      />
      {open ? <Details step={open} close={() => setOpen(null)} /> : null}
    </>
  );
}
