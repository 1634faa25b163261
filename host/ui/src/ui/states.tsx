import { Alert, Anchor, Button, Center, Code, List, Skeleton, Stack, Text, Title } from "@mantine/core";
import { CircleX, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

import { asProblem } from "@/api/problem";

/** What a page shows when there is nothing yet: what it would show, and what to do next. */
export function EmptyState({
  icon: Icon,
  title,
  children,
  action,
}: {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Center py="xl">
      <Stack align="center" gap="sm" maw={440} ta="center">
        <Icon size={28} color="var(--line-strong)" aria-hidden />
        <Title order={2}>{title}</Title>
        {children ? (
          <Text c="dimmed" fz="sm" component="div">
            {children}
          </Text>
        ) : null}
        {action}
      </Stack>
    </Center>
  );
}

/** Why something failed, with each single fault, and a way to try again. */
export function ProblemAlert({
  error,
  retry,
  title,
}: {
  error: unknown;
  retry?: (() => void) | undefined;
  title?: string;
}) {
  const problem = asProblem(error);
  return (
    <Alert
      color="red"
      variant="light"
      icon={<CircleX size={16} />}
      title={title ?? "That did not work"}
      role="alert"
    >
      <Stack gap="xs" align="flex-start">
        <Text fz="sm" style={{ overflowWrap: "anywhere" }}>
          {problem.message}
        </Text>
        {problem.faults.length > 0 ? (
          <List size="sm" spacing={2}>
            {problem.faults.map((fault) => (
              <List.Item key={`${fault.code} ${fault.at} ${fault.message}`}>
                <Code>{fault.at || "/"}</Code> {fault.message}
              </List.Item>
            ))}
          </List>
        ) : null}
        {problem.code ? (
          <Text fz="xs" c="dimmed">
            <Anchor href={`/docs/errors/${problem.code}`} target="_blank" inherit underline="always">
              {problem.code}
            </Anchor>
            {problem.requestId ? ` · request ${problem.requestId}` : null}
          </Text>
        ) : null}
        {retry ? (
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        ) : null}
      </Stack>
    </Alert>
  );
}

/** What stands in the place of content that is being read, of about its height. */
export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap="sm" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={24} />
      ))}
    </Stack>
  );
}
