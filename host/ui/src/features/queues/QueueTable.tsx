import { Anchor, Badge, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Schema } from "@/api/client";
import { Time } from "@/ui/Time";

export type QueueNow = Schema<"QueueNow">;

/** Queues with what waits on them; `action` is what can be done with one. */
export function QueueTable({
  queues,
  action,
}: {
  queues: QueueNow[];
  action?: (queue: QueueNow) => ReactNode;
}) {
  if (queues.length === 0)
    return (
      <Text fz="sm" c="dimmed">
        Nothing waits and nothing runs.
      </Text>
    );
  return (
    <Table.ScrollContainer minWidth={320} type="native">
      <Table aria-label="Queues" fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Queue</Table.Th>
            <Table.Th ta="right">Queued</Table.Th>
            <Table.Th ta="right">Running</Table.Th>
            <Table.Th ta="right">Oldest queued</Table.Th>
            {action ? <Table.Th ta="right">Actions</Table.Th> : null}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {queues.map((each) => (
            <Table.Tr key={each.queue}>
              <Table.Td>
                <Anchor
                  component={Link}
                  to={`/runs?queue=${encodeURIComponent(each.queue)}&state=queued,running` as "/"}
                  inherit
                  c="inherit"
                  underline="always"
                >
                  {each.queue}
                </Anchor>{" "}
                {each.served ? null : (
                  <Badge size="xs" variant="default">
                    no worker
                  </Badge>
                )}
              </Table.Td>
              <Table.Td ta="right">{each.queued}</Table.Td>
              <Table.Td ta="right">{each.running}</Table.Td>
              <Table.Td ta="right">{each.oldest_queued ? <Time at={each.oldest_queued} /> : "–"}</Table.Td>
              {action ? <Table.Td ta="right">{action(each)}</Table.Td> : null}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
