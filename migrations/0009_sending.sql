-- Sending in full: quotes, what follows a failure, what a message cost, uploaded media, and people who cannot be reached.

ALTER TABLE gc_channel.messages
    -- Outbound: the `wamid` of the message that this one quotes.
    ADD COLUMN reply_to text,
    -- Outbound: the message in whose place this template went, because the 24 h window had closed.
    ADD COLUMN replaces uuid,
    -- Outbound: ids of attempts that Meta took and reported as failed later; statuses of them mean nothing any more.
    ADD COLUMN past_wamids text[],
    -- Outbound, failed: what the owner of the conversation still has to do about it.
    ADD COLUMN aftermath text CHECK (aftermath IN ('retry', 'window', 'unreachable', 'other_address')),
    -- Outbound: what Meta said the message costs: billable, category, type, pricing_model.
    ADD COLUMN pricing jsonb,
    -- Outbound: Meta's conversation that it was counted in.
    ADD COLUMN wa_conversation jsonb;
CREATE INDEX messages_aftermath ON gc_channel.messages (partition, conversation_id) WHERE aftermath IS NOT NULL;
CREATE INDEX messages_dead_letters ON gc_channel.messages (seq DESC) WHERE direction = 'out' AND status = 'failed';
CREATE INDEX messages_replacing ON gc_channel.messages (conversation_id) WHERE replaces IS NOT NULL;

-- Meta's last word about reaching a person: {code, title, at}. It holds until the person writes again.
ALTER TABLE gc_channel.user_profiles ADD COLUMN unreachable jsonb;

-- Media of ours at Meta: an id belongs to one number and lives 30 days.
CREATE TABLE gc_channel.media_uploads (
    media_id        uuid NOT NULL,
    phone_number_id text NOT NULL,
    meta_id         text NOT NULL,
    uploaded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (media_id, phone_number_id)
);
