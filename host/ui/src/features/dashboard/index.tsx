import {
  ActionIcon,
  Anchor,
  Button,
  Group,
  Paper,
  SimpleGrid,
  Stack,
  Text,
  Title,
  Tooltip,
} from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  CalendarClock,
  CircleCheck,
  FileWarning,
  Pause,
  Play,
  Star,
  UserCheck,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import type { ReactNode } from "react";

import { api, data, type Schema } from "@/api/client";
import { LIVE } from "@/api/query";
import { useStart } from "@/features/application/RunDialog";
import { runHref } from "@/features/run/api";
import { useNow } from "@/lib/clock";
import { look, mark, RUN_STATES } from "@/lib/states";
import { PageHead } from "@/ui/Page";
import { StateBadge } from "@/ui/StateBadge";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import { tellProblem } from "@/ui/tell";
import { Time, Took } from "@/ui/Time";

type Application = Schema<"ApplicationSummary">;

/** So many of each are looked at. */
const MOST = 200;

function useOverview() {
  return useQuery({
    queryKey: ["dashboard"],
    refetchInterval: LIVE,
    queryFn: async () => {
      const query = { params: { query: { limit: MOST } as never } };
      const [applications, runs, workers, approvals, letters, pauses, schedules] = await Promise.all([
        data(api.GET("/api/v1/applications", query)),
        data(api.GET("/api/v1/runs", query)),
        data(api.GET("/api/v1/workers")),
        data(api.GET("/api/v1/approvals", query)),
        data(api.GET("/api/v1/dead-letters", query)),
        data(api.GET("/api/v1/runs/pauses")),
        data(api.GET("/api/v1/schedules", query)),
      ]);
      return { applications, runs, workers, approvals, letters, pauses, schedules };
    },
  });
}

