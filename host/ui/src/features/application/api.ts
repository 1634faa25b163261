import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, request, tagged, type Schema } from "@/api/client";
import { readDocument, type ApplicationDoc } from "@/features/graph/document";

/** An application's document with the ETag that a save has to name. */
export const applicationQuery = (name: string) =>
  queryOptions({
    queryKey: ["application", name],
    queryFn: async (): Promise<{ document: ApplicationDoc; etag: string | null }> => {
      const { body, etag } = await tagged(
        api.GET("/api/v1/applications/{name}", { params: { path: { name } } }),
      );
      return { document: readDocument(body), etag };
    },
  });
export const useApplication = (name: string) => useQuery(applicationQuery(name));

/** What is known about an application besides its document. */
export function useMeta(name: string, there = true) {
  return useQuery({
    enabled: there,
    queryKey: ["application", name, "meta"],
    queryFn: () =>
      request<Schema<"DefinitionDetail">>(
        "GET",
        `/api/v1/applications/${encodeURIComponent(name)}?meta=true`,
      ),
  });
}

/** Writes a document into a file of the reader's. */
export function download(name: string, document: unknown): void {
  const url = URL.createObjectURL(
    new Blob([`${JSON.stringify(document, null, 2)}\n`], { type: "application/json" }),
  );
  const link = window.document.createElement("a");
  link.href = url;
  link.download = `${name}.json`;
  link.click();
  URL.revokeObjectURL(url);
}

/** The id that a friendly name gives: lower case, runs of other characters become `_`. */
export function idOf(friendly: string): string {
  return friendly
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
}
