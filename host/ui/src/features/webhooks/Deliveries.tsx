import { Anchor, Button, Drawer, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { request, type Schema } from "@/api/client";
import { useMay } from "@/api/session";
import { runHref } from "@/features/run/api";
import { usePages } from "@/lib/pages";
import { Loading, ProblemAlert } from "@/ui/states";
import { tell, tellProblem } from "@/ui/tell";
import { Time } from "@/ui/Time";

type Delivery = Schema<"DeliveryDocument">;

/** The log of a webhook: what came, and what became of it. */
export function Deliveries({ webhook, close }: { webhook: Schema<"WebhookDocument">; close: () => void }) {
  const { why } = useMay("execute");
  const list = usePages<Delivery>(
    ["deliveries", webhook.name],
    (after) =>
      request(
        "GET",
        `${webhook.href}/deliveries?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`,
      ),
    { live: true },
  );
  const again = (delivery: Delivery) =>
    void request<Schema<"DeliveredDocument">>(
      "POST",
      `${webhook.href}/deliveries/${delivery.number}/redeliver`,
    )
      .then((answer) => tell(answer.duplicate ? "It was started before" : "Delivered again", answer.task_id))
      .catch((error: unknown) => tellProblem("Not delivered", error));
  return (
    <Drawer opened onClose={close} size="xl" title={`Deliveries of ${webhook.name}`}>
      {list.error && !list.rows ? <ProblemAlert error={list.error} retry={list.retry} /> : null}
      {!list.rows && !list.error ? <Loading rows={5} /> : null}
      {list.rows?.length === 0 ? (
        <Text fz="sm" c="dimmed">
          Nothing has come yet.
        </Text>
      ) : null}
      {list.rows && list.rows.length > 0 ? (
        <Table.ScrollContainer minWidth={480} type="native">
          <Table aria-label="Deliveries" fz="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th ta="right">Number</Table.Th>
                <Table.Th>Came</Table.Th>
                <Table.Th>From</Table.Th>
                <Table.Th>Outcome</Table.Th>
                <Table.Th>Run</Table.Th>
                <Table.Th>Actions</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.rows.map((each) => (
                <Table.Tr key={each.number}>
                  <Table.Td ta="right">{each.number}</Table.Td>
                  <Table.Td>
                    <Time at={each.at} />
                  </Table.Td>
                  <Table.Td>{each.address}</Table.Td>
                  <Table.Td>
                    {each.outcome}
                    {each.reason ? (
                      <Text fz="xs" c="dimmed">
                        {each.reason}
                      </Text>
                    ) : null}
                  </Table.Td>
                  <Table.Td>
                    {each.run ? (
                      <Anchor
                        component={Link}
                        to={runHref(webhook.application, each.run) as "/"}
                        inherit
                        underline="always"
                      >
                        …{each.run.slice(-8)}
                      </Anchor>
                    ) : (
                      "–"
                    )}
                  </Table.Td>
                  <Table.Td>
                    <Button
                      size="compact-xs"
                      variant="default"
                      disabled={!each.kept || Boolean(why)}
                      title={why ?? (each.kept ? undefined : "Its body is not kept.")}
                      aria-label={`Deliver ${each.number} again`}
                      onClick={() => again(each)}
                    >
                      Again
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
      {list.more ? (
        <Button variant="default" mt="sm" onClick={list.more} loading={list.loadingMore}>
          Show more
        </Button>
      ) : null}
    </Drawer>
  );
}
