-- All services' outboxes: published events are deleted after a while, found by when they were published.
CREATE INDEX event_outbox_published ON gc_channel.event_outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX event_outbox_published ON gc_ai.event_outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX event_outbox_published ON gc_case.event_outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX event_outbox_published ON gc_notification.event_outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX event_outbox_published ON gc_dashboard.event_outbox (published_at) WHERE published_at IS NOT NULL;

-- The AI service counts what events tell. Counts and ids only: nothing of what was said, nothing of whom.

-- Events that were taken, so that one that comes again changes nothing.
CREATE TABLE gc_ai.seen_events (
    message_id uuid PRIMARY KEY,
    seen_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX seen_events_by_time ON gc_ai.seen_events (seen_at);

-- How far a message of ours has come, each step once: several events may tell of the same.
CREATE TABLE gc_ai.seen_statuses (
    message_id uuid NOT NULL,
    status     text NOT NULL CHECK (status IN ('sent', 'delivered', 'read', 'failed')),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, status)
);
CREATE INDEX seen_statuses_by_time ON gc_ai.seen_statuses (seen_at);

-- What happened on a day of the office's calendar.
CREATE TABLE gc_ai.daily_counts (
    day    date NOT NULL,
    what   text NOT NULL CHECK (what IN ('reply', 'error', 'hand_over', 'takeover_started', 'takeover_ended',
                                         'sent', 'delivered', 'read', 'failed')),
    -- Of replies: what the citizen wanted; else empty.
    intent text NOT NULL DEFAULT '',
    count  bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (day, what, intent)
);
