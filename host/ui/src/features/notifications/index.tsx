import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Bell } from "lucide-react";
import { useEffect } from "react";

import { PageHead } from "@/ui/Page";
import { StateBadge } from "@/ui/StateBadge";
import { EmptyState } from "@/ui/states";
import { Time } from "@/ui/Time";
import { clearAll, readAll, useNotices } from "./store";

export function Page() {
  const notices = useNotices((kept) => kept.notices);
  const watched = useNotices((kept) => kept.watched.length);
  // Whoever leaves the page has seen them.
  useEffect(() => readAll, []);
  return (
    <>
      <PageHead title="Notifications">
        {notices.length > 0 ? (
          <Button variant="default" onClick={clearAll}>
            Clear all
          </Button>
        ) : null}
      </PageHead>
      <Text fz="sm" c="dimmed" mb="md">
        How the runs ended that you started with this browser.
        {watched > 0 ? ` ${watched} ${watched === 1 ? "goes" : "go"} on.` : ""}
      </Text>
      {notices.length === 0 ? (
        <EmptyState
          icon={Bell}
          title="Nothing to tell yet"
          action={
            <Button component={Link} to="/applications" variant="default">
              To the applications
            </Button>
          }
        >
          Start an application, and its result is told here.
        </EmptyState>
      ) : (
        <Stack component="ul" gap={0} p={0} m={0} style={{ listStyle: "none" }}>
          {notices.map((notice) => (
            <Group
              component="li"
              key={notice.id}
              gap="md"
              py="xs"
              wrap="nowrap"
              align="flex-start"
              style={{ borderBottom: "1px solid var(--line)" }}
            >
              <StateBadge state={notice.state} />
              <div style={{ flex: 1, minWidth: 0 }}>
                <Anchor
                  component={Link}
                  to={notice.to as "/"}
                  fz="sm"
                  fw={notice.read ? 400 : 600}
                  underline="always"
                >
                  {notice.title}
                </Anchor>
                {notice.text ? (
                  <Text fz="xs" c="dimmed" style={{ overflowWrap: "anywhere" }} lineClamp={3}>
                    {notice.text}
                  </Text>
                ) : null}
              </div>
              <Time at={notice.at} />
            </Group>
          ))}
        </Stack>
      )}
    </>
  );
}
