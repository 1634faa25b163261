import type { components } from "./schema";

/** One thing that is wrong with what was sent. */
export type Fault = components["schemas"]["Fault"];

/** Why a request was refused, as the service says it (RFC 9457), or why it did not arrive. */
export class Problem extends Error {
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;
  /** The stable code, such as `PF-0404`; `""` when no answer came. */
  readonly code: string;
  readonly faults: Fault[];
  readonly requestId: string;

  constructor(status: number, code: string, detail: string, faults: Fault[] = [], requestId = "") {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.faults = faults;
    this.requestId = requestId;
  }

  /** Whether the service was not reached: worth trying again by itself. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** What a refused request's answer says. */
export async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Partial<components["schemas"]["Problem"]>;
    return new Problem(
      response.status,
      body.code ?? "",
      body.detail ?? response.statusText,
      body.errors ?? [],
      body.request_id ?? "",
    );
  } catch {
    return new Problem(response.status, "", response.statusText || `the answer was ${response.status}`);
  }
}

/** Anything thrown, as a problem that a page can show. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError) return new Problem(0, "", "The service cannot be reached.");
  return new Problem(0, "", error instanceof Error ? error.message : String(error));
}
