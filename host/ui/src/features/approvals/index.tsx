import { Anchor, Group, Paper, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { UserCheck } from "lucide-react";

import { api, data, type Schema } from "@/api/client";
import { runHref } from "@/features/run/api";
import { Decide } from "@/features/run/StepPanel";
import { usePages } from "@/lib/pages";
import { PageHead } from "@/ui/Page";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { Time } from "@/ui/Time";

type Approval = Schema<"Approval">;

/** Everything that waits for somebody's decision. */
export function Page() {
  const list = usePages<Approval>(
    ["approvals"],
    (after) => data(api.GET("/api/v1/approvals", { params: { query: { after, limit: 50 } as never } })),
    { live: true },
  );
  return (
    <>
      <PageHead title="Approvals" />
      {list.error && !list.rows ? <ProblemAlert error={list.error} retry={list.retry} /> : null}
      {!list.rows && !list.error ? <Loading /> : null}
      {list.rows?.length === 0 ? (
        <EmptyState icon={UserCheck} title="Nothing waits for a decision">
          A step of the kind approval asks here, and goes on when somebody has decided.
        </EmptyState>
      ) : null}
      <Stack gap="md" maw={720}>
        {list.rows?.map((each) => (
          <Paper key={each.task_id} withBorder p="md" component="article" aria-label={each.question}>
            <Text fw={550} fz="md">
              {each.question}
            </Text>
            <Text fz="sm" c="dimmed" mb="sm">
              <Anchor
                component={Link}
                to={`${runHref(each.application, each.run_id)}&step=${encodeURIComponent(each.step)}` as "/"}
                inherit
                underline="always"
              >
                {each.application}, {each.step}
              </Anchor>
              {" · since "}
              <Time at={each.since} />
              {each.until ? (
                <>
                  {" · until "}
                  <Time at={each.until} exactly />
                </>
              ) : null}
              {each.approvers.length > 0 ? ` · for ${each.approvers.join(", ")}` : ""}
            </Text>
            <Decide run={{ task_id: each.run_id }} step={{ task_id: each.task_id, name: each.step }} />
          </Paper>
        ))}
      </Stack>
      {list.more ? (
        <Group mt="md">
          <button type="button" onClick={list.more}>
            Show more
          </button>
        </Group>
      ) : null}
    </>
  );
}
