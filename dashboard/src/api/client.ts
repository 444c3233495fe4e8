// The typed client of the dashboard's API. Every failure leaves here as an ApiError or a network error.

import createClient from "openapi-fetch";
import { ApiError, type ProblemBody } from "./problem";
import type { components, paths } from "./schema";

export type Session = components["schemas"]["SessionView"];
export type Complaint = components["schemas"]["Complaint"];
export type ComplaintUpdate = components["schemas"]["ComplaintUpdate"];
export type Conversation = components["schemas"]["Conversation"];
export type Message = components["schemas"]["Message"];

const client = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });

async function unwrap<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) {
    const body = typeof error === "object" && error !== null ? (error as ProblemBody) : {};
    throw new ApiError(response.status, body);
  }
  return data as T;
}

export interface ComplaintFilter {
  status?: string | undefined;
  kategori?: string | undefined;
  q?: string | undefined;
}

/** Without the keys that are not set: the API refuses empty values. */
function given<T extends object>(query: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}

export const api = {
  session: (signal?: AbortSignal) => unwrap(client.GET("/api/session", { signal: signal ?? null })),
  signIn: (body: { username: string; password: string }) => unwrap(client.POST("/api/session", { body })),
  signOut: () => unwrap(client.DELETE("/api/session")),
  changePassword: (body: { current_password: string; new_password: string }) =>
    unwrap(client.PUT("/api/session/password", { body })),
  sessions: (signal?: AbortSignal) => unwrap(client.GET("/api/sessions", { signal: signal ?? null })),
  revokeSession: (session_id: string) =>
    unwrap(client.DELETE("/api/sessions/{session_id}", { params: { path: { session_id } } })),
  overview: (signal?: AbortSignal) => unwrap(client.GET("/api/overview", { signal: signal ?? null })),
  complaints: (filter: ComplaintFilter, cursor: string | null, limit: number, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/complaints", {
        params: { query: given({ ...filter, cursor, limit }) },
        signal: signal ?? null,
      }),
    ),
  complaint: (complaint_id: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/complaints/{complaint_id}", {
        params: { path: { complaint_id } },
        signal: signal ?? null,
      }),
    ),
  complaintUpdates: (complaint_id: string, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/complaints/{complaint_id}/updates", {
        params: { path: { complaint_id } },
        signal: signal ?? null,
      }),
    ),
  conversations: (cursor: string | null, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/conversations", {
        params: { query: given({ cursor, limit: 50 }) },
        signal: signal ?? null,
      }),
    ),
  messages: (conversation_id: string, cursor: string | null, signal?: AbortSignal) =>
    unwrap(
      client.GET("/api/conversations/{conversation_id}/messages", {
        params: { path: { conversation_id }, query: given({ cursor, limit: 50 }) },
        signal: signal ?? null,
      }),
    ),
};
