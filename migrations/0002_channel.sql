-- The channel service: who writes, what was said, what is owed. PostgreSQL is the truth; actors are a cache.
-- Runs on PostgreSQL 17 and later. Ids are made by the program (UUID v7).
CREATE SCHEMA gc_channel;

-- Arrival order of messages. Drawn in arrival order, before any sorting of rows (DESIGN §3.2).
CREATE SEQUENCE gc_channel.message_seq;

-- A citizen. Never keyed by phone number alone: numbers are resold and people come without one.
CREATE TABLE gc_channel.user_profiles (
    person_id     uuid PRIMARY KEY,
    phone         text,
    bsuid         text,
    parent_bsuid  text,
    display_name  text,
    username      text,
    merged_into   uuid REFERENCES gc_channel.user_profiles (person_id),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

-- What Meta calls somebody → the person. No foreign key: a person is made after the identity is won.
CREATE TABLE gc_channel.identities (
    kind       text NOT NULL CHECK (kind IN ('phone', 'bsuid')),
    value      text NOT NULL,
    person_id  uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, value)
);
CREATE INDEX identities_by_person ON gc_channel.identities (person_id);

CREATE TABLE gc_channel.conversations (
    conversation_id   uuid PRIMARY KEY,
    phone_number_id   text NOT NULL,
    person_id         uuid NOT NULL,
    partition         smallint NOT NULL CHECK (partition BETWEEN 0 AND 63),
    -- Every change of the conversation adds one; a commit names the version it read.
    version           bigint NOT NULL DEFAULT 0,
    -- Raised when an owner loads the conversation; an older owner can no longer commit or claim (I4).
    owner_epoch       bigint NOT NULL DEFAULT 0,
    mode              text NOT NULL DEFAULT 'bot' CHECK (mode IN ('bot', 'human')),
    holder            text,
    -- A citizen asked for a person and nobody has come yet.
    waiting_since     timestamptz,
    waiting_reason    text,
    state             jsonb NOT NULL DEFAULT '{}',
    -- A failed turn is tried again from then on; reset by a committed one.
    failed_turns      integer NOT NULL DEFAULT 0,
    retry_at          timestamptz,
    -- Parked: nothing is tried until a person says so. The reason is for operators.
    parked_at         timestamptz,
    parked_reason     text,
    window_expires_at timestamptz,
    last_message_at   timestamptz,
    merged_into       uuid REFERENCES gc_channel.conversations (conversation_id),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (phone_number_id, person_id),
    CHECK ((mode = 'human') = (holder IS NOT NULL))
);
CREATE INDEX conversations_by_activity ON gc_channel.conversations (last_message_at DESC, conversation_id DESC);
CREATE INDEX conversations_by_person ON gc_channel.conversations (person_id);
CREATE INDEX conversations_parked ON gc_channel.conversations (parked_at) WHERE parked_at IS NOT NULL;

-- Both directions. Inbound with processed_at NULL is the inbox; outbound not yet sent is the outbox.
CREATE TABLE gc_channel.messages (
    message_id      uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES gc_channel.conversations (conversation_id),
    partition       smallint NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('in', 'out')),
    seq             bigint NOT NULL DEFAULT nextval('gc_channel.message_seq'),
    wamid           text,
    kind            text NOT NULL,
    -- Text or caption as it is shown; NUL replaced by U+FFFD.
    text            text,
    -- Inbound: what Meta sent, as JSON with NUL replaced. Outbound: the content that the sender turns into a request.
    content         jsonb NOT NULL,
    -- Inbound: the element's bytes exactly as received.
    raw             bytea,
    -- Inbound: Meta's time. Outbound: when it was queued.
    sent_at         timestamptz NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    -- Inbound
    processed_at    timestamptz,
    turn_id         uuid,
    -- Outbound
    origin          text CHECK (origin IN ('bot', 'officer', 'notification')),
    status          text CHECK (status IN
                        ('queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'cancelled', 'unknown')),
    author          text,
    attempts        integer NOT NULL DEFAULT 0,
    claim_epoch     bigint,
    claimed_at      timestamptz,
    next_attempt_at timestamptz,
    error           jsonb,
    status_at       timestamptz,
    CHECK ((direction = 'out') = (status IS NOT NULL AND origin IS NOT NULL)),
    CHECK (direction = 'in' OR processed_at IS NULL)
);
CREATE UNIQUE INDEX messages_wamid ON gc_channel.messages (wamid) WHERE wamid IS NOT NULL;
CREATE INDEX messages_history ON gc_channel.messages (conversation_id, seq DESC);
CREATE INDEX messages_inbox ON gc_channel.messages (partition, conversation_id, sent_at, seq)
    WHERE direction = 'in' AND processed_at IS NULL;
CREATE INDEX messages_outbox ON gc_channel.messages (partition, conversation_id, seq)
    WHERE direction = 'out' AND status IN ('queued', 'sending', 'unknown');

-- Statuses that came before the send was recorded: kept until the wamid is known.
CREATE TABLE gc_channel.early_statuses (
    wamid       text NOT NULL,
    status      text NOT NULL,
    at          timestamptz NOT NULL,
    errors      jsonb,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wamid, status)
);

