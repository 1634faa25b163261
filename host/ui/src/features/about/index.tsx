import { Anchor, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { request } from "@/api/client";
import { PageHead } from "@/ui/Page";
import { Loading, ProblemAlert } from "@/ui/states";
import { Time } from "@/ui/Time";

interface About {
  name: string;
  version: string;
  wit: string;
  store: string;
  queue: string;
  role: string;
  key_id: string;
  started_at: string;
  workers: { id: number; host: string; pid: number; version: string; role: string; slots: number }[];
}

export function Page() {
  const about = useQuery({ queryKey: ["about"], queryFn: () => request<About>("GET", "/api/v1/about") });
  const row = (name: string, value: React.ReactNode) => (
    <Table.Tr>
      <Table.Th scope="row" w={200}>
        {name}
      </Table.Th>
      <Table.Td>{value}</Table.Td>
    </Table.Tr>
  );
  return (
    <>
      <PageHead title="About" />
      {about.error ? <ProblemAlert error={about.error} retry={() => void about.refetch()} /> : null}
      {!about.data && !about.error ? <Loading /> : null}
      {about.data ? (
        <Stack gap="lg" maw={640}>
          <Table aria-label="Versions">
            <Table.Tbody>
              {row("Version", `${about.data.name} ${about.data.version}`)}
              {row("Contract with SyncPacks", about.data.wit)}
              {row("Store", about.data.store)}
              {row("Queue", about.data.queue)}
              {row("Answered by", `a process of the role ${about.data.role}`)}
              {row("Key of encrypted values", about.data.key_id)}
              {row("Started", <Time at={about.data.started_at} />)}
            </Table.Tbody>
          </Table>
          <Table aria-label="Processes">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Process</Table.Th>
                <Table.Th>Role</Table.Th>
                <Table.Th>Version</Table.Th>
                <Table.Th ta="right">Slots</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {about.data.workers.map((each) => (
                <Table.Tr key={each.id}>
                  <Table.Td>
                    {each.host} · {each.pid}
                  </Table.Td>
                  <Table.Td>{each.role}</Table.Td>
                  <Table.Td>{each.version}</Table.Td>
                  <Table.Td ta="right">{each.slots}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          <Text fz="sm">
            Licensed under Apache-2.0. The API:{" "}
            <Anchor href="/docs/api/" inherit underline="always">
              description
            </Anchor>
            ,{" "}
            <Anchor href="/openapi.json" inherit underline="always">
              OpenAPI document
            </Anchor>
            ,{" "}
            <Anchor href="/docs/errors" inherit underline="always">
              error codes
            </Anchor>
            .
          </Text>
        </Stack>
      ) : null}
    </>
  );
}
