import { Anchor, Button, Group, SimpleGrid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarClock, Workflow } from "lucide-react";

import { api, data } from "@/api/client";
import { LIVE } from "@/api/query";
import { QueueTable } from "@/features/queues/QueueTable";
import { runHref } from "@/features/run/api";
import { RUN_STATES } from "@/lib/states";
import { PageHead } from "@/ui/Page";
import { StateBadge } from "@/ui/StateBadge";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { Time, Took } from "@/ui/Time";
import { useFavourites, useOverview, useStarred, type Overview } from "./api";
import { Attention } from "./Attention";
import { All, Card, Counts, Favourite, List } from "./parts";
import { Volume } from "./Volume";

export function Page() {
  const overview = useOverview();
  if (overview.error && !overview.data)
    return (
      <>
        <PageHead title="Dashboard" />
        <ProblemAlert error={overview.error} retry={() => void overview.refetch()} />
      </>
    );
  if (!overview.data)
    return (
      <>
        <PageHead title="Dashboard" />
        <Loading rows={10} />
      </>
    );
  return (
    <>
      <PageHead title="Dashboard" />
      {overview.data.applications.total === 0 ? <Beginning /> : <Cards overview={overview.data} />}
    </>
  );
}

function Beginning() {
  return (
    <EmptyState
      icon={Workflow}
      title="Nothing is here yet"
      action={
        <Group gap="sm">
          <Button component={Link} to="/applications">
            Build or import an application
          </Button>
          <Button component={Link} to={"/help/getting-started"} variant="default">
            Read the guide
          </Button>
        </Group>
      }
    >
      This page shows what runs, what needs you, and what comes next, as soon as there is an application.
    </EmptyState>
  );
}

function Cards({ overview }: { overview: Overview }) {
  const { applications } = overview;
  const counts: [string, number][] = RUN_STATES.filter((state) => applications.last_run[state]).map(
    (state) => [state, applications.last_run[state] ?? 0],
  );
  if (applications.never_run > 0) counts.push(["never", applications.never_run]);
  return (
    <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }} spacing="md" verticalSpacing="md">
      <Attention overview={overview} />
      <Favourites />
      <Volume />
      <Newest />
      <Upcoming overview={overview} />
      <Card title="Applications" aside={<All to="/applications" />}>
        <Text fz="sm" mb="xs">
          {applications.total} {applications.total === 1 ? "application" : "applications"}, by the state of
          the last run
        </Text>
        <Counts counts={counts} to={(state) => `/applications?state=${state}`} />
      </Card>
      <Card title="Queues" aside={<All to="/queues" />}>
        <QueueTable queues={overview.queues} />
      </Card>
      <Processes overview={overview} />
    </SimpleGrid>
  );
}

function Favourites() {
  const [names, star] = useFavourites();
  const starred = useStarred(names);
  return (
    <Card title="Favourites">
      {starred.length === 0 ? (
        <Text fz="sm" c="dimmed">
          Star an application in the{" "}
          <Anchor component={Link} to="/applications" inherit underline="always">
            list of applications
          </Anchor>
          , and it stands here with its last run.
        </Text>
      ) : (
        <List>
          {starred.map((each) => (
            <Favourite key={each.name} application={each} star={star} />
          ))}
        </List>
      )}
    </Card>
  );
}

function Upcoming({ overview }: { overview: Overview }) {
  return (
    <Card title="Coming next" aside={<All to="/schedules?view=week">week</All>}>
      {overview.upcoming.length === 0 ? (
        <Text fz="sm" c="dimmed">
          No schedule is due.
        </Text>
      ) : (
        <List>
          {overview.upcoming.map((each) => (
            <li key={each.name}>
              <Group gap="sm" justify="space-between" wrap="nowrap">
                <Group gap="xs" wrap="nowrap" miw={0}>
                  <CalendarClock size={14} aria-hidden style={{ flex: "none" }} />
                  <Anchor
                    component={Link}
                    to={`/applications/${encodeURIComponent(each.application)}?view=schedules` as "/"}
                    fz="sm"
                    underline="always"
                    c="inherit"
                    truncate
                  >
                    {each.name}
                  </Anchor>
                </Group>
                <Text fz="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                  <Time at={each.next_due ?? null} />
                </Text>
              </Group>
            </li>
          ))}
        </List>
      )}
    </Card>
  );
}

function Newest() {
  const runs = useQuery({
    queryKey: ["runs", "newest"],
    refetchInterval: LIVE,
    queryFn: () => data(api.GET("/api/v1/runs", { params: { query: { limit: 8 } } })),
  });
  return (
    <Card title="Newest runs" aside={<All to="/runs" />}>
      {runs.error && !runs.data ? (
        <ProblemAlert error={runs.error} retry={() => void runs.refetch()} />
      ) : null}
      {!runs.data && !runs.error ? <Loading rows={4} /> : null}
      {runs.data?.items.length === 0 ? (
        <Text fz="sm" c="dimmed">
          None yet.
        </Text>
      ) : null}
      <List>
        {(runs.data?.items ?? []).map((run) => (
          <li key={run.task_id}>
            <Group gap="sm" wrap="nowrap" justify="space-between">
              <Group gap="sm" wrap="nowrap" miw={0}>
                <StateBadge state={run.state} plain />
                <Anchor
                  component={Link}
                  to={runHref(run.application, run.task_id) as "/"}
                  fz="sm"
                  underline="always"
                  c="inherit"
                  truncate
                >
                  {run.application}
                </Anchor>
              </Group>
              <Text fz="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                <Time at={run.created_at} /> · <Took from={run.created_at} to={run.finished_at ?? null} />
              </Text>
            </Group>
          </li>
        ))}
      </List>
    </Card>
  );
}

function Processes({ overview }: { overview: Overview }) {
  const slots = overview.workers.reduce((sum, each) => sum + each.slots, 0);
  return (
    <Card title="Processes" aside={<All to="/queues" />}>
      <Text fz="sm" mb="xs">
        {overview.workers.length} {overview.workers.length === 1 ? "process" : "processes"}, {slots} slots
      </Text>
      <List>
        {overview.workers.slice(0, 8).map((each) => (
          <li key={each.id}>
            <Group justify="space-between" wrap="nowrap">
              <Text fz="sm" truncate>
                {each.host} · {each.role}
              </Text>
              <Text fz="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
                {each.slots} slots, since <Time at={each.started_at} />
              </Text>
            </Group>
          </li>
        ))}
      </List>
      {overview.workers.length > 8 ? (
        <Text fz="xs" c="dimmed" mt="xs">
          and {overview.workers.length - 8} more
        </Text>
      ) : null}
    </Card>
  );
}
