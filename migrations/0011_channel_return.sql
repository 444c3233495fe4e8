-- The channel service: when a person gave a conversation back to the bot, and when an officer was last active in it.
ALTER TABLE gc_channel.conversations ADD COLUMN returned_at timestamptz;
ALTER TABLE gc_channel.takeover_sessions ADD COLUMN active_at timestamptz NOT NULL DEFAULT now();
-- The few that are held, for giving back those whose officer has been away.
CREATE INDEX takeover_sessions_idle ON gc_channel.takeover_sessions (active_at) WHERE ended_at IS NULL;
