-- What the bot's turns took, whether questions were answered, and what citizens asked that the documents do not answer:
-- `intent` is the model, the reason, the bound of a time in milliseconds, or the words of the gap. Never whole questions.
ALTER TABLE gc_ai.daily_counts DROP CONSTRAINT daily_counts_what_check;
ALTER TABLE gc_ai.daily_counts ADD CONSTRAINT daily_counts_what_check
    CHECK (what IN ('reply', 'error', 'hand_over', 'takeover_started', 'takeover_ended', 'sent', 'delivered', 'read', 'failed',
                    'answered', 'unanswered', 'gap', 'fallback', 'tokens', 'cost_millionths', 'took_ms'));
