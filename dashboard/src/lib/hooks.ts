import { useSuspenseQuery } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import type { Session } from "../api/client";
import { sessionQuery } from "../api/queries";
import type { Zoned } from "./format";

/** Who is signed in; only below the routes that made sure of it. */
export function useSession(): Session {
  return useSuspenseQuery(sessionQuery).data;
}

/** The reader's language and the office's time zone. */
export function useZoned(): Zoned {
  const { i18n } = useTranslation();
  const session = useSession();
  return { locale: i18n.language, timeZone: session.office?.time_zone ?? "Asia/Jakarta" };
}

/** The present moment, moving on once a minute: enough for "today". */
export function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 60_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function useOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      addEventListener("online", changed);
      addEventListener("offline", changed);
      return () => {
        removeEventListener("online", changed);
        removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
}

/** The value once it has stood still for a while. */
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
