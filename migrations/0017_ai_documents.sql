-- Files as documents, the statistics of words that keep the search fast, and vectors of more than one model.

-- A file waits here until it is read; then nothing of it is kept but its passages.
CREATE TABLE gc_ai.uploads (
    source_id uuid PRIMARY KEY REFERENCES gc_ai.sources (source_id) ON DELETE CASCADE,
    bytes     bytea NOT NULL
);
-- Documents are compressed already.
ALTER TABLE gc_ai.uploads ALTER COLUMN bytes SET STORAGE EXTERNAL;

ALTER TABLE gc_ai.sources DROP CONSTRAINT sources_kind_check;
ALTER TABLE gc_ai.sources
    ADD CONSTRAINT sources_kind_check CHECK (kind IN ('text', 'markdown', 'faq', 'pdf', 'docx', 'xlsx', 'html')),
    ADD COLUMN file_name text,
    -- SHA-256 of the content or file alone, without title: the same under another source is seen.
    ADD COLUMN content_sha256 bytea,
    ADD COLUMN pages_done integer NOT NULL DEFAULT 0,
    ADD COLUMN pages_total integer,
    -- Of files that wait or are worked on: whose turn it is, until when, and how often it was tried.
    ADD COLUMN claimed_by uuid,
    ADD COLUMN due_at timestamptz,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0;
CREATE INDEX sources_due ON gc_ai.sources (due_at) WHERE status IN ('queued', 'processing');
CREATE INDEX sources_content ON gc_ai.sources (content_sha256) WHERE content_sha256 IS NOT NULL;
CREATE INDEX sources_newest ON gc_ai.sources (created_at DESC, source_id DESC) WHERE status <> 'deleted';

-- In how many passages a word's stem is; the row '' (no stem is empty) counts the passages themselves.
CREATE TABLE gc_ai.lexemes (
    lexeme   text PRIMARY KEY,
    passages integer NOT NULL
);
-- Words as they are written, so that a misspelt one finds what it is like.
CREATE TABLE gc_ai.words (
    word     text PRIMARY KEY,
    passages integer NOT NULL
);
CREATE INDEX words_trigrams ON gc_ai.words USING gin (word gin_trgm_ops);

-- Keeps both true. Writers take turns, or two that replace documents with the same words would deadlock.
CREATE FUNCTION gc_ai.count_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    direction integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('gc_ai.count_words', 0));
    INSERT INTO gc_ai.lexemes AS stored (lexeme, passages)
        SELECT lexeme, direction * count(*)
        FROM (SELECT lexeme FROM changed, unnest(tsv) UNION ALL SELECT '' FROM changed) AS every (lexeme)
        GROUP BY lexeme
    ON CONFLICT (lexeme) DO UPDATE SET passages = stored.passages + excluded.passages;
    INSERT INTO gc_ai.words AS stored (word, passages)
        SELECT lexeme, direction * count(*)
        FROM changed, unnest(to_tsvector('simple'::regconfig, source_title || ' ' || heading || ' ' || content))
        WHERE length(lexeme) BETWEEN 4 AND 40
        GROUP BY lexeme
    ON CONFLICT (word) DO UPDATE SET passages = stored.passages + excluded.passages;
    IF direction = -1 THEN
        DELETE FROM gc_ai.lexemes WHERE passages <= 0;
        DELETE FROM gc_ai.words WHERE passages <= 0;
    END IF;
    RETURN NULL;
END $$;
CREATE INDEX lexemes_gone ON gc_ai.lexemes (lexeme) WHERE passages <= 0;
CREATE INDEX words_gone ON gc_ai.words (word) WHERE passages <= 0;

-- A passage is never updated: documents are replaced as a whole.
CREATE TRIGGER knowledge_vectors_added AFTER INSERT ON gc_ai.knowledge_vectors
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION gc_ai.count_words();
CREATE TRIGGER knowledge_vectors_removed AFTER DELETE ON gc_ai.knowledge_vectors
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION gc_ai.count_words();

INSERT INTO gc_ai.lexemes (lexeme, passages)
    SELECT lexeme, count(*)
    FROM (SELECT lexeme FROM gc_ai.knowledge_vectors, unnest(tsv) UNION ALL SELECT '' FROM gc_ai.knowledge_vectors)
         AS every (lexeme)
    GROUP BY lexeme;
INSERT INTO gc_ai.words (word, passages)
    SELECT lexeme, count(*)
    FROM gc_ai.knowledge_vectors,
         unnest(to_tsvector('simple'::regconfig, source_title || ' ' || heading || ' ' || content))
    WHERE length(lexeme) BETWEEN 4 AND 40
    GROUP BY lexeme;

-- Questions look for words, not for letters anywhere in a passage, since there is gc_ai.words.
DROP INDEX gc_ai.knowledge_vectors_trigrams;

-- Models whose vectors are kept: one answers, another may be made ready to replace it.
CREATE TABLE gc_ai.embedding_models (
    model_id     integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    model        text NOT NULL,
    dimensions   integer NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    state        text NOT NULL CHECK (state IN ('building', 'active')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz,
    -- One node at a time makes its vectors.
    claimed_by   uuid,
    due_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model, dimensions)
);
CREATE UNIQUE INDEX embedding_models_active ON gc_ai.embedding_models (state) WHERE state = 'active';

-- A vector goes with its passage. Each model's index is partial and made by the program.
CREATE TABLE gc_ai.embeddings (
    passage_id uuid NOT NULL REFERENCES gc_ai.knowledge_vectors (passage_id) ON DELETE CASCADE,
    model_id   integer NOT NULL REFERENCES gc_ai.embedding_models (model_id),
    -- As the passage's, so that the index's filter needs no join.
    kategori   text,
    embedding  vector NOT NULL,
    PRIMARY KEY (passage_id, model_id)
);
-- These never held anything.
ALTER TABLE gc_ai.knowledge_vectors DROP COLUMN embedding, DROP COLUMN model;
