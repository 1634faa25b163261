import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { Check, Copy } from "lucide-react";

/** A button that copies a text and says so. */
export function CopyText({ text, what }: { text: string; what: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : `Copy ${what}`}>
          <ActionIcon
            size={24}
            aria-label={copied ? `Copied ${what}` : `Copy ${what}`}
            onClick={(event) => {
              event.stopPropagation();
              copy();
            }}
          >
            {copied ? <Check size={13} /> : <Copy size={13} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** An id, shortened to its last eight characters, whole on hover, with a copy button. */
export function CopyId({ id, what = "id" }: { id: string; what?: string }) {
  const short = id.length > 14 ? `…${id.slice(-8)}` : id;
  return (
    <span style={{ display: "inline-flex", alignItems: "center", gap: 2, whiteSpace: "nowrap" }}>
      <Tooltip label={id}>
        <code style={{ fontSize: 12 }}>{short}</code>
      </Tooltip>
      <CopyText text={id} what={what} />
    </span>
  );
}
