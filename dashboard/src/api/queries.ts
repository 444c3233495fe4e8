// What is kept of the API's answers, and how often it is asked again. Lists refresh themselves while they are looked at.

import { infiniteQueryOptions, QueryCache, QueryClient, queryOptions } from "@tanstack/react-query";
import { api, type ComplaintFilter } from "./client";
import { ApiError, isWorthRetrying } from "./problem";

const SECOND = 1000;

export function makeQueryClient(onSessionEnd: () => void, onPasswordChangeRequired: () => void): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({
      onError: (error, query) => {
        if (!(error instanceof ApiError) || query.queryKey[0] === "session") return;
        if (error.status === 401) onSessionEnd();
        if (error.kind === "password-change-required") onPasswordChangeRequired();
      },
    }),
    defaultOptions: {
      queries: {
        retry: (failures, error) => failures < 2 && isWorthRetrying(error),
        staleTime: 2 * SECOND,
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => api.session(signal),
  retry: (failures, error) => failures < 1 && isWorthRetrying(error),
  staleTime: 5 * 60 * SECOND,
});

export const sessionsQuery = queryOptions({
  queryKey: ["sessions"],
  queryFn: ({ signal }) => api.sessions(signal),
});

export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: ({ signal }) => api.overview(signal),
  refetchInterval: 10 * SECOND,
});

export const latestComplaintsQuery = queryOptions({
  queryKey: ["complaints", "latest"],
  queryFn: ({ signal }) => api.complaints({}, null, 6, signal),
  refetchInterval: 5 * SECOND,
});

export const complaintsQuery = (filter: ComplaintFilter) =>
  infiniteQueryOptions({
    queryKey: ["complaints", "list", filter],
    queryFn: ({ pageParam, signal }) => api.complaints(filter, pageParam, 30, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: 4 * SECOND,
  });

export const complaintQuery = (complaintId: string) =>
  queryOptions({
    queryKey: ["complaints", "one", complaintId],
    queryFn: ({ signal }) => api.complaint(complaintId, signal),
    refetchInterval: 10 * SECOND,
  });

export const complaintUpdatesQuery = (complaintId: string) =>
  queryOptions({
    queryKey: ["complaints", "updates", complaintId],
    queryFn: ({ signal }) => api.complaintUpdates(complaintId, signal),
    refetchInterval: 10 * SECOND,
  });

export const conversationsQuery = infiniteQueryOptions({
  queryKey: ["conversations"],
  queryFn: ({ pageParam, signal }) => api.conversations(pageParam, signal),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor,
  refetchInterval: 4 * SECOND,
});

export const messagesQuery = (conversationId: string) =>
  infiniteQueryOptions({
    queryKey: ["messages", conversationId],
    queryFn: ({ pageParam, signal }) => api.messages(conversationId, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: 3 * SECOND,
  });
