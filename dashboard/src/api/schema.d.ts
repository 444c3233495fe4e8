// Made from docs/openapi/dashboard.json by `npm run client`. Do not edit.

export interface paths {
    "/api/complaints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Complaints, newest first. */
        get: operations["list_complaints"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/complaints/{complaint_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One complaint. */
        get: operations["get_complaint"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/complaints/{complaint_id}/updates": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What has become of a complaint, oldest first. */
        get: operations["list_complaint_updates"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Conversations, the latest first. */
        get: operations["list_conversations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{conversation_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was said in a conversation, newest first. */
        get: operations["list_messages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/live-chat/socket": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follow live chat: becomes a WebSocket. The browser begins with `{"since": cursor or null}` and gets `changes`
         *     (`version`, `conversations`, `messages` with their `conversation_id`), `ready` and `heartbeat` (`cursor`), or
         *     `reload` after more than a day. Of each id the highest version is the newest.
         */
        get: operations["follow_live_chat"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Open complaints, today's, and conversations that need a person. */
        get: operations["get_overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in. */
        get: operations["current_session"];
        put?: never;
        /** Sign in: sets the session's cookie. */
        post: operations["sign_in"];
        /** Sign out: ends the session and forgets its cookie. */
        delete: operations["sign_out"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Choose a new password: ends all other sessions. */
        put: operations["change_password"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One's own sessions. */
        get: operations["list_sessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{session_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** End one of one's own sessions. */
        delete: operations["revoke_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/internal/office": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The office's profile, hours, holidays and emergency numbers. */
        get: operations["get_office"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An officer. */
        AdminView: {
            /** Format: uuid */
            admin_id: string;
            display_name: string;
            role: components["schemas"]["Role"];
            unit?: string | null;
            username: string;
        };
        /** @description What a citizen complained about. */
        Complaint: {
            alamat: string | null;
            /** @description `LAP-YYYYMMDD-NNN`. */
            complaint_id: string;
            /** Format: date-time */
            created_at: string;
            deskripsi: string;
            kategori: string;
            /**
             * Format: uuid
             * @description Where it was reported, if on WhatsApp.
             */
            origin_conversation_id: string | null;
            /**
             * Format: uuid
             * @description `null`: entered for somebody unknown, or erased.
             */
            person_id: string | null;
            rt_rw: string | null;
            status: string;
            /** Format: date-time */
            updated_at: string;
            urgency: string | null;
            /** Format: int64 */
            version: number;
            /** @description The reporter's number, or their WhatsApp id where that is hidden. */
            wa_user_id: string | null;
        };
        /** @description Complaints by what has become of them. */
        ComplaintFigures: {
            by_kategori: {
                [key: string]: number;
            };
            by_status: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Neither finished nor refused, withdrawn or passed on.
             */
            open: number;
            /**
             * Format: int64
             * @description Received today, in the office's time zone.
             */
            today: number;
        };
        /** @description A page of complaints, newest first. */
        ComplaintPage: {
            items: components["schemas"]["Complaint"][];
            /** @description `null`: there are no more. */
            next_cursor: string | null;
        };
        /** @description One change of a complaint. */
        ComplaintUpdate: {
            /** @description `citizen`, `officer` or `service`. */
            actor_kind: string;
            /** Format: date-time */
            created_at: string;
            from_status: string | null;
            note: string | null;
            to_status: string;
            /** Format: uuid */
            update_id: string;
            /** @description `public` notes were told to the citizen, `internal` ones were not. */
            visibility: string;
        };
        /** @description The history of a complaint. */
        ComplaintUpdateList: {
            items: components["schemas"]["ComplaintUpdate"][];
        };
        /** @description A citizen talking with the office. */
        Conversation: {
            /** Format: uuid */
            conversation_id: string;
            /** @description The name the citizen gave themselves on WhatsApp. */
            display_name: string | null;
            draft: components["schemas"]["UnsentDraft"] | null;
            /** @description Who answers, while `mode` is `human`. */
            holder: string | null;
            /** Format: date-time */
            last_message_at: string | null;
            last_text: string | null;
            /** @description `bot`, or `human` while an officer answers. */
            mode: string;
            /** @description Why the bot gave up, when it did; a person has to look. */
            parked: string | null;
            /** Format: uuid */
            person_id: string;
            /**
             * Format: int64
             * @description Messages that nobody has dealt with yet.
             */
            unprocessed: number;
            wa_user_id: string | null;
            /**
             * Format: date-time
             * @description Since when a person is wanted.
             */
            waiting_since: string | null;
        };
        /** @description Conversations by who has to act. */
        ConversationFigures: {
            /** @description Held by an officer. */
            held: number;
            /** @description How many of the latest conversations were looked at. */
            looked_at: number;
            /** @description There are older ones that were not. */
            more: boolean;
            /** @description The bot gave up. */
            parked: number;
            /** @description Wait for an officer: a person is wanted and nobody holds them. */
            waiting: number;
        };
        /** @description A page of conversations, the one with the latest message first. */
        ConversationPage: {
            items: components["schemas"]["Conversation"][];
            /** @description `null`: there are no more. */
            next_cursor: string | null;
        };
        /**
         * @description Seen from the office.
         * @enum {string}
         */
        Direction: "in" | "out";
        /** @description One field that was wrong. */
        FieldError: {
            /** @description Path of the field in the request, such as `content.text`. */
            field: string;
            /** @description What is wrong with it. */
            message: string;
        };
        /** @description A day off. */
        Holiday: {
            /** Format: date */
            date: string;
            name: string;
        };
        /** @description A session on some device. */
        ListedSession: {
            address?: string | null;
            /** Format: date-time */
            created_at: string;
            /** @description The session that asks. */
            current: boolean;
            /** @description Browser and system, as far as they can be told. */
            device: string;
            /** Format: date-time */
            last_used_at: string;
            /** Format: uuid */
            session_id: string;
        };
        /** @description One message of a conversation. */
        Message: {
            direction: components["schemas"]["Direction"];
            /** @description `text`, `image`, `location` … */
            kind: string;
            /** Format: uuid */
            message_id: string;
            /** @description Who wrote an outbound message: `bot`, `officer` or `notification`. */
            origin: string | null;
            /** @description How far an outbound message got: `queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `cancelled` … */
            status: string | null;
            text: string | null;
            /** Format: date-time */
            timestamp: string;
            wamid: string | null;
        };
        /** @description A page of a transcript, newest first. */
        MessagePage: {
            items: components["schemas"]["Message"][];
            /** @description `null`: there are no more. */
            next_cursor: string | null;
        };
        /** @description The profile with its version. */
        Office: {
            profile: components["schemas"]["OfficeProfile"];
            /** Format: date-time */
            updated_at: string;
            /**
             * Format: int64
             * @description Rises with every change.
             */
            version: number;
        };
        /** @description What citizens are told of the office. */
        OfficeProfile: {
            address: string | null;
            /** @description Told first in an emergency, as "label: number". */
            emergency_numbers?: string[];
            /** @description Days on which they are not, whatever the weekday. */
            holidays?: components["schemas"]["Holiday"][];
            /** @description When the counters are open; empty: not known. */
            hours?: components["schemas"]["OpeningHours"][];
            /** @description As the bot names it: "Kantor Kelurahan Sukamaju". */
            name: string;
            /** @description An IANA zone. */
            time_zone: string;
        };
        /** @description The office, as the pages' head shows it. */
        OfficeView: {
            name: string;
            /** @description An IANA zone. */
            time_zone: string;
        };
        /** @description One stretch of one weekday. */
        OpeningHours: {
            /** @description "08:00", in the office's zone. */
            from: string;
            /** @description "15:30". */
            to: string;
            /**
             * Format: int32
             * @description 1 Monday … 7 Sunday.
             */
            weekday: number;
        };
        /** @description The figures of the day. */
        Overview: {
            /** Format: date-time */
            as_of: string;
            complaints: components["schemas"]["ComplaintFigures"];
            conversations: components["schemas"]["ConversationFigures"];
        };
        /** @description The present password and the one to have from now on. */
        PasswordChange: {
            /** Format: password */
            current_password: string;
            /** Format: password */
            new_password: string;
        };
        /**
         * @description One thing that can be allowed.
         * @enum {string}
         */
        Permission: "overview_read" | "complaints_read" | "conversations_read";
        /** @description Problem details (RFC 9457). */
        Problem: Record<string, never> & {
            /** @description What happened and what to do, for a person. */
            detail?: string | null;
            /** @description The fields that were wrong. */
            errors?: components["schemas"]["FieldError"][];
            /** @description `urn:request:…`, the id to give when asking for help. */
            instance?: string | null;
            /**
             * Format: int32
             * @description The HTTP status again.
             */
            status: number;
            /** @description The status in words. */
            title: string;
            /** @description `about:blank`, or a URN that names the kind of problem. */
            type: string;
        };
        /**
         * @description What an officer may do, in one word; `http::dashboard::access` says what it means.
         * @enum {string}
         */
        Role: "superadmin" | "admin" | "petugas" | "viewer";
        /** @description One's sessions that are in force. */
        SessionList: {
            items: components["schemas"]["ListedSession"][];
        };
        /** @description Who is signed in, and what they may do. */
        SessionView: {
            admin: components["schemas"]["AdminView"];
            /**
             * Format: date-time
             * @description When the session ends unless it is used.
             */
            expires_at: string;
            /** @description Until a password of one's own is chosen, nothing else is allowed. */
            must_change_password: boolean;
            office: components["schemas"]["OfficeView"] | null;
            permissions: components["schemas"]["Permission"][];
        };
        /** @description A name and a password. */
        SignIn: {
            /** Format: password */
            password: string;
            username: string;
        };
        /** @description A complaint as far as it was told. */
        UnsentDraft: {
            alamat: string | null;
            deskripsi: string | null;
            /** @description Code of a category. */
            kategori: string | null;
            /**
             * Format: date-time
             * @description When the citizen last went on with it.
             */
            updated_at: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_complaints: {
        parameters: {
            query?: {
                /** @description Only with this status. */
                status?: string;
                /** @description Only of this category. */
                kategori?: string;
                /** @description Words to look for, or a complaint's number. */
                q?: string;
                /** @description Where the page before ended (`next_cursor`). */
                cursor?: string;
                /** @description Complaints a page, 1 to 100. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ComplaintPage"];
                };
            };
            /** @description the case service is away */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_complaint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `LAP-YYYYMMDD-NNN` */
                complaint_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Complaint"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_complaint_updates: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `LAP-YYYYMMDD-NNN` */
                complaint_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ComplaintUpdateList"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_conversations: {
        parameters: {
            query?: {
                /** @description Where the page before ended (`next_cursor`). */
                cursor?: string;
                /** @description Items a page, 1 to 200. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationPage"];
                };
            };
            /** @description the channel service is away */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_messages: {
        parameters: {
            query?: {
                /** @description Where the page before ended (`next_cursor`). */
                cursor?: string;
                /** @description Items a page, 1 to 200. */
                limit?: number;
            };
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessagePage"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    follow_live_chat: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a WebSocket of text frames, each a JSON object with a `type` */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description this is no WebSocket handshake */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description the request is from a foreign page, or the role does not allow it */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description too many follow on this node */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_overview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Overview"];
                };
            };
            /** @description a service is away; `service` names it */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    current_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sign_in: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignIn"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description the name or the password is wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description too many wrong attempts; `retry_after_s` says how long to wait */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sign_out: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionView"];
                };
            };
            /** @description the present password is wrong, or the new one is too weak */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionList"];
                };
            };
        };
    };
    revoke_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                session_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    get_office: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Office"];
                };
            };
            /** @description the office is not set up yet */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
