-- Who is who: changes of names, suggestions, merges, and what is put aside.

-- Put-aside updates: what kind, and which piece of a body it is, so that it can be read again.
ALTER TABLE gc_channel.parked_updates
    ADD COLUMN kind       text NOT NULL DEFAULT 'poison' CHECK (kind IN ('poison', 'not_handled')),
    ADD COLUMN piece      text NOT NULL DEFAULT 'change',
    -- The contacts beside it, which name its sender.
    ADD COLUMN contacts   jsonb,
    ADD COLUMN resolution text;
UPDATE gc_channel.parked_updates SET kind = 'not_handled' WHERE reason LIKE 'field %';
UPDATE gc_channel.parked_updates SET piece = 'message' WHERE reason LIKE 'a message %' OR reason LIKE 'the database %';
UPDATE gc_channel.parked_updates SET piece = 'status' WHERE reason LIKE 'a status %';
UPDATE gc_channel.parked_updates SET piece = 'entry' WHERE reason LIKE 'an entry %';

-- Inbound edits and revocations: the message they are about, which may arrive after them.
ALTER TABLE gc_channel.messages ADD COLUMN changes_wamid text;
CREATE INDEX messages_changes ON gc_channel.messages (changes_wamid) WHERE changes_wamid IS NOT NULL;

-- Meta's time of the message or event that gave a name to a person; a name passes on only to something newer.
ALTER TABLE gc_channel.identities ADD COLUMN assigned_at timestamptz NOT NULL DEFAULT 'epoch';

-- What happened to who somebody is: from Meta or by an officer. Never message text, phone numbers or names of people.
CREATE TABLE gc_channel.person_log (
    log_id          uuid PRIMARY KEY,
    person_id       uuid NOT NULL,
    other_person_id uuid,
    kind            text NOT NULL CHECK (kind IN ('renamed', 'replaced', 'number_moved', 'link_requested', 'merged')),
    -- `meta`, or the officer.
    actor           text NOT NULL,
    reason          text,
    -- The system message it came by; each is applied once.
    wamid           text UNIQUE,
    at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX person_log_by_person ON gc_channel.person_log (person_id, log_id);
CREATE INDEX person_log_by_other ON gc_channel.person_log (other_person_id, log_id) WHERE other_person_id IS NOT NULL;

-- Append-only. The one exception is the erasure of a person, which says so for the length of its transaction.
CREATE FUNCTION gc_channel.refuse_rewriting_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('gc_channel.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'gc_channel.person_log is append-only' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER person_log_is_append_only BEFORE UPDATE OR DELETE ON gc_channel.person_log
    FOR EACH ROW EXECUTE FUNCTION gc_channel.refuse_rewriting_history();

-- Two people who may be one: an officer decides, because numbers are resold. The smaller id comes first.
CREATE TABLE gc_channel.link_suggestions (
    suggestion_id   uuid PRIMARY KEY,
    person_id       uuid NOT NULL,
    other_person_id uuid NOT NULL,
    reason          text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz,
    CHECK (person_id < other_person_id)
);
CREATE UNIQUE INDEX link_suggestions_open ON gc_channel.link_suggestions (person_id, other_person_id)
    WHERE resolved_at IS NULL;
CREATE INDEX link_suggestions_by_other ON gc_channel.link_suggestions (other_person_id) WHERE resolved_at IS NULL;

-- Until now such a pair was a command that nobody carried out.
INSERT INTO gc_channel.link_suggestions (suggestion_id, person_id, other_person_id, reason)
    SELECT first.command_id, least(first.one, first.other), greatest(first.one, first.other),
           'the same phone number with another id'
    FROM (SELECT command_id, (payload ->> 'filed_under')::uuid AS one, (payload ->> 'also_named')::uuid AS other
          FROM gc_channel.commands WHERE kind = 'merge' AND done_at IS NULL AND payload ? 'filed_under') AS first
    WHERE first.one <> first.other
    ON CONFLICT DO NOTHING;
UPDATE gc_channel.commands SET done_at = now() WHERE kind = 'merge' AND done_at IS NULL AND payload ? 'filed_under';

ALTER TABLE gc_channel.commands ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX commands_one_merge ON gc_channel.commands ((payload -> 'people'))
    WHERE kind = 'merge' AND done_at IS NULL;

CREATE INDEX conversations_merged ON gc_channel.conversations (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX user_profiles_merged ON gc_channel.user_profiles (merged_into) WHERE merged_into IS NOT NULL;

-- People who turned out to be one: what is still filed under the first belongs to the second.
CREATE TABLE gc_case.merged_people (
    person_id  uuid PRIMARY KEY,
    into_id    uuid NOT NULL,
    merged_at  timestamptz NOT NULL,
    CHECK (person_id <> into_id)
);
CREATE INDEX merged_people_into ON gc_case.merged_people (into_id);
