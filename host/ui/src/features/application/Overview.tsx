import { Button, Group, Stack, Title } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Workflow } from "lucide-react";
import { lazy, Suspense, useState } from "react";

import { kindOf, type ApplicationDoc } from "@/features/graph/document";
import { JsonView } from "@/ui/JsonView";
import { EmptyState, Loading } from "@/ui/states";

const GraphView = lazy(() => import("@/features/graph/GraphView"));

/** The steps of an application, and what the chosen one is told. */
export function Overview({ document, edit }: { document: ApplicationDoc; edit: string }) {
  const [selected, setSelected] = useState<string | null>(null);
  const step = document.steps.find((each) => each.name === selected);
  if (document.steps.length === 0) {
    return (
      <EmptyState
        icon={Workflow}
        title="It has no steps yet"
        action={
          <Button component={Link} to={edit}>
            Open the builder
          </Button>
        }
      >
        Steps are what an application does. Add the first in the builder.
      </EmptyState>
    );
  }
  return (
    <Group align="stretch" gap="md" wrap="wrap">
      <div
        style={{
          flex: "1 1 480px",
          height: "max(340px, calc(100vh - 270px))",
          border: "1px solid var(--line)",
          borderRadius: 6,
          overflow: "hidden",
        }}
      >
        <Suspense fallback={<Loading />}>
          <GraphView
            document={document}
            selected={selected}
            select={setSelected}
            label="Graph of the application"
          />
        </Suspense>
      </div>
      {step ? (
        <Stack
          gap="sm"
          style={{ flex: "0 1 380px", minWidth: 280 }}
          component="aside"
          aria-label={`Step ${step.name}`}
        >
          <Title order={2}>{step.name}</Title>
          <div>
            {kindOf(step)}
            {step.syncpack ? ` of ${step.syncpack}` : null}
          </div>
          <JsonView key={step.name} value={step} label={`the entry of ${step.name}`} maxHeight="50vh" />
        </Stack>
      ) : null}
    </Group>
  );
}
