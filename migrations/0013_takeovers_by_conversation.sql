-- Whether a person has taken a conversation over since a message was queued: the bot's of before is not sent again,
-- also when the takeover is over.
CREATE INDEX takeover_sessions_by_conversation ON gc_channel.takeover_sessions (conversation_id, started_at);
CREATE FUNCTION gc_channel.taken_over_since(conversation uuid, queued_at timestamptz) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN EXISTS (SELECT FROM gc_channel.takeover_sessions s
                   WHERE s.conversation_id = conversation AND s.started_at >= queued_at);
