import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";

import { request, type Schema } from "@/api/client";
import { useParams } from "@/lib/search";
import { PageHead } from "@/ui/Page";
import { Loading, ProblemAlert } from "@/ui/states";
import { RunsTable } from "./RunsTable";

export function Page() {
  const [params] = useParams();
  if (params.id) return <Jump id={params.id} />;
  return (
    <>
      <PageHead title="Runs" />
      <RunsTable />
    </>
  );
}

/** Goes to the page of a run or step of which only the id is known. */
function Jump({ id }: { id: string }) {
  const navigate = useNavigate();
  const found = useQuery({
    queryKey: ["jump", id],
    queryFn: () => request<Schema<"Task">>("GET", `/api/v1/tasks/${encodeURIComponent(id)}`),
  });
  useEffect(() => {
    if (!found.data) return;
    const task = found.data;
    const run = "run" in task ? task.run : task;
    const search = "run" in task ? { runid: run.task_id, step: task.name } : { runid: run.task_id };
    void navigate({
      to: "/applications/$name",
      params: { name: run.application },
      search: search as never,
      replace: true,
    });
  }, [found.data, navigate]);
  return found.error ? (
    <>
      <PageHead title="Run" />
      <ProblemAlert error={found.error} retry={() => void found.refetch()} />
    </>
  ) : (
    <Loading />
  );
}
