import { useLocalStorage } from "@mantine/hooks";
import { Outlet } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useRouterState } from "@tanstack/react-router";

import { ConnectionBanner } from "./ConnectionBanner";
import classes from "./Frame.module.css";
import { Progress } from "./Progress";
import { Rail } from "./Rail";
import { TopBar } from "./TopBar";

/** The frame of every page: rail, top bar, and the page in the whole width. */
export function Frame() {
  const [folded, setFolded] = useLocalStorage({
    key: "powerflow.rail",
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const first = useRef(true);
  // Whoever goes to another page by keyboard goes on from its beginning.
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <div className={classes.frame} data-folded={folded || undefined}>
      <a className="skip" href="#main">
        To the content
      </a>
      <Progress />
      <Rail folded={folded} fold={() => setFolded((old) => !old)} />
      <div className={classes.body}>
        <TopBar />
        <ConnectionBanner />
        <main id="main" ref={main} tabIndex={-1} className={classes.main}>
          <Outlet />
        </main>
      </div>
    </div>
  );
}
