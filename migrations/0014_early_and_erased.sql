-- A status that came before its send was recorded keeps all that it told.

ALTER TABLE gc_channel.early_statuses
    -- Of a failure: what is owed for it, as `messages.aftermath`.
    ADD COLUMN owed text,
    -- As `messages.pricing` and `messages.wa_conversation`.
    ADD COLUMN pricing jsonb,
    ADD COLUMN wa_conversation jsonb;
