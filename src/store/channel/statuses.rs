//! What happened to our messages, in bulk, sorted, and only forwards; also when a status comes before the send was
//! recorded, or in place of its lost answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{ConversationId, PartitionId};
use crate::store::StoreError;

/// A status as Meta tells it.
#[derive(Clone, Debug)]
pub struct IncomingStatus {
    pub wamid: String,
    pub status: String,
    pub at: Timestamp,
    /// Our message id, when Meta echoed it.
    pub our_id: Option<Uuid>,
    pub errors: Option<Value>,
}

/// How far a message has come; the same order as `gc_channel.status_rank`.
fn rank(status: &str) -> Option<u8> {
    match status {
        "queued" => Some(0),
        "sending" | "unknown" => Some(1),
        "sent" => Some(2),
        "delivered" => Some(3),
        "read" | "played" => Some(4),
        _ => None,
    }
}

/// The status a message has after `incoming` was told of it; `None` when nothing changes.
pub fn forward(present: &str, incoming: &str) -> Option<&'static str> {
    let present_rank = rank(present)?;
    match incoming {
        // A failure is believed only before delivery.
        "failed" => (present_rank < 3).then_some("failed"),
        "sent" => (present_rank < 2).then_some("sent"),
        "delivered" => (present_rank < 3).then_some("delivered"),
        "read" | "played" => (present_rank < 4).then_some("read"),
        _ => None,
    }
}

/// Applies statuses; gives the conversations whose outbox was waiting for one.
pub(super) async fn apply(
    connection: &mut PgConnection,
    statuses: &[IncomingStatus],
) -> Result<BTreeSet<(PartitionId, ConversationId)>, StoreError> {
    let our_ids: Vec<Uuid> = statuses.iter().filter_map(|status| status.our_id).collect();
    let wamids: Vec<String> = statuses.iter().map(|status| status.wamid.clone()).collect();
    // Locked in id order, so that two writers with the same messages wait instead of deadlocking.
    let rows = sqlx::query!(
        r#"SELECT message_id, conversation_id, partition, wamid, status AS "status!"
           FROM gc_channel.messages
           WHERE direction = 'out' AND (message_id = ANY($1) OR wamid = ANY($2))
           ORDER BY message_id FOR NO KEY UPDATE"#,
        &our_ids,
        &wamids
    )
    .fetch_all(&mut *connection)
    .await?;

    let mut by_wamid: HashMap<&str, usize> = HashMap::new();
    let mut by_id: HashMap<Uuid, usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        by_id.insert(row.message_id, index);
        if let Some(wamid) = &row.wamid {
            by_wamid.insert(wamid, index);
        }
    }
    let mut changes: BTreeMap<usize, Change<'_>> = BTreeMap::new();
    let mut early: BTreeMap<(&str, &str), &IncomingStatus> = BTreeMap::new();
    for status in statuses {
        let found =
            status.our_id.and_then(|id| by_id.get(&id)).or_else(|| by_wamid.get(status.wamid.as_str()));
        let Some(index) = found else {
            if rank(&status.status).is_some() || status.status == "failed" {
                early.insert((&status.wamid, &status.status), status);
            }
            continue;
        };
        let present = changes.get(index).map_or(rows[*index].status.as_str(), |change| change.status);
        if let Some(next) = forward(present, &status.status) {
            changes.insert(*index, Change { status: next, source: status });
        }
    }
    let mut waiting = BTreeSet::new();
    for index in changes.keys() {
        let row = &rows[*index];
        if rank(&row.status) < Some(2) {
            waiting.insert((PartitionId(row.partition as u16), ConversationId(row.conversation_id)));
        }
    }
    write_changes(connection, changes.iter().map(|(index, change)| (rows[*index].message_id, change)))
        .await?;
    keep_early(connection, &early).await?;
    Ok(waiting)
}

struct Change<'a> {
    status: &'static str,
    source: &'a IncomingStatus,
}

async fn write_changes<'a>(
    connection: &mut PgConnection,
    changes: impl Iterator<Item = (Uuid, &'a Change<'a>)>,
) -> Result<(), StoreError> {
    let (mut ids, mut statuses, mut wamids, mut times, mut errors) = (vec![], vec![], vec![], vec![], vec![]);
    for (id, change) in changes {
        ids.push(id);
        statuses.push(change.status.to_owned());
        wamids.push(change.source.wamid.clone());
        times.push(change.source.at.to_sqlx());
        errors.push(change.source.errors.clone().filter(|_| change.status == "failed"));
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE gc_channel.messages m
         SET status = new.status, wamid = coalesce(m.wamid, new.wamid), status_at = new.at,
             error = CASE WHEN new.status = 'failed' THEN new.errors END
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
              AS new (id, status, wamid, at, errors)
         WHERE m.message_id = new.id",
        &ids,
        &statuses,
        &wamids,
        &times as &[crate::store::Timestamptz],
        &errors as &[Option<Value>]
    )
    .execute(&mut *connection)
    .await?;
    write_status_events(connection, &ids).await
}

async fn write_status_events(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    let events: Vec<Uuid> = ids.iter().map(|_| Uuid::now_v7()).collect();
    sqlx::query!(
        "INSERT INTO gc_channel.event_outbox (event_id, routing_key, body)
         SELECT new.event_id, 'whatsapp.message.status',
                jsonb_strip_nulls(jsonb_build_object('conversation_id', m.conversation_id, 'message_id', m.message_id,
                    'wamid', m.wamid, 'status', m.status, 'errors', m.error))
         FROM unnest($1::uuid[], $2::uuid[]) AS new (event_id, message_id)
         JOIN gc_channel.messages m USING (message_id)",
        &events,
        ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn keep_early(
    connection: &mut PgConnection,
    early: &BTreeMap<(&str, &str), &IncomingStatus>,
) -> Result<(), StoreError> {
    if early.is_empty() {
        return Ok(());
    }
    let times: Vec<_> = early.values().map(|status| status.at.to_sqlx()).collect();
    sqlx::query!(
        "INSERT INTO gc_channel.early_statuses (wamid, status, at, errors)
         SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[]) ON CONFLICT DO NOTHING",
        &early.keys().map(|(wamid, _)| (*wamid).to_owned()).collect::<Vec<_>>(),
        &early.keys().map(|(_, status)| (*status).to_owned()).collect::<Vec<_>>(),
        &times as &[crate::store::Timestamptz],
        &early.values().map(|status| status.errors.clone()).collect::<Vec<_>>() as &[Option<Value>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_never_moves_a_message_backwards() {
        for (present, incoming, after) in [
            ("queued", "sent", Some("sent")),
            ("sending", "delivered", Some("delivered")),
            ("unknown", "sent", Some("sent")),
            ("sent", "read", Some("read")),
            ("delivered", "played", Some("read")),
            ("read", "sent", None),
            ("read", "delivered", None),
            ("delivered", "sent", None),
            ("sent", "failed", Some("failed")),
            ("delivered", "failed", None),
            ("failed", "sent", None),
            ("cancelled", "sent", None),
            ("sent", "warning", None),
        ] {
            assert_eq!(forward(present, incoming), after, "{present} then {incoming}");
        }
    }
}
