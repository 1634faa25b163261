import { Group, Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";

/** The head of a page: its one `h1`, which also names the browser's tab, and its actions. */
export function PageHead({
  title,
  children,
  aside,
  document: name,
}: {
  title: ReactNode;
  children?: ReactNode;
  aside?: ReactNode;
  document?: string;
}) {
  const text = name ?? (typeof title === "string" ? title : undefined);
  useEffect(() => {
    if (text) document.title = `${text} · PowerFlow`;
  }, [text]);
  return (
    <Group justify="space-between" gap="sm" mb="md" wrap="wrap">
      <Group gap="sm" wrap="wrap">
        <Title order={1} style={{ overflowWrap: "anywhere" }}>
          {title}
        </Title>
        {aside}
      </Group>
      <Group gap="xs">{children}</Group>
    </Group>
  );
}
