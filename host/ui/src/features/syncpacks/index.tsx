import { Badge, Drawer, Group, Stack, Switch, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { PackageOpen } from "lucide-react";
import { useState } from "react";

import { api, data, type Schema } from "@/api/client";
import { useParams } from "@/lib/search";
import { DataTable, type Column } from "@/ui/DataTable";
import { JsonView } from "@/ui/JsonView";
import { PageHead } from "@/ui/Page";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { Time } from "@/ui/Time";

type Pack = Schema<"SyncPack">;

const COLUMNS: Column<Pack>[] = [
  {
    id: "name",
    header: "SyncPack",
    cell: ({ row }) => (
      <Text fz="sm" fw={550}>
        {row.original.name}
      </Text>
    ),
  },
  { id: "version", header: "Version", cell: ({ row }) => row.original.version },
  {
    id: "state",
    header: "State",
    cell: ({ row }) => <span>{row.original.activated ? "active" : row.original.state}</span>,
  },
  {
    id: "summary",
    header: "Summary",
    cell: ({ row }) => (
      <Text fz="sm" maw={420} lineClamp={2}>
        {row.original.summary}
      </Text>
    ),
  },
  { id: "author", header: "Publisher", cell: ({ row }) => row.original.author },
  {
    id: "tags",
    header: "Tags",
    cell: ({ row }) => (
      <Group gap={4}>
        {row.original.tags.map((tag) => (
          <Badge key={tag} variant="default" tt="none">
            {tag}
          </Badge>
        ))}
      </Group>
    ),
  },
  {
    id: "activated",
    header: "Activated",
    cell: ({ row }) => <Time at={row.original.activated_at ?? null} />,
  },
];

/** The SyncPacks that there are; the command line imports and activates them. */
export function Page() {
  const [params, setParams] = useParams();
  const all = params.all === "true";
  const [open, setOpen] = useState<string | null>(null);
  const list = useQuery({
    queryKey: ["syncpacks", all],
    queryFn: () =>
      data(
        api.GET("/api/v1/syncpacks", { params: { query: (all ? {} : { only_activated: true }) as never } }),
      ),
  });
  return (
    <>
      <PageHead title="SyncPacks" />
      <Switch
        label="Those that are not active too"
        checked={all}
        onChange={(event) => setParams({ all: event.currentTarget.checked ? "true" : undefined })}
      />
      <DataTable
        label="SyncPacks"
        columns={COLUMNS}
        rows={list.data?.items}
        rowId={(each) => `${each.name} ${each.version}`}
        error={list.error}
        retry={() => void list.refetch()}
        open={(each) => setOpen(each.name)}
        empty={
          <EmptyState icon={PackageOpen} title="No SyncPacks">
            <code>pfctl syncpack upload FILE</code> imports one.
          </EmptyState>
        }
      />
      {open ? <Detail name={open} close={() => setOpen(null)} /> : null}
    </>
  );
}

function Detail({ name, close }: { name: string; close: () => void }) {
  const pack = useQuery({
    queryKey: ["syncpack", name],
    queryFn: () => data(api.GET("/api/v1/syncpacks/{name}", { params: { path: { name } } })),
  });
  return (
    <Drawer opened onClose={close} size="lg" title={name}>
      {pack.error ? <ProblemAlert error={pack.error} /> : null}
      {!pack.data && !pack.error ? <Loading /> : null}
      <Stack gap="lg">
        {pack.data?.versions.map((each) => (
          <section key={each.version}>
            <Group gap="sm">
              <Title order={2}>{each.version}</Title>
              <Badge variant="default" tt="none">
                {each.activated ? "active" : each.state}
              </Badge>
            </Group>
            <Text fz="sm">{each.summary}</Text>
            <Text fz="xs" c="dimmed">
              by {each.author} · imported by {each.imported_by} <Time at={each.imported_at} />
            </Text>
            {each.error ? (
              <Text fz="sm" c="var(--state-failed-text)">
                {each.error}
              </Text>
            ) : null}
            <Text fz="xs" fw={500} mt="sm" mb={4}>
              Grants
            </Text>
            <JsonView value={each.grants} label={`grants of ${each.version}`} maxHeight="180px" />
            <Text fz="xs" fw={500} mt="sm" mb={4}>
              Manifest
            </Text>
            <JsonView value={each.manifest} label={`manifest of ${each.version}`} maxHeight="260px" />
          </section>
        ))}
      </Stack>
    </Drawer>
  );
}
