import { api } from "@/api/client";

/** Saves a document under a name that nothing has yet. */
export async function saveNew(name: string, document: unknown): Promise<void> {
  await api.PUT("/api/v1/applications/{name}", {
    params: { path: { name } },
    headers: { "If-None-Match": "*" },
    body: document as never,
  });
}

/** Why a name is none, or `null`. The page's own limit; the service has the last word. */
export function nameFault(name: string, friendly: string): string | null {
  if (!friendly.trim()) return "It needs a name.";
  if (friendly.length > 66) return `It has ${friendly.length} characters; 66 are the most.`;
  if (!name) return "It needs an id of letters or digits.";
  return null;
}