export function Page() {
  const overview = useOverview();
  const now = useNow();
  const [favourites, setFavourites] = useLocalStorage<string[]>({
    key: "powerflow.favourites",
    defaultValue: [],
  });
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
  const { applications, runs, workers, approvals, letters, pauses, schedules } = overview.data;
  if (applications.items.length === 0 && runs.items.length === 0) {
    return (
      <>
        <PageHead title="Dashboard" />
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
      </>
    );
  }
  const failing = applications.items.filter((each) => each.last_run?.state === "failed");
  const lost = workers.items.filter((each) => new Date(each.lease_until).getTime() < now);
  const upcoming = schedules.items
    .filter((each) => each.enabled && each.next_due)
    .sort((a, b) => (a.next_due ?? "").localeCompare(b.next_due ?? ""))
    .slice(0, 8);
  const star = (name: string) =>
    setFavourites((old) => (old.includes(name) ? old.filter((each) => each !== name) : [...old, name]));
  const starred = favourites
    .map((name) => applications.items.find((each) => each.name === name))
    .filter((each): each is Application => each !== undefined);
  const plus = (list: { next?: string | null }) => (list.next ? "+" : "");
  const needs: { icon: LucideIcon; text: ReactNode; to: string; key: string }[] = [
    ...failing.slice(0, 6).map((each) => ({
      key: `f ${each.name}`,
      icon: look("failed").icon,
      text: (
        <>
          {each.friendly_name || each.name} failed{" "}
          <Time at={each.last_run?.finished_at ?? each.last_run?.created_at ?? null} />
        </>
      ),
      to: runHref(each.name, each.last_run?.task_id ?? ""),
    })),
    ...(failing.length > 6
      ? [
          {
            key: "more",
            icon: look("failed").icon,
            text: `${failing.length - 6} more applications failed`,
            to: "/applications?state=failed",
          },
        ]
      : []),
    ...(approvals.items.length > 0
      ? [
          {
            key: "approvals",
            icon: UserCheck,
            text: `${approvals.items.length}${plus(approvals)} ${approvals.items.length === 1 ? "decision waits" : "decisions wait"}`,
            to: "/approvals",
          },
        ]
      : []),
    ...(letters.items.length > 0
      ? [
          {
            key: "letters",
            icon: FileWarning,
            text: `${letters.items.length}${plus(letters)} dead ${letters.items.length === 1 ? "letter" : "letters"}`,
            to: "/dead-letters",
          },
        ]
      : []),
    ...lost.map((each) => ({
      key: `w ${each.id}`,
      icon: look("failed").icon,
      text: `The process ${each.id} on ${each.host} is not heard of`,
      to: "/queues",
    })),
    ...pauses.items.map((each) => ({
      key: `p ${each.application ?? ""}${each.queue ?? ""}`,
      icon: Pause,
      text: `${each.application ? `The application ${each.application}` : each.queue ? `The queue ${each.queue}` : "Everything"} is paused`,
      to: "/queues",
    })),
  ];
  return (
    <>
      <PageHead title="Dashboard" />
      <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }} spacing="md" verticalSpacing="md">
        <Card title="Needs attention">
          {needs.length === 0 ? (
            <Group gap="xs">
              <CircleCheck size={15} color="var(--state-success)" aria-hidden />
              <Text fz="sm">Nothing does.</Text>
            </Group>
          ) : (
            <List>
              {needs.map(({ key, icon: Icon, text, to }) => (
                <li key={key}>
                  <Group gap="xs" wrap="nowrap">
                    <Icon size={14} color="var(--state-failed)" aria-hidden />
                    <Anchor component={Link} to={to as "/"} fz="sm" underline="always" c="inherit">
                      {text}
                    </Anchor>
                  </Group>
                </li>
              ))}
            </List>
          )}
        </Card>
        <Card
          title="Newest runs"
          aside={
            <Anchor component={Link} to="/runs" fz="xs" underline="always">
              all
            </Anchor>
          }
        >
          <States runs={runs.items} more={Boolean(runs.next)} />
          {runs.items.length === 0 ? (
            <Text fz="sm" c="dimmed">
              None yet.
            </Text>
          ) : (
            <List>
              {runs.items.slice(0, 7).map((run) => (
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
                      <Time at={run.created_at} /> ·{" "}
                      <Took from={run.created_at} to={run.finished_at ?? null} />
                    </Text>
                  </Group>
                </li>
              ))}
            </List>
          )}
        </Card>
        <Card
          title="Coming next"
          aside={
            <Anchor component={Link} to={"/schedules?view=week"} fz="xs" underline="always">
              week
            </Anchor>
          }
        >
          {upcoming.length === 0 ? (
            <Text fz="sm" c="dimmed">
              No schedule is due.
            </Text>
          ) : (
            <List>
              {upcoming.map((each) => (
                <li key={each.name}>
                  <Group gap="sm" justify="space-between" wrap="nowrap">
                    <Group gap="xs" wrap="nowrap" miw={0}>
                      <CalendarClock size={14} aria-hidden />
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
                    <Text fz="xs" c="dimmed">
                      <Time at={each.next_due ?? null} />
                    </Text>
                  </Group>
                </li>
              ))}
            </List>
          )}
        </Card>
        <Card title="Favourites">
          {starred.length === 0 ? (
            <Text fz="sm" c="dimmed">
              Mark an application with the star beside it, and it stands here with its last run.
            </Text>
          ) : (
            <List>
              {starred.map((each) => (
                <Favourite key={each.name} application={each} star={star} on />
              ))}
            </List>
          )}
        </Card>
        <Card
          title="Applications"
          aside={
            <Anchor component={Link} to="/applications" fz="xs" underline="always">
              all
            </Anchor>
          }
        >
          <Counts
            counts={count(applications.items.map((each) => each.last_run?.state ?? "never"))}
            to={(state) => `/applications?state=${state}`}
            more={Boolean(applications.next)}
          />
          <List>
            {applications.items.slice(0, 6).map((each) => (
              <Favourite key={each.name} application={each} star={star} on={favourites.includes(each.name)} />
            ))}
          </List>
        </Card>
        <Card
          title="Processes"
          aside={
            <Anchor component={Link} to="/queues" fz="xs" underline="always">
              queues
            </Anchor>
          }
        >
          <List>
            {workers.items.slice(0, 8).map((each) => (
              <li key={each.id}>
                <Group justify="space-between" wrap="nowrap">
                  <Text fz="sm">
                    {each.host} · {each.role}
                  </Text>
                  <Text fz="xs" c="dimmed">
                    {new Date(each.lease_until).getTime() < now ? "lost" : `${each.slots} slots`}
                  </Text>
                </Group>
              </li>
            ))}
          </List>
        </Card>
      </SimpleGrid>
    </>
  );
}

