import { Anchor, Group, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { History, KeyRound, Pause, Pencil, Play, Plus, Trash2, Webhook as Icon } from "lucide-react";
import { useState } from "react";

import { api, data, request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { usePages } from "@/lib/pages";
import { useParams } from "@/lib/search";
import { confirm } from "@/ui/confirm";
import { CopyText } from "@/ui/CopyId";
import { DataTable, type Column, type RowAction } from "@/ui/DataTable";
import { MayButton } from "@/ui/MayButton";
import { PageHead } from "@/ui/Page";
import { SearchBox } from "@/ui/SearchBox";
import { EmptyState } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time } from "@/ui/Time";
import { Deliveries } from "./Deliveries";
import { address, Editor, Secret } from "./Editor";

type Webhook = Schema<"WebhookDocument">;

const COLUMNS: Column<Webhook>[] = [
  {
    id: "name",
    header: "Webhook",
    cell: ({ row }) => (
      <Text fz="sm" fw={550}>
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
    id: "url",
    header: "Address",
    cell: ({ row }) => (
      <Group gap={2} wrap="nowrap">
        <code style={{ fontSize: 12 }}>…{row.original.url.slice(-12)}</code>
        <CopyText text={address(row.original.url)} what="the address" />
      </Group>
    ),
  },
  { id: "state", header: "State", cell: ({ row }) => (row.original.enabled ? "enabled" : "disabled") },
  {
    id: "proven",
    header: "Deliveries",
    meta: { align: "right" },
    cell: ({ row }) => row.original.proven,
  },
  {
    id: "unproven",
    header: "Unproven",
    meta: { align: "right" },
    cell: ({ row }) => row.original.unproven,
  },
  {
    id: "edited",
    header: "Edited",
    cell: ({ row }) => (
      <Text fz="sm">
        <Time at={row.original.edited_at} /> by {row.original.edited_by}
      </Text>
    ),
  },
];

type Open =
  | { kind: "new" }
  | { kind: "edit"; webhook: Webhook }
  | { kind: "deliveries"; webhook: Webhook }
  | { kind: "secret"; secret: string; url: string };

/** Addresses that other systems call to start applications. */
export function Page() {
  const [params] = useParams();
  const client = useQueryClient();
  const developer = useMay("developer");
  const [open, setOpen] = useState<Open | null>(null);
  const { search } = params;
  const list = usePages<Webhook>(
    ["webhooks", search],
    (after) =>
      data(api.GET("/api/v1/webhooks", { params: { query: { search, after, limit: 50 } as never } })),
    { live: true },
  );
  const refresh = () => client.invalidateQueries({ queryKey: ["webhooks"] });
  const close = () => setOpen(null);
  const saved = (answer: Schema<"SavedWebhookDocument">) => {
    tell("Saved", answer.name);
    setOpen(answer.secret ? { kind: "secret", secret: answer.secret, url: answer.url } : null);
    void refresh();
  };
  const enable = async (webhook: Webhook) => {
    await request(
      "PUT",
      webhook.href,
      { ...webhook.document, application: webhook.application, enabled: !webhook.enabled },
      { "If-Match": `"${webhook.revision}"` },
    );
    await refresh();
  };
  const actions = (webhook: Webhook): RowAction[] => [
    { label: "Deliveries", icon: History, run: () => setOpen({ kind: "deliveries", webhook }) },
    {
      label: "Edit…",
      icon: Pencil,
      disabled: developer.why,
      run: () => setOpen({ kind: "edit", webhook }),
    },
    {
      label: webhook.enabled ? "Disable" : "Enable",
      icon: webhook.enabled ? Pause : Play,
      disabled: developer.why,
      run: () => void enable(webhook).catch((error: unknown) => tellProblem("Not changed", error)),
    },
    {
      label: "New secret…",
      icon: KeyRound,
      disabled: developer.why,
      run: () =>
        confirm({
          title: `A new secret for “${webhook.name}”?`,
          text: "It is shown once. The one before counts for a day beside it, so that the sender can change.",
          action: "Make a new secret",
          run: async () =>
            saved(await request<Schema<"SavedWebhookDocument">>("POST", `${webhook.href}/rotate`, {})),
        }),
    },
    {
      label: "Delete…",
      icon: Trash2,
      danger: true,
      disabled: developer.why,
      run: () =>
        confirm({
          title: `Delete “${webhook.name}”?`,
          text: "Its address takes no more deliveries and does not come back. Runs that it started stay.",
          action: "Delete the webhook",
          danger: true,
          run: async () => {
            await request("DELETE", webhook.href);
            await refresh();
          },
        }),
    },
  ];
  return (
    <>
      <PageHead title="Webhooks">
        <MayButton
          needs="developer"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={() => setOpen({ kind: "new" })}
        >
          New webhook
        </MayButton>
      </PageHead>
      <Group mb="xs">
        <SearchBox label="Search webhooks" />
      </Group>
      <DataTable
        label="Webhooks"
        columns={COLUMNS}
        rows={list.rows}
        rowId={(each) => each.name}
        error={list.error}
        retry={list.retry}
        open={(webhook) => setOpen({ kind: "deliveries", webhook })}
        actions={actions}
        more={list.more}
        loadingMore={list.loadingMore}
        empty={
          <EmptyState icon={Icon} title={search ? "No webhook is like that" : "No webhooks yet"}>
            A webhook is an address that another system calls to start an application.
          </EmptyState>
        }
      />
      {open?.kind === "new" ? <Editor close={close} saved={saved} /> : null}
      {open?.kind === "edit" ? <Editor webhook={open.webhook} close={close} saved={saved} /> : null}
      {open?.kind === "deliveries" ? <Deliveries webhook={open.webhook} close={close} /> : null}
      {open?.kind === "secret" ? <Secret secret={open.secret} url={open.url} close={close} /> : null}
    </>
  );
}
