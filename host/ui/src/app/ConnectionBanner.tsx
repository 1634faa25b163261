import { Alert } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Unplug } from "lucide-react";

/** A calm line while the service is not reached; goes by itself. */
export function ConnectionBanner() {
  const { data: reached = true } = useQuery({
    queryKey: ["connection"],
    queryFn: async () => {
      try {
        return (await fetch("/healthz", { cache: "no-store" })).ok;
      } catch {
        return false;
      }
    },
    refetchInterval: (query) => (query.state.data === false ? 1_500 : 10_000),
    networkMode: "always",
  });
  if (reached) return null;
  return (
    <Alert color="yellow" variant="light" icon={<Unplug size={16} />} radius={0} py={6} role="status">
      The service is not reached. What is shown may be old; it goes on by itself when the service is back.
      Nothing that you typed is lost.
    </Alert>
  );
}
