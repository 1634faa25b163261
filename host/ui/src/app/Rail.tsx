import { ActionIcon, Tooltip } from "@mantine/core";
import { Link, useRouterState } from "@tanstack/react-router";
import { PanelLeftClose, PanelLeftOpen } from "lucide-react";

import { useCounts } from "./attention";
import classes from "./Frame.module.css";
import { PLACES } from "./places";

/** The navigation on the left, which folds to its icons. */
export function Rail({ folded, fold }: { folded: boolean; fold: () => void }) {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const counts = useCounts();
  const here = (to: string) => (to === "/" ? path === "/" : path === to || path.startsWith(`${to}/`));
  return (
    <header className={classes.rail}>
      <Link to="/" className={classes.brand} aria-label="PowerFlow, to the dashboard">
        <img src="/assets/icon.svg" width={22} height={22} alt="" />
        <span>PowerFlow</span>
      </Link>
      <nav aria-label="Main">
        {PLACES.map((group, index) => (
          <ul key={index} className={classes.group}>
            {group.map(({ to, label, icon: Icon, count }) => {
              const number = count ? (counts?.[count] ?? 0) : 0;
              return (
                <li key={to}>
                  <Tooltip label={label} position="right" disabled={!folded}>
                    <Link
                      to={to}
                      className={classes.place}
                      data-here={here(to) || undefined}
                      aria-current={here(to) ? "page" : undefined}
                      aria-label={number ? `${label}, ${number}` : label}
                    >
                      <Icon size={17} aria-hidden />
                      <span>{label}</span>
                      {number ? <b className={classes.count}>{number > 99 ? "99+" : number}</b> : null}
                    </Link>
                  </Tooltip>
                </li>
              );
            })}
          </ul>
        ))}
      </nav>
      <div className={classes.foldline} style={{ marginTop: "auto" }}>
        <ActionIcon
          onClick={fold}
          aria-label={folded ? "Unfold the navigation" : "Fold the navigation"}
          aria-expanded={!folded}
        >
          {folded ? <PanelLeftOpen size={16} /> : <PanelLeftClose size={16} />}
        </ActionIcon>
      </div>
    </header>
  );
}
