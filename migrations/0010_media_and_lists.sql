-- Files of conversations: what citizens sent, fetched from Meta, and what officers uploaded to send. The bytes are in the
-- object store under a random key; which keys exist is known here before they are written.
-- And what the list of conversations needs: who has read how far, and indexes.

CREATE TABLE gc_channel.media (
    media_id           uuid PRIMARY KEY,
    -- The message it belongs to; an upload has none until it is sent. It goes when the message goes.
    message_id         uuid UNIQUE REFERENCES gc_channel.messages (message_id) ON DELETE CASCADE,
    source             text NOT NULL CHECK (source IN ('citizen', 'officer')),
    kind               text NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'document', 'sticker')),
    -- As Meta told it: its id, and what the file should be.
    graph_id           text,
    declared_mime_type text,
    declared_sha256    text,
    filename           text,
    state              text NOT NULL CHECK (state IN ('pending', 'stored', 'refused', 'failed')),
    -- Why it is refused or failed, or why the last attempt was in vain: a word for programs.
    reason             text,
    -- As it was found to be, after metadata was taken out.
    mime_type          text,
    size_bytes         bigint,
    sha256             text,
    object_key         text,
    -- Counts the claims; a result is taken only from the latest.
    attempts           integer NOT NULL DEFAULT 0,
    claimed_by         uuid,
    -- When it is tried next; while it is claimed, when the claim runs out.
    next_attempt_at    timestamptz NOT NULL DEFAULT now(),
    -- Meta keeps what it took in for 7 days.
    expires_at         timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    stored_at          timestamptz,
    CHECK ((source = 'citizen') = (graph_id IS NOT NULL)),
    CHECK ((state = 'stored') = (object_key IS NOT NULL))
);
CREATE INDEX media_due ON gc_channel.media (next_attempt_at) WHERE state = 'pending';
CREATE INDEX media_unsent ON gc_channel.media (created_at) WHERE message_id IS NULL;

-- Every key that was ever handed to the object store and is not yet known to be gone. A key that is being written, or
-- whose file is not wanted any more, has a time at which it is deleted: whoever dies leaves nothing behind.
CREATE TABLE gc_channel.media_objects (
    object_key   text PRIMARY KEY,
    media_id     uuid NOT NULL,
    delete_after timestamptz
);
CREATE INDEX media_objects_doomed ON gc_channel.media_objects (delete_after) WHERE delete_after IS NOT NULL;
CREATE INDEX media_objects_by_media ON gc_channel.media_objects (media_id);

-- No file outlives its row, whoever deletes it: erasing a person, a merge, an upload that was never sent.
CREATE FUNCTION gc_channel.doom_media_objects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gc_channel.media_objects SET delete_after = now() WHERE media_id = OLD.media_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER media_deleted AFTER DELETE ON gc_channel.media
    FOR EACH ROW EXECUTE FUNCTION gc_channel.doom_media_objects();

-- How far each officer has read a conversation; only forwards.
CREATE TABLE gc_channel.conversation_reads (
    conversation_id uuid NOT NULL REFERENCES gc_channel.conversations (conversation_id) ON DELETE CASCADE,
    admin_id        text NOT NULL,
    seq             bigint NOT NULL,
    read_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, admin_id)
);

-- Lists of few among many. (By number there is the unique index; by activity one of its own.)
CREATE INDEX conversations_held ON gc_channel.conversations (last_message_at DESC, conversation_id DESC)
    WHERE mode = 'human';
CREATE INDEX conversations_waiting ON gc_channel.conversations (last_message_at DESC, conversation_id DESC)
    WHERE waiting_since IS NOT NULL;
-- Any part of a name or number, of three characters or more.
CREATE INDEX user_profiles_search ON gc_channel.user_profiles USING gin (
    (lower(coalesce(display_name, '') || ' ' || coalesce(username, '') || ' ' || coalesce(phone, '') || ' '
           || coalesce(bsuid, ''))) gin_trgm_ops)
    -- New people are gathered before they are put into the index, but only so many that search never has to wade through them.
    WITH (gin_pending_list_limit = 256);
