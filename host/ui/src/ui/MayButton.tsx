import { Button, Tooltip, type ButtonProps } from "@mantine/core";
import type { ReactNode } from "react";

import { useMay, type Permission } from "@/api/session";

interface Props extends ButtonProps {
  needs: Permission;
  /** Why it cannot be done now, apart from permissions. */
  because?: string | null;
  onClick: () => void;
  children: ReactNode;
}

/** A button that, where it is disabled, says which permission is missing, or what else. */
export function MayButton({ needs, because, onClick, children, ...button }: Props) {
  const { may, why } = useMay(needs);
  const reason = why ?? because ?? null;
  return (
    <Tooltip label={reason} disabled={!reason} events={{ hover: true, focus: true, touch: true }}>
      <Button
        {...button}
        // Stays in the order of the keyboard, so that its reason can be read.
        data-disabled={!may || Boolean(because) || undefined}
        aria-disabled={!may || Boolean(because) || undefined}
        aria-description={reason ?? undefined}
        onClick={(event) => {
          if (reason) event.preventDefault();
          else onClick();
        }}
      >
        {children}
      </Button>
    </Tooltip>
  );
}
