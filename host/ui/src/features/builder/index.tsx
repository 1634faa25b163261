import { useQuery } from "@tanstack/react-query";
import { useParams as useRoute } from "@tanstack/react-router";
import { ReactFlowProvider } from "@xyflow/react";
import { useState } from "react";

import { applicationQuery } from "@/features/application/api";
import { PageHead } from "@/ui/Page";
import { Loading, ProblemAlert } from "@/ui/states";
import { BuilderContext, makeStore, readDraft, type BuilderStore } from "./store";
import { Workbench } from "./Workbench";

/** The builder of an application. */
export function Page() {
  const { name = "" } = useRoute({ strict: false });
  return <Loaded key={name} name={name} />;
}

function Loaded({ name }: { name: string }) {
  // The route has begun to read it; what was refused there is not asked for again by itself.
  const application = useQuery({ ...applicationQuery(name), retryOnMount: false });
  const [store, setStore] = useState<BuilderStore | null>(null);
  const fresh = application.isFetchedAfterMount || !application.isStale;
  // What is read again later does not take away what is being edited.
  if (!store && fresh && application.data) {
    const { document, etag } = application.data;
    setStore(makeStore(name, document, etag, readDraft(name)));
  }
  if (application.error && !store) {
    return (
      <>
        <PageHead title={name} />
        <ProblemAlert
          title="This application cannot be edited"
          error={application.error}
          retry={() => void application.refetch()}
        />
      </>
    );
  }
  if (!store) return <Loading rows={10} />;
  return (
    <BuilderContext.Provider value={store}>
      <ReactFlowProvider>
        <Workbench />
      </ReactFlowProvider>
    </BuilderContext.Provider>
  );
}
