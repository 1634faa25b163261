import { Stack, Text } from "@mantine/core";

import { readField, shownField, ValueField, type FieldType } from "@/features/application/ValueField";
import type { StepEntry } from "@/features/graph/document";
import { Loading, ProblemAlert } from "@/ui/states";
import { setKey } from "./edit";
import { parametersOf, useStepType, type Parameter } from "./registry";

const TYPES: Record<string, FieldType> = {
  string: "string",
  integer: "integer",
  number: "number",
  boolean: "boolean",
  object: "json",
  array: "json",
};

/** A form of the step's parameters, made from its SyncPack's description. */
export function ParamForm({
  step,
  set,
}: {
  step: StepEntry;
  set: (change: (step: StepEntry) => StepEntry, kind?: string) => void;
}) {
  const type = useStepType(step.file, step.syncpack);
  if (type.unknown)
    return (
      <Text fz="sm">No active SyncPack has this step: activate one that does, or choose another step.</Text>
    );
  if (type.error)
    return (
      <ProblemAlert error={type.error} title="What it takes is not known" retry={() => void type.refetch()} />
    );
  if (!type.data) return <Loading rows={4} />;
  const parameters = parametersOf(type.data);
  if (parameters.length === 0)
    return (
      <Text fz="sm" c="dimmed">
        This step takes no parameters.
      </Text>
    );
  return (
    <Stack gap="sm">
      {type.data.description ? (
        <Text fz="sm" c="dimmed">
          {type.data.description}
        </Text>
      ) : null}
      {parameters.map((parameter) => (
        <Field key={parameter.name} parameter={parameter} step={step} set={set} />
      ))}
    </Stack>
  );
}

function Field({
  parameter,
  step,
  set,
}: {
  parameter: Parameter;
  step: StepEntry;
  set: (change: (step: StepEntry) => StepEntry, kind?: string) => void;
}) {
  const value = step[parameter.name];
  // A reference stands for a value of any type.
  const declared = TYPES[parameter.type ?? ""] ?? "any";
  const type: FieldType = declared === "json" && typeof value === "string" ? "any" : declared;
  const put = (text: string) => {
    let next: unknown = text;
    try {
      next =
        text === ""
          ? undefined
          : readField(text, declared === "boolean" ? "boolean" : declared === "string" ? "string" : declared);
    } catch {
      // While it is typed it is a text; the validation says what is wrong.
    }
    set((old) => setKey(old, parameter.name, next), parameter.name);
  };
  const hint =
    parameter.default !== undefined && parameter.default !== ""
      ? `default ${shownField(parameter.default)}`
      : parameter.required
        ? undefined
        : "optional";
  return (
    <ValueField
      name={parameter.name}
      type={type}
      choices={declared === "string" && parameter.choices ? parameter.choices.map(String) : undefined}
      required={parameter.required === true}
      secret={false}
      description={
        parameter.secret
          ? `${parameter.description ?? ""} Secret: refer to an encrypted configuration variable.`
          : parameter.description
      }
      hint={hint}
      placeholder={shownField(parameter.sample ?? parameter.default)}
      sample={parameter.sample}
      value={shownField(value)}
      change={put}
    />
  );
}
