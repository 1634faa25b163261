import { Badge, Button, Group, List, Select, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { request, type Schema } from "@/api/client";
import { usePages } from "@/lib/pages";
import { confirm } from "@/ui/confirm";
import { JsonView } from "@/ui/JsonView";
import { MayButton } from "@/ui/MayButton";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell } from "@/ui/tell";
import { Time } from "@/ui/Time";

type Revision = Schema<"RevisionDocument">;

/** The revisions of a document: who, when, what; the difference of any two; restore. */
export function Revisions({
  name,
  kind = "applications",
}: {
  name: string;
  kind?: "applications" | "configurations";
}) {
  const base = `/api/v1/${kind}/${encodeURIComponent(name)}/revisions`;
  const client = useQueryClient();
  const revisions = usePages<Revision>(["revisions", kind, name], (after) =>
    request(`GET`, `${base}?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`),
  );
  const [pair, setPair] = useState<[number, number] | null>(null);
  const [shown, setShown] = useState<number | null>(null);
  if (revisions.error && !revisions.rows)
    return <ProblemAlert error={revisions.error} retry={revisions.retry} />;
  if (!revisions.rows) return <Loading />;
  const numbers = revisions.rows.map((each) => String(each.revision));
  const restore = (number: number) =>
    confirm({
      title: `Restore revision ${number}?`,
      text: "It becomes the newest revision; those between stay.",
      action: "Restore",
      run: async () => {
        await request("POST", `${base}/${number}/restore`);
        tell("Restored", `Revision ${number} is the newest again.`);
        await client.invalidateQueries({ predicate: (query) => query.queryKey.includes(name) });
      },
    });
  return (
    <Stack gap="lg">
      <Table aria-label="Revisions" maw={900}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Revision</Table.Th>
            <Table.Th>Saved</Table.Th>
            <Table.Th>By</Table.Th>
            <Table.Th>Change</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {revisions.rows.map((each) => (
            <Table.Tr key={each.revision}>
              <Table.Td>
                <Group gap={6}>
                  {each.revision}
                  {each.current ? (
                    <Badge size="xs" variant="default" tt="none">
                      newest
                    </Badge>
                  ) : null}
                </Group>
              </Table.Td>
              <Table.Td>
                <Time at={each.edited_at} />
              </Table.Td>
              <Table.Td>{each.origin ?? each.edited_by}</Table.Td>
              <Table.Td>
                <Text fz="sm">{each.note || "–"}</Text>
              </Table.Td>
              <Table.Td>
                <Group gap={4} justify="flex-end" wrap="nowrap">
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Show revision ${each.revision}`}
                    onClick={() => setShown(shown === each.revision ? null : each.revision)}
                  >
                    Show
                  </Button>
                  {each.revision > 1 ? (
                    <Button
                      size="compact-xs"
                      variant="default"
                      aria-label={`What revision ${each.revision} changed`}
                      onClick={() => setPair([each.revision - 1, each.revision])}
                    >
                      Changes
                    </Button>
                  ) : null}
                  {each.current ? null : (
                    <MayButton
                      size="compact-xs"
                      needs={kind === "applications" ? "developer" : "configuration"}
                      variant="default"
                      aria-label={`Restore revision ${each.revision}`}
                      onClick={() => restore(each.revision)}
                    >
                      Restore
                    </MayButton>
                  )}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {revisions.more ? (
        <div>
          <Button variant="default" onClick={revisions.more} loading={revisions.loadingMore}>
            Show more
          </Button>
        </div>
      ) : null}
      {shown === null ? null : <Shown href={`${base}/${shown}`} number={shown} />}
      {pair ? (
        <section aria-label="Difference">
          <Group gap="sm" mb="sm" align="flex-end">
            <Select
              label="From revision"
              w={110}
              data={numbers}
              value={String(pair[0])}
              onChange={(value) => value && setPair([Number(value), pair[1]])}
            />
            <Select
              label="to"
              w={110}
              data={numbers}
              value={String(pair[1])}
              onChange={(value) => value && setPair([pair[0], Number(value)])}
            />
          </Group>
          <Difference href={`${base}/${pair[0]}/diff/${pair[1]}`} />
        </section>
      ) : null}
    </Stack>
  );
}

function Shown({ href, number }: { href: string; number: number }) {
  const document = useQuery({ queryKey: ["shown", href], queryFn: () => request<unknown>("GET", href) });
  if (document.error) return <ProblemAlert error={document.error} />;
  return document.data ? (
    <section aria-label={`Revision ${number}`}>
      <Title order={2} mb="xs">
        Revision {number}
      </Title>
      <JsonView value={document.data} label={`revision ${number}`} />
    </section>
  ) : (
    <Loading />
  );
}

type Entries = Schema<"EntriesDocument">;

/** What is different between two revisions, by steps, edges, variables and the rest. */
export function Difference({ href }: { href: string }) {
  const difference = useQuery({
    queryKey: ["difference", href],
    queryFn: () => request<Schema<"DifferenceDocument">>("GET", href),
  });
  if (difference.error)
    return <ProblemAlert error={difference.error} retry={() => void difference.refetch()} />;
  if (!difference.data) return <Loading rows={3} />;
  const { note, steps, edges, variables, metadata } = difference.data;
  if (!note)
    return (
      <Text fz="sm" c="dimmed">
        They mean the same.
      </Text>
    );
  return (
    <Stack gap="sm">
      <Text fz="sm">{note}</Text>
      <EntriesOf title="Steps" entries={steps} />
      {edges.added.length + edges.removed.length > 0 ? (
        <div>
          <Title order={3}>Edges</Title>
          <List size="sm">
            {edges.added.map((edge) => (
              <List.Item key={`+${edge.from}${edge.to}${edge.kind}`}>
                added: {edge.from} → {edge.to}
                {edge.branch ? ` (${String(edge.branch)})` : ""}
              </List.Item>
            ))}
            {edges.removed.map((edge) => (
              <List.Item key={`-${edge.from}${edge.to}${edge.kind}`}>
                removed: {edge.from} → {edge.to}
              </List.Item>
            ))}
          </List>
        </div>
      ) : null}
      <EntriesOf title="Variables" entries={variables} />
      {metadata.length > 0 ? (
        <div>
          <Title order={3}>Everything else</Title>
          <Changes changes={metadata} />
        </div>
      ) : null}
    </Stack>
  );
}

function EntriesOf({ title, entries }: { title: string; entries: Entries }) {
  if (entries.added.length + entries.removed.length + entries.changed.length === 0) return null;
  return (
    <div>
      <Title order={3}>{title}</Title>
      <List size="sm">
        {entries.added.map((each) => (
          <List.Item key={`+${String(each)}`}>added: {String(each)}</List.Item>
        ))}
        {entries.removed.map((each) => (
          <List.Item key={`-${String(each)}`}>removed: {String(each)}</List.Item>
        ))}
        {entries.changed.map((each) => (
          <List.Item key={each.name}>
            changed: {each.name}
            <Changes changes={each.changes} />
          </List.Item>
        ))}
      </List>
    </div>
  );
}

function Changes({ changes }: { changes: Schema<"ChangeDocument">[] }) {
  const value = (of: unknown) => (of === undefined || of === null ? "nothing" : JSON.stringify(of));
  return (
    <List size="xs" withPadding>
      {changes.map((change) => (
        <List.Item key={change.at} style={{ overflowWrap: "anywhere" }}>
          <code>{change.at}</code>: {value(change.old)} → {value(change.new)}
        </List.Item>
      ))}
    </List>
  );
}