function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Group justify="space-between" mb="sm">
        <Title order={2}>{title}</Title>
        {aside}
      </Group>
      {children}
    </Paper>
  );
}

function List({ children }: { children: ReactNode }) {
  return (
    <Stack component="ul" gap={6} p={0} m={0} style={{ listStyle: "none" }}>
      {children}
    </Stack>
  );
}

function Favourite({
  application,
  star,
  on,
}: {
  application: Application;
  star: (name: string) => void;
  on: boolean;
}) {
  const begin = useStart();
  const label = application.friendly_name || application.name;
  return (
    <li>
      <Group gap="xs" wrap="nowrap" justify="space-between">
        <Group gap={6} wrap="nowrap" miw={0}>
          <ActionIcon
            size={24}
            aria-label={`Favourite ${label}`}
            aria-pressed={on}
            onClick={() => star(application.name)}
          >
            <Star size={14} fill={on ? "currentColor" : "none"} />
          </ActionIcon>
          <Anchor
            component={Link}
            to={`/applications/${encodeURIComponent(application.name)}` as "/"}
            fz="sm"
            underline="always"
            c="inherit"
            truncate
          >
            {label}
          </Anchor>
        </Group>
        <Group gap={6} wrap="nowrap">
          {application.last_run ? (
            <StateBadge state={application.last_run.state} plain />
          ) : (
            <Text fz="xs" c="dimmed">
              never run
            </Text>
          )}
          <Tooltip label="Run">
            <ActionIcon
              size={24}
              aria-label={`Run ${label}`}
              onClick={() =>
                begin(application.name, {}, (problem) =>
                  tellProblem("It needs parameters: start it from its page", problem),
                )
              }
            >
              <Play size={13} />
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
    </li>
  );
}

function count(states: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const state of states) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** How many are in each state, each a way to them. */
function Counts({
  counts,
  to,
  more,
}: {
  counts: Record<string, number>;
  to: (state: string) => string;
  more: boolean;
}) {
  return (
    <Group gap="md" mb="sm">
      {Object.entries(counts).map(([state, number]) => (
        <Anchor key={state} component={Link} to={to(state) as "/"} c="inherit" fz="sm" underline="hover">
          <Group gap={4} wrap="nowrap">
            {state === "never" ? <Text fz="xs">never run</Text> : <StateBadge state={state} plain />}
            <b className="num">
              {number}
              {more ? "+" : ""}
            </b>
          </Group>
        </Anchor>
      ))}
    </Group>
  );
}

/** The newest runs by state: counts, and a bar of their parts. */
function States({ runs, more }: { runs: Schema<"Run">[]; more: boolean }) {
  const counts = count(runs.map((run) => run.state));
  const shown = RUN_STATES.filter((state) => counts[state]);
  return (
    <>
      <div
        aria-hidden
        style={{ display: "flex", height: 6, borderRadius: 3, overflow: "hidden", gap: 1, marginBottom: 8 }}
      >
        {shown.map((state) => (
          <div key={state} style={{ flex: counts[state] ?? 0, background: mark(look(state).tone) }} />
        ))}
      </div>
      <Counts
        counts={Object.fromEntries(shown.map((state) => [state, counts[state] ?? 0]))}
        to={(state) => `/runs?state=${state}`}
        more={more}
      />
    </>
  );
}
