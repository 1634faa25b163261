import { useParams as useRoute } from "@tanstack/react-router";
import { ReactFlowProvider } from "@xyflow/react";
import { useEffect, useState } from "react";

import { useApplication } from "@/features/application/api";
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
  const application = useApplication(name);
  const [store, setStore] = useState<BuilderStore | null>(null);
  const loaded = application.isFetchedAfterMount ? application.data : undefined;
  useEffect(() => {
    // What is read again later does not take away what is being edited.
    if (loaded) setStore((old) => old ?? makeStore(name, loaded.document, loaded.etag, readDraft(name)));
  }, [loaded, name]);
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