-- Updates that could not be filed, with their bytes, for the operator.
CREATE TABLE gc_channel.parked_updates (
    parked_id       uuid PRIMARY KEY,
    phone_number_id text,
    reason          text NOT NULL,
    raw             bytea NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz
);
CREATE INDEX parked_updates_open ON gc_channel.parked_updates (received_at) WHERE resolved_at IS NULL;

CREATE TABLE gc_channel.takeover_sessions (
    session_id      uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES gc_channel.conversations (conversation_id),
    admin_id        text NOT NULL,
    reason          text,
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    end_reason      text
);
CREATE UNIQUE INDEX takeover_sessions_open ON gc_channel.takeover_sessions (conversation_id) WHERE ended_at IS NULL;

-- Timers and merges: things a conversation owes itself at some time.
CREATE TABLE gc_channel.commands (
    command_id      uuid PRIMARY KEY,
    conversation_id uuid REFERENCES gc_channel.conversations (conversation_id),
    partition       smallint,
    kind            text NOT NULL,
    payload         jsonb NOT NULL DEFAULT '{}',
    due_at          timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    done_at         timestamptz
);
CREATE INDEX commands_due ON gc_channel.commands (partition, due_at) WHERE done_at IS NULL;

-- Effects in other services: frozen body and key, made after the turn's commit, repeated until answered.
CREATE TABLE gc_channel.calls (
    call_id         uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES gc_channel.conversations (conversation_id),
    partition       smallint NOT NULL,
    seq             bigint GENERATED ALWAYS AS IDENTITY,
    kind            text NOT NULL,
    key             uuid NOT NULL UNIQUE,
    body            jsonb NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    answered_at     timestamptz,
    answer          jsonb
);
CREATE INDEX calls_open ON gc_channel.calls (partition, conversation_id, seq) WHERE answered_at IS NULL;

-- Events leave from here, in the same transaction as the change that they tell of.
CREATE TABLE gc_channel.event_outbox (
    event_id     uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    routing_key  text NOT NULL,
    body         jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX event_outbox_unpublished ON gc_channel.event_outbox (seq) WHERE published_at IS NULL;

-- Who owns which partition. The epoch only grows; database time decides.
CREATE TABLE gc_channel.partition_leases (
    partition  smallint PRIMARY KEY CHECK (partition BETWEEN 0 AND 63),
    owner      uuid,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT 'epoch'
);
INSERT INTO gc_channel.partition_leases (partition) SELECT generate_series(0, 63);

-- How far a message of ours has come; a status never moves it back (facts: "Status").
CREATE FUNCTION gc_channel.status_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE status
        WHEN 'queued' THEN 0 WHEN 'sending' THEN 1 WHEN 'unknown' THEN 1
        WHEN 'sent' THEN 2 WHEN 'delivered' THEN 3 WHEN 'played' THEN 4 WHEN 'read' THEN 4
        ELSE 9 END;
