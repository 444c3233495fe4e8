-- When the bot reminds of a draft that the citizen did not go on with. Every turn sets it anew.
ALTER TABLE gc_channel.conversations ADD COLUMN remind_at timestamptz;
CREATE INDEX conversations_to_remind ON gc_channel.conversations (partition, remind_at) WHERE remind_at IS NOT NULL;
