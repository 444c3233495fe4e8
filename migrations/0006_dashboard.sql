-- Officers, what they did, the office's knowledge and its settings. Belongs to the dashboard service alone.
CREATE SCHEMA gc_dashboard;

CREATE TABLE gc_dashboard.admin_users (
    admin_id uuid PRIMARY KEY,
    -- Always lower case, so that "Siti" and "siti" are one account.
    username text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9][a-z0-9._-]{1,62}$'),
    display_name text NOT NULL CHECK (display_name <> ''),
    role text NOT NULL CHECK (role IN ('superadmin', 'admin', 'petugas', 'viewer')),
    -- The part of the office that a petugas works for; NULL: no unit.
    unit text,
    -- A PHC string ($argon2id$…), which carries its own parameters.
    password_hash text NOT NULL,
    must_change_password boolean NOT NULL DEFAULT false,
    password_changed_at timestamptz,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE gc_dashboard.admin_sessions (
    session_id uuid PRIMARY KEY,
    admin_id uuid NOT NULL REFERENCES gc_dashboard.admin_users (admin_id),
    -- SHA-256 of the random part of the cookie's token: neither this table nor the signing key alone opens a session.
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    -- "Chrome · Windows": enough to recognise one's own device.
    device text NOT NULL,
    address text,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX admin_sessions_by_admin ON gc_dashboard.admin_sessions (admin_id) WHERE revoked_at IS NULL;

-- Failed sign-ins, counted per account and per account and address, never per address alone: a whole office sits
-- behind one. Names without an account are counted alike, so that the answer does not tell which names exist.
CREATE TABLE gc_dashboard.sign_in_attempts (
    username text NOT NULL,
    -- '' counts the account over all addresses.
    address text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    last_attempt_at timestamptz NOT NULL,
    blocked_until timestamptz,
    -- A correct sign-in from here exempts this pair from the account's own lock until then.
    trusted_until timestamptz,
    PRIMARY KEY (username, address)
);
CREATE INDEX sign_in_attempts_by_age ON gc_dashboard.sign_in_attempts (last_attempt_at);

-- Who did and read what. Rows are only ever added.
CREATE TABLE gc_dashboard.activity_logs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- No foreign key: the log outlives the account.
    admin_id uuid,
    username text NOT NULL,
    action text NOT NULL,
    subject_kind text,
    subject_id text,
    details jsonb NOT NULL DEFAULT '{}',
    request_id text,
    occurred_at timestamptz NOT NULL,
    -- The chain that makes a removed or altered row visible.
    prev_hash bytea,
    hash bytea
);
CREATE INDEX activity_logs_by_time ON gc_dashboard.activity_logs (occurred_at);
CREATE INDEX activity_logs_by_admin ON gc_dashboard.activity_logs (admin_id, seq);
CREATE INDEX activity_logs_by_subject ON gc_dashboard.activity_logs (subject_kind, subject_id, seq);

CREATE FUNCTION gc_dashboard.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER activity_logs_append_only BEFORE UPDATE OR DELETE ON gc_dashboard.activity_logs
    FOR EACH ROW EXECUTE FUNCTION gc_dashboard.refuse_change();
CREATE TRIGGER activity_logs_no_truncate BEFORE TRUNCATE ON gc_dashboard.activity_logs
    FOR EACH STATEMENT EXECUTE FUNCTION gc_dashboard.refuse_change();

-- Questions and answers that officers write themselves.
CREATE TABLE gc_dashboard.knowledge_base (
    entry_id uuid PRIMARY KEY,
    category text NOT NULL,
    title text NOT NULL CHECK (title <> ''),
    content text NOT NULL CHECK (content <> ''),
    -- Raised with every change; the AI service keeps the highest it was told.
    version bigint NOT NULL DEFAULT 1,
    published boolean NOT NULL DEFAULT true,
    created_by uuid REFERENCES gc_dashboard.admin_users (admin_id),
    updated_by uuid REFERENCES gc_dashboard.admin_users (admin_id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX knowledge_base_by_category ON gc_dashboard.knowledge_base (category, title);

-- Files that officers upload; the bytes are in the media store under storage_key.
CREATE TABLE gc_dashboard.knowledge_documents (
    document_id uuid PRIMARY KEY,
    file_name text NOT NULL CHECK (file_name <> ''),
    media_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    storage_key text NOT NULL,
    category text NOT NULL,
    status text NOT NULL CHECK (status IN ('uploaded', 'processing', 'ready', 'failed')),
    error text,
    version bigint NOT NULL DEFAULT 1,
    created_by uuid REFERENCES gc_dashboard.admin_users (admin_id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- A copy for display of the passages that the AI service made of a document.
CREATE TABLE gc_dashboard.document_chunks (
    document_id uuid NOT NULL REFERENCES gc_dashboard.knowledge_documents (document_id) ON DELETE CASCADE,
    version bigint NOT NULL,
    ordinal integer NOT NULL CHECK (ordinal >= 0),
    page integer,
    content text NOT NULL,
    PRIMARY KEY (document_id, version, ordinal)
);

-- The office itself, as one row: name, hours, holidays, emergency numbers.
CREATE TABLE gc_dashboard.office_settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    profile jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    updated_by uuid REFERENCES gc_dashboard.admin_users (admin_id),
    updated_at timestamptz NOT NULL
);

-- Events of this schema, written with the change they tell of, published afterwards.
CREATE TABLE gc_dashboard.event_outbox (
    event_id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    routing_key text NOT NULL,
    body jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    published_at timestamptz
);
CREATE INDEX event_outbox_unpublished ON gc_dashboard.event_outbox (seq) WHERE published_at IS NULL;
