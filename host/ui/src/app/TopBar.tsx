import { ActionIcon, Button, Kbd, Menu, Text, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { Check, CircleHelp, Clock, Info, LogOut, Monitor, Moon, Search, Sun, User } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { logOut, useSession } from "@/api/session";
import { NotificationBell } from "@/features/notifications/Bell";
import { useZone } from "@/lib/time";
import { tellProblem } from "@/ui/tell";
import classes from "./Frame.module.css";
import { PLACES } from "./places";

const load = () => import("./Palette");
const Palette = lazy(load);

/** Where one is, the command palette, notifications and the user's menu. */
export function TopBar() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [palette, setPalette] = useState(false);
  useHotkeys(
    [
      ["mod+K", () => setPalette(true)],
      ["/", () => document.querySelector<HTMLInputElement>("[data-search]")?.focus()],
    ],
    ["INPUT", "TEXTAREA", "SELECT"],
  );
  const [first, ...rest] = path.split("/").filter(Boolean);
  const place = PLACES.flat().find((each) => each.to === `/${first ?? ""}`);
  return (
    <div className={classes.bar}>
      <nav className={classes.crumbs} aria-label="Place">
        {rest.length === 0 ? (
          <span aria-current="page">{place?.label ?? title(first ?? "")}</span>
        ) : (
          <>
            <Link to={`/${first ?? ""}` as "/"}>{place?.label ?? title(first ?? "")}</Link>
            <span style={{ color: "var(--line-strong)" }} aria-hidden>
              /
            </span>
            {rest.length > 1 ? (
              <Link to={`/${first ?? ""}/${rest[0] ?? ""}` as "/"}>{decodeURIComponent(rest[0] ?? "")}</Link>
            ) : (
              <span aria-current="page">{decodeURIComponent(rest[0] ?? "")}</span>
            )}
            {rest.length > 1 ? (
              <>
                <span style={{ color: "var(--line-strong)" }} aria-hidden>
                  /
                </span>
                <span aria-current="page">{title(rest[1] ?? "")}</span>
              </>
            ) : null}
          </>
        )}
      </nav>
      <Button
        variant="default"
        c="dimmed"
        fw={400}
        leftSection={<Search size={14} aria-hidden />}
        rightSection={
          <Kbd size="xs" className={classes.wide}>
            Ctrl K
          </Kbd>
        }
        onClick={() => setPalette(true)}
        aria-label="Go to anything"
      >
        <span className={classes.wide}>Go to anything</span>
      </Button>
      <NotificationBell />
      <UserMenu />
      {palette ? (
        <Suspense>
          <Palette close={() => setPalette(false)} />
        </Suspense>
      ) : null}
    </div>
  );
}

const title = (path: string) => path.charAt(0).toUpperCase() + path.slice(1).replaceAll("-", " ");

function UserMenu() {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const { utc, setUtc } = useZone();
  const leave = () => {
    logOut(client, () => navigate({ to: "/login" })).catch((error: unknown) =>
      tellProblem("You are still logged in", error),
    );
  };
  const scheme = [
    { value: "light", label: "Light", icon: Sun },
    { value: "dark", label: "Dark", icon: Moon },
    { value: "auto", label: "As the system", icon: Monitor },
  ] as const;
  return (
    <Menu width={220} closeOnItemClick={false}>
      <Menu.Target>
        <Tooltip label={session?.user ?? ""}>
          <ActionIcon aria-label="Your menu">
            <User size={17} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Text px="sm" py={4} fz="sm" fw={550}>
          {session?.user}
        </Text>
        <Text px="sm" pb={6} fz="xs" c="dimmed">
          {session?.role}
        </Text>
        <Menu.Divider />
        {scheme.map(({ value, label, icon: Icon }) => (
          <Menu.Item
            key={value}
            rightSection={colorScheme === value ? <Check size={14} role="img" aria-label="chosen" /> : null}
            fw={colorScheme === value ? 600 : undefined}
            leftSection={<Icon size={14} aria-hidden />}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<Clock size={14} aria-hidden />} onClick={() => setUtc(!utc)}>
          {utc ? "Times in UTC" : "Times in local time"}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          closeMenuOnClick
          component={Link}
          to="/help"
          leftSection={<CircleHelp size={14} aria-hidden />}
        >
          Help
        </Menu.Item>
        <Menu.Item closeMenuOnClick component={Link} to="/about" leftSection={<Info size={14} aria-hidden />}>
          About
        </Menu.Item>
        <Menu.Item closeMenuOnClick leftSection={<LogOut size={14} aria-hidden />} onClick={leave}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
