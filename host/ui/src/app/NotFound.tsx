import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Compass } from "lucide-react";

import { EmptyState } from "@/ui/states";

export function NotFound() {
  return (
    <EmptyState
      icon={Compass}
      title="There is no such page"
      action={
        <Button component={Link} to="/" variant="default">
          To the dashboard
        </Button>
      }
    >
      The address may be of something that was renamed or deleted.
    </EmptyState>
  );
}
