import { Anchor, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarClock } from "lucide-react";
import { useState } from "react";

import { api, data } from "@/api/client";
import { useZone } from "@/lib/time";
import { EmptyState, Loading, ProblemAlert } from "@/ui/states";
import classes from "./Week.module.css";

/** Occurrences of one schedule on one day beyond which they are summed up. */
const SUMMED = 4;

interface Entry {
  schedule: string;
  application: string;
  times: Date[];
  /** Whether there are more than were asked for. */
  more: boolean;
}

/** What is due in the coming seven days, by days. */
export function Week() {
  const utc = useZone((zone) => zone.utc);
  const [today] = useState(() => Date.now());
  const week = useQuery({
    queryKey: ["schedules", "week"],
    queryFn: async (): Promise<{ entries: Entry[]; more: boolean }> => {
      const calendar = await data(api.GET("/api/v1/schedules/calendar"));
      const entries = calendar.items.map((each) => ({
        schedule: each.name,
        application: each.application,
        times: each.due.map((at) => new Date(at)),
        more: each.more,
      }));
      return { entries, more: calendar.more };
    },
    staleTime: 60_000,
  });
  if (week.error) return <ProblemAlert error={week.error} retry={() => void week.refetch()} />;
  if (!week.data) return <Loading rows={8} />;
  if (week.data.entries.length === 0)
    return (
      <EmptyState icon={CalendarClock} title="Nothing is due in the coming week">
        Schedules that are paused, or that there are not yet, are never due.
      </EmptyState>
    );
  const key = (at: Date) =>
    utc
      ? at.toISOString().slice(0, 10)
      : `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
  const clock = (at: Date) =>
    at.toLocaleTimeString("en-GB", {
      hour: "2-digit",
      minute: "2-digit",
      ...(utc ? { timeZone: "UTC" } : {}),
    });
  const days = Array.from({ length: 7 }, (_, index) => new Date(today + index * 86_400_000));
  return (
    <>
      {week.data.more ? (
        <Text fz="xs" c="dimmed" mb="xs">
          There are more schedules: those that are due soonest are shown.
        </Text>
      ) : null}
      <div className={classes.week}>
        {days.map((day) => (
          <section
            key={key(day)}
            className={classes.day}
            aria-label={day.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long" })}
          >
            <Title order={2} fz="sm">
              {day.toLocaleDateString("en-GB", {
                weekday: "short",
                day: "numeric",
                month: "short",
                ...(utc ? { timeZone: "UTC" } : {}),
              })}
            </Title>
            <Stack gap={4} mt="xs">
              {week.data.entries.flatMap((entry) => {
                const times = entry.times.filter((at) => key(at) === key(day));
                if (times.length === 0 && !(entry.more && day > (entry.times.at(-1) ?? day))) return [];
                const text =
                  times.length === 0
                    ? "goes on"
                    : times.length > SUMMED
                      ? `${times.length}${entry.more ? "+" : ""} times, ${clock(times[0] ?? day)} – ${clock(times.at(-1) ?? day)}`
                      : times.map(clock).join(", ");
                return [
                  <div key={entry.schedule} className={classes.entry}>
                    <Anchor
                      component={Link}
                      to={`/applications/${encodeURIComponent(entry.application)}?view=schedules` as "/"}
                      fz="xs"
                      fw={550}
                      c="inherit"
                    >
                      {entry.schedule}
                    </Anchor>
                    <Text fz="xs" c="dimmed" className="num">
                      {text}
                    </Text>
                  </div>,
                ];
              })}
            </Stack>
          </section>
        ))}
      </div>
    </>
  );
}
