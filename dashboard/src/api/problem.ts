// What the API answers when it says no, as an error that pages can show.

export interface ProblemBody {
  type?: string;
  status?: number;
  detail?: string;
  errors?: { field: string; message: string }[];
  service?: string;
  retry_after_s?: number;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: ProblemBody,
  ) {
    super(body.detail ?? `HTTP ${status}`);
    this.name = "ApiError";
  }

  /** The last part of `urn:govconnect:problem:…`. */
  get kind(): string {
    return this.body.type?.split(":").pop() ?? "";
  }

  /** The first field that was wrong. */
  get field(): string | undefined {
    return this.body.errors?.[0]?.field;
  }
}

export function isProblem(error: unknown, kind: string): error is ApiError {
  return error instanceof ApiError && error.kind === kind;
}

/** The words for an error: a key of the translations under `error`. */
export function explanationKey(
  error: unknown,
): "case" | "channel" | "database" | "notAllowed" | "network" | "unexpected" {
  if (!(error instanceof ApiError)) return "network";
  if (error.status === 403) return "notAllowed";
  const service = error.body.service;
  if (service === "case" || service === "channel" || service === "database") return service;
  return error.status === 502 || error.status === 504 ? "network" : "unexpected";
}

/** Asking again helps when somebody was away, not when the answer was no. */
export function isWorthRetrying(error: unknown): boolean {
  return !(error instanceof ApiError) || error.status >= 500;
}
