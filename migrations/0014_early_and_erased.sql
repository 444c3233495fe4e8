-- A status that came before its send was recorded keeps all that it told, and nobody has a conversation without a profile.

ALTER TABLE gc_channel.early_statuses
    -- Of a failure: what is owed for it, as `messages.aftermath`.
    ADD COLUMN owed text,
    -- As `messages.pricing` and `messages.wa_conversation`.
    ADD COLUMN pricing jsonb,
    ADD COLUMN wa_conversation jsonb;

-- Made while their person was being erased.
INSERT INTO gc_channel.user_profiles (person_id)
    SELECT DISTINCT person_id FROM gc_channel.conversations
    ON CONFLICT DO NOTHING;
-- Whoever makes a conversation waits for an erasure of its person, and is told that there is no such person any more.
ALTER TABLE gc_channel.conversations
    ADD CONSTRAINT conversations_of_somebody FOREIGN KEY (person_id)
    REFERENCES gc_channel.user_profiles (person_id) NOT VALID;
ALTER TABLE gc_channel.conversations VALIDATE CONSTRAINT conversations_of_somebody;
