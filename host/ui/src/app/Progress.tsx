import { useRouterState } from "@tanstack/react-router";

import classes from "./Frame.module.css";

/** The line at the top while a page is being loaded. */
export function Progress() {
  const busy = useRouterState({ select: (state) => state.status === "pending" });
  return busy ? <div className={classes.progress} role="progressbar" aria-label="Loading the page" /> : null;
}
