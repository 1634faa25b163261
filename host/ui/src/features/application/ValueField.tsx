import { Button, Group, Input, PasswordInput, Select, Textarea, TextInput } from "@mantine/core";

import { CodeEditor } from "@/ui/CodeEditor";

/** `any`: a text, unless it reads as JSON of another kind. */
export type FieldType = "string" | "number" | "integer" | "boolean" | "json" | "any";

/** A value as a field shows it. */
export function shownField(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string"
    ? value
    : JSON.stringify(value, null, typeof value === "object" ? 2 : undefined);
}

/** What a field's text means; throws where it is no value of the type. A reference stays a text. */
export function readField(text: string, type: FieldType): unknown {
  if (type === "string" || text.includes("${")) {
    if (type !== "json" || !text.trim().match(/^[[{]/)) return text;
  }
  if (type === "number" || type === "integer") {
    const number = Number(text);
    if (text.trim() === "" || !Number.isFinite(number) || (type === "integer" && !Number.isInteger(number)))
      throw new Error(`“${text}” is no ${type === "integer" ? "whole " : ""}number.`);
    return number;
  }
  if (type === "boolean") return text === "true";
  if (type === "json") return JSON.parse(text) as unknown;
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "string" ? text : value;
  } catch {
    return text;
  }
}

interface Props {
  name: string;
  label?: string;
  type: FieldType;
  value: string;
  change: (text: string) => void;
  required?: boolean | undefined;
  secret?: boolean | undefined;
  description?: string | undefined;
  placeholder?: string | undefined;
  hint?: string | undefined;
  choices?: string[] | undefined;
  sample?: unknown;
  error?: string | undefined;
}

/** A field for a value of a type. */
export function ValueField({
  name,
  label = name,
  type,
  value,
  change,
  required = false,
  secret = false,
  description,
  placeholder,
  hint,
  choices,
  sample,
  error,
}: Props) {
  const said = [description, hint].filter(Boolean).join(" · ") || undefined;
  const common = { label, description: said, required, error };
  if (secret)
    return (
      <PasswordInput
        {...common}
        value={value}
        autoComplete="off"
        placeholder={placeholder}
        onChange={(event) => change(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": `Show ${label}` }}
      />
    );
  if (choices && choices.length > 0)
    return (
      <Select
        {...common}
        clearable
        placeholder={placeholder}
        data={choices}
        value={value === "" ? null : value}
        onChange={(chosen) => change(chosen ?? "")}
      />
    );
  if (type === "boolean")
    return (
      <Select
        {...common}
        clearable
        placeholder={placeholder}
        data={[
          { value: "true", label: "yes" },
          { value: "false", label: "no" },
        ]}
        value={value === "" ? null : value}
        onChange={(chosen) => change(chosen ?? "")}
      />
    );
  if (type === "json")
    return (
      <Input.Wrapper label={label} description={said} required={required} error={error}>
        <CodeEditor
          language="json"
          label={label}
          value={value}
          onChange={change}
          placeholder={placeholder ?? ""}
          minHeight="70px"
          maxHeight="240px"
        />
        {sample !== null && sample !== undefined && value === "" ? (
          <Group mt={4}>
            <Button size="compact-xs" variant="default" onClick={() => change(shownField(sample))}>
              Insert the sample
            </Button>
          </Group>
        ) : null}
      </Input.Wrapper>
    );
  if (value.length > 80 || value.includes("\n"))
    return (
      <Textarea
        {...common}
        autosize
        maxRows={12}
        placeholder={placeholder}
        value={value}
        onChange={(event) => change(event.currentTarget.value)}
      />
    );
  return (
    <TextInput
      {...common}
      placeholder={placeholder}
      value={value}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}
