import { Menu, Portal } from "@mantine/core";
import type { ReactNode } from "react";

/** A menu that opens where the pointer, or what has the focus, is. */
export function ContextMenu({
  at,
  close,
  children,
}: {
  at: { x: number; y: number };
  close: () => void;
  children: ReactNode;
}) {
  return (
    <Menu opened onClose={close} position="bottom-start" withinPortal returnFocus>
      <Portal>
        <Menu.Target>
          <button
            type="button"
            tabIndex={-1}
            aria-label="Menu"
            style={{
              position: "fixed",
              left: at.x,
              top: at.y,
              width: 1,
              height: 1,
              opacity: 0,
              padding: 0,
              border: 0,
            }}
          />
        </Menu.Target>
      </Portal>
      <Menu.Dropdown mah={420} style={{ overflow: "auto" }}>
        {children}
      </Menu.Dropdown>
    </Menu>
  );
}
