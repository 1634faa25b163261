import { Combobox, Modal, Text, TextInput, useCombobox } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { useEffect, useState } from "react";

import { api, data } from "@/api/client";
import { PLACES } from "./places";

interface Entry {
  key: string;
  label: string;
  hint: string;
  to: string;
}

const RUN = /^is(app|task)-[0-9a-f-]{36}$/i;

/** Goes to any page, application, configuration object or run by a few letters of its name. */
export default function Palette({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text.trim(), 150);
  const navigate = useNavigate();
  const box = useCombobox({ opened: true });
  const found = useQuery({
    queryKey: ["palette", search],
    enabled: search.length > 0 && !RUN.test(search),
    placeholderData: (old) => old,
    queryFn: async (): Promise<Entry[]> => {
      const query = { params: { query: { search, limit: 8 } } };
      const [applications, configurations] = await Promise.all([
        data(api.GET("/api/v1/applications", query)),
        data(api.GET("/api/v1/configurations", query)),
      ]);
      return [
        ...applications.items.flatMap((each) => [
          {
            key: `a ${each.name}`,
            label: each.friendly_name || each.name,
            hint: "Application",
            to: `/applications/${encodeURIComponent(each.name)}`,
          },
          {
            key: `e ${each.name}`,
            label: `Edit ${each.friendly_name || each.name}`,
            hint: "Builder",
            to: `/applications/${encodeURIComponent(each.name)}/edit`,
          },
        ]),
        ...configurations.items.map((each) => ({
          key: `c ${each.name}`,
          label: each.friendly_name || each.name,
          hint: "Configuration",
          to: `/configurations/${encodeURIComponent(each.name)}`,
        })),
      ];
    },
  });
  const places = PLACES.flat()
    .filter((place) => place.label.toLowerCase().includes(text.trim().toLowerCase()))
    .map((place) => ({ key: `p ${place.to}`, label: place.label, hint: "Page", to: place.to }));
  const run = RUN.test(text.trim())
    ? [{ key: "run", label: `Run ${text.trim()}`, hint: "Run", to: `/runs?id=${text.trim()}` }]
    : [];
  const entries = [...run, ...places, ...(search ? (found.data ?? []) : [])];
  useEffect(() => {
    box.selectFirstOption();
  }, [entries.length, text, box]);
  const go = (to: string) => {
    close();
    void navigate({ to: to as "/" });
  };
  return (
    <Modal
      opened
      onClose={close}
      withCloseButton={false}
      padding={0}
      size="lg"
      yOffset="12vh"
      centered={false}
      title={null}
      aria-label="Go to anything"
    >
      <Combobox store={box} onOptionSubmit={go}>
        <Combobox.EventsTarget>
          <TextInput
            size="md"
            variant="unstyled"
            px="md"
            data-autofocus
            aria-label="Go to anything"
            placeholder="Page, application, configuration or run id"
            leftSection={<Search size={16} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        </Combobox.EventsTarget>
        <div style={{ borderTop: "1px solid var(--line)", maxHeight: "50vh", overflow: "auto", padding: 4 }}>
          <Combobox.Options aria-label="Found">
            {entries.map((entry) => (
              <Combobox.Option
                key={entry.key}
                value={entry.to}
                style={{ display: "flex", justifyContent: "space-between" }}
              >
                <span>{entry.label}</span>
                <Text fz="xs" span>
                  {entry.hint}
                </Text>
              </Combobox.Option>
            ))}
            {entries.length === 0 ? (
              <Combobox.Empty>{found.isFetching ? "Searching" : "Nothing of that name"}</Combobox.Empty>
            ) : null}
          </Combobox.Options>
        </div>
      </Combobox>
    </Modal>
  );
}
