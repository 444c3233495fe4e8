-- A conversation's row changes several times a turn. With room left on its page the new version stays there, and no
-- index learns of it. Existing pages keep what they have; nothing is rewritten.
ALTER TABLE gc_channel.conversations SET (fillfactor = 80);
