//! A witness in the database: notes down at once what must never happen to a row, whoever did it and however short it
//! lasted.

use sqlx::{AssertSqlSafe, PgPool};

/// I4: epochs only grow, and nobody commits or claims under a lower one than the conversation or its partition has seen. I3: what
/// is processed stays as it is.
const TRIGGERS: &str = "
CREATE SCHEMA witness;
CREATE TABLE witness.seen (at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL);

CREATE FUNCTION witness.lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.epoch < OLD.epoch THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: the epoch of partition %s fell from %s to %s', OLD.partition, OLD.epoch, NEW.epoch));
    END IF;
    IF NEW.owner IS NOT NULL AND NEW.owner IS DISTINCT FROM OLD.owner AND NEW.epoch = OLD.epoch THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: partition %s has another owner under epoch %s', OLD.partition, OLD.epoch));
    END IF;
    IF NEW.owner IS NOT NULL AND OLD.owner IS NOT NULL AND NEW.owner <> OLD.owner AND OLD.expires_at > now() THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: partition %s was taken from an owner whose lease had not run out', OLD.partition));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON gc_channel.partition_leases FOR EACH ROW EXECUTE FUNCTION witness.lease();

CREATE FUNCTION witness.conversation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.owner_epoch < OLD.owner_epoch THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: the epoch of conversation %s fell from %s to %s', OLD.conversation_id, OLD.owner_epoch, NEW.owner_epoch));
    END IF;
    IF NEW.owner_epoch > (SELECT epoch FROM gc_channel.partition_leases WHERE partition = NEW.partition) THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: conversation %s has epoch %s, above its lease', OLD.conversation_id, NEW.owner_epoch));
    END IF;
    IF NEW.version < OLD.version THEN
        INSERT INTO witness.seen (what) VALUES (format('I3: the version of conversation %s fell', OLD.conversation_id));
    END IF;
    IF NEW.parked_at IS NOT NULL AND OLD.parked_at IS NULL THEN
        INSERT INTO witness.seen (what) VALUES (format('an outage parked conversation %s: %s', OLD.conversation_id, NEW.parked_reason));
    END IF;
    IF NEW.waiting_reason = 'the bot failed several times' AND OLD.waiting_reason IS DISTINCT FROM NEW.waiting_reason THEN
        INSERT INTO witness.seen (what) VALUES (format('an outage handed conversation %s over', OLD.conversation_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON gc_channel.conversations FOR EACH ROW EXECUTE FUNCTION witness.conversation();

CREATE FUNCTION witness.message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.claim_epoch < OLD.claim_epoch THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: message %s was claimed under epoch %s after %s', OLD.message_id, NEW.claim_epoch, OLD.claim_epoch));
    END IF;
    IF NEW.attempts > OLD.attempts
       AND NEW.claim_epoch < (SELECT max(claim_epoch) FROM gc_channel.messages WHERE conversation_id = NEW.conversation_id AND direction = 'out') THEN
        INSERT INTO witness.seen (what) VALUES (format('I4: message %s was claimed under epoch %s after another under a newer', OLD.message_id, NEW.claim_epoch));
    END IF;
    IF OLD.processed_at IS NOT NULL AND (NEW.processed_at, NEW.turn_id) IS DISTINCT FROM (OLD.processed_at, OLD.turn_id) THEN
        INSERT INTO witness.seen (what) VALUES (format('I3: message %s was processed again', OLD.message_id));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON gc_channel.messages FOR EACH ROW EXECUTE FUNCTION witness.message();
";

/// Sends the witness into a migrated database.
pub async fn send(pool: &PgPool) {
    sqlx::raw_sql(AssertSqlSafe(TRIGGERS)).execute(pool).await.expect("the witness is there");
}

/// What it saw, in order.
pub async fn report(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT at::text || ' ' || what FROM witness.seen ORDER BY at")
        .fetch_all(pool)
        .await
        .expect("the witness speaks")
}
