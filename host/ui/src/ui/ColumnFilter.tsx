import { ActionIcon, Popover, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { ListFilter } from "lucide-react";
import { useState } from "react";

import { useParams } from "@/lib/search";

/** What narrows a column by a text: a button in its head, whose value stands in the address as `name`. */
export function ColumnFilter({ name, label }: { name: string; label: string }) {
  const [params, setParams] = useParams();
  const [open, setOpen] = useState(false);
  const active = Boolean(params[name]);
  const set = useDebouncedCallback((value: string) => setParams({ [name]: value || undefined }), 200);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" trapFocus returnFocus withinPortal>
      <Popover.Target>
        <ActionIcon
          size={20}
          variant={active ? "light" : "subtle"}
          color={active ? undefined : "gray"}
          aria-label={active ? `Filter ${label}: ${params[name] ?? ""}` : `Filter ${label}`}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <ListFilter size={12} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown p="xs">
        <TextInput
          data-autofocus
          aria-label={`${label} contains`}
          placeholder={`${label} contains`}
          defaultValue={params[name] ?? ""}
          onChange={(event) => set(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") setOpen(false);
          }}
          w={200}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
