import { ActionIcon, Indicator } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Bell } from "lucide-react";
import { useEffect } from "react";

import { lookAfter, useNotices } from "./store";

/** The way to the notifications, with how many are new. */
export function NotificationBell() {
  const unread = useNotices(({ notices }) => notices.filter((notice) => !notice.read).length);
  const watching = useNotices(({ watched }) => watched.length > 0);
  useEffect(() => {
    if (!watching) return;
    const timer = window.setInterval(() => void lookAfter(), 2_500);
    return () => window.clearInterval(timer);
  }, [watching]);
  return (
    <Indicator
      disabled={unread === 0}
      label={unread > 99 ? "99+" : unread}
      size={15}
      offset={4}
      color="red.8"
    >
      <ActionIcon
        component={Link}
        to="/notifications"
        aria-label={unread ? `Notifications, ${unread} new` : "Notifications"}
      >
        <Bell size={17} />
      </ActionIcon>
    </Indicator>
  );
}
