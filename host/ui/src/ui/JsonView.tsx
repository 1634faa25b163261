import { Group } from "@mantine/core";

import { CodeEditor } from "./CodeEditor";
import { CopyText } from "./CopyId";

/** Any JSON, to read, fold, search and copy. */
export function JsonView({
  value,
  label,
  maxHeight = "60vh",
}: {
  value: unknown;
  label: string;
  maxHeight?: string;
}) {
  const text = value === undefined ? "" : JSON.stringify(value, null, 2);
  return (
    <div style={{ position: "relative" }}>
      <Group style={{ position: "absolute", right: 12, top: 4, zIndex: 2 }}>
        <CopyText text={text} what={label} />
      </Group>
      <CodeEditor
        value={text}
        language="json"
        label={label}
        readOnly
        minHeight="24px"
        maxHeight={maxHeight}
      />
    </div>
  );
}
