-- What the schemas share: vectors for retrieval, trigrams for similar text.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
