import { CloseButton, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { Search } from "lucide-react";
import { useState } from "react";

import { useParams } from "@/lib/search";

/** A search field whose text stands in the address, under `name`. `/` goes to it. */
export function SearchBox({ label, name = "search" }: { label: string; name?: string }) {
  const [params, setParams] = useParams();
  const [text, setText] = useState(params[name] ?? "");
  const write = useDebouncedCallback((value: string) => setParams({ [name]: value }), 250);
  const change = (value: string) => {
    setText(value);
    write(value);
  };
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      data-search
      value={text}
      onChange={(event) => change(event.currentTarget.value)}
      leftSection={<Search size={14} aria-hidden />}
      rightSection={
        text ? <CloseButton size="xs" aria-label="Clear the search" onClick={() => change("")} /> : null
      }
      w={260}
    />
  );
}
