import { useParams as useRoute } from "@tanstack/react-router";

import { RunPage } from "@/features/run";
import { useParams } from "@/lib/search";
import { ApplicationPage } from "./ApplicationPage";

/** An application, or one of its runs where the address names one. */
export function Page() {
  const { name } = useRoute({ strict: false });
  const [params] = useParams();
  if (params.runid) return <RunPage key={params.runid} application={name ?? ""} id={params.runid} />;
  return <ApplicationPage key={name} name={name ?? ""} />;
}
