import { notifications } from "@mantine/notifications";

import { asProblem } from "@/api/problem";

/** Says in a corner that something was done. */
export function tell(title: string, message = ""): void {
  notifications.show({
    title,
    message,
    color: "green",
    autoClose: 4_000,
    closeButtonProps: { "aria-label": "Close" },
  });
}

/** Says in a corner that something failed, and why; stays until it is closed. */
export function tellProblem(title: string, error: unknown): void {
  const problem = asProblem(error);
  const message =
    problem.faults.length > 0 ? problem.faults.map((fault) => fault.message).join(" · ") : problem.message;
  notifications.show({
    title,
    message: problem.code ? `${message} (${problem.code})` : message,
    color: "red",
    autoClose: false,
    closeButtonProps: { "aria-label": "Close" },
  });
}
