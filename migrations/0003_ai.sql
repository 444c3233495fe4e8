-- The AI service: the office's documents as passages that can be found and quoted.
-- Runs on PostgreSQL 17 and later. Ids are made by the program (UUID v7).
CREATE SCHEMA gc_ai;

-- A document or knowledge entry as its owner names it. A deleted one stays as a tombstone with its version, so that
-- a late, older delivery cannot bring it back.
CREATE TABLE gc_ai.sources (
    source_id    uuid PRIMARY KEY,
    version      integer NOT NULL CHECK (version >= 1),
    kind         text NOT NULL CHECK (kind IN ('text', 'markdown', 'faq')),
    title        text NOT NULL,
    kategori     text,
    status       text NOT NULL CHECK (status IN ('queued', 'processing', 'ready', 'failed', 'deleted')),
    error        text,
    passages     integer NOT NULL DEFAULT 0,
    characters   integer NOT NULL DEFAULT 0,
    -- SHA-256 over what decides the passages; the same content twice is seen.
    content_hash bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- One passage: what is searched, and quoted as it stands.
CREATE TABLE gc_ai.knowledge_vectors (
    passage_id     uuid PRIMARY KEY,
    source_id      uuid NOT NULL REFERENCES gc_ai.sources (source_id) ON DELETE CASCADE,
    source_version integer NOT NULL,
    kind           text NOT NULL,
    source_title   text NOT NULL,
    -- Headings above the passage, outermost first, joined by " › "; empty without any.
    heading        text NOT NULL DEFAULT '',
    ordinal        integer NOT NULL CHECK (ordinal >= 0),
    content        text NOT NULL,
    kategori       text,
    page           integer,
    -- Of any dimension; an index is made per model, over the rows of that model only.
    embedding      vector,
    model          text,
    tsv            tsvector NOT NULL GENERATED ALWAYS AS (
                       setweight(to_tsvector('indonesian'::regconfig, source_title), 'A')
                       || setweight(to_tsvector('indonesian'::regconfig, heading), 'B')
                       || setweight(to_tsvector('indonesian'::regconfig, content), 'D')
                   ) STORED,
    UNIQUE (source_id, source_version, ordinal),
    CHECK ((embedding IS NULL) = (model IS NULL))
);
CREATE INDEX knowledge_vectors_tsv ON gc_ai.knowledge_vectors USING gin (tsv);
CREATE INDEX knowledge_vectors_trigrams ON gc_ai.knowledge_vectors USING gin (content gin_trgm_ops);

-- Events leave from here, in the same transaction as the change that they tell of.
CREATE TABLE gc_ai.event_outbox (
    event_id     uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    routing_key  text NOT NULL,
    body         jsonb NOT NULL,
    occurred_at  timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX event_outbox_unpublished ON gc_ai.event_outbox (seq) WHERE published_at IS NULL;
