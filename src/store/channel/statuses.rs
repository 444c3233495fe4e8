//! What happened to our messages, in bulk, sorted, and only forwards; also when a status comes before the send was
//! recorded, or in place of its lost answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::aftermath::Aftermath;
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
    /// Of a failure, as it is stored: code, class, title.
    pub errors: Option<Value>,
    /// Of a failure: what the owner of the conversation has to do about it.
    pub owed: Option<Aftermath>,
    /// What the message costs.
    pub pricing: Option<Value>,
    /// Meta's conversation that it is counted in.
    pub wa_conversation: Option<Value>,
}

/// What statuses told.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Conversations with something to do now.
    pub wake: BTreeSet<(PartitionId, ConversationId)>,
    /// Conversations with messages whose status is another now.
    pub changed: BTreeSet<ConversationId>,
    /// What messages cost that were not priced before.
    pub priced: Vec<Value>,
    /// Messages whose outcome was unknown until now.
    pub reconciled: usize,
    /// Errors of messages that failed for good.
    pub dead_letters: Vec<Value>,
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

/// Applies statuses, in bulk.
pub(super) async fn apply(
    connection: &mut PgConnection,
    statuses: &[IncomingStatus],
) -> Result<Applied, StoreError> {
    let our_ids: Vec<Uuid> = statuses.iter().filter_map(|status| status.our_id).collect();
    let wamids: Vec<String> = statuses.iter().map(|status| status.wamid.clone()).collect();
    // Locked in id order, so that two writers with the same messages wait instead of deadlocking.
    let rows = sqlx::query!(
        r#"SELECT message_id, conversation_id, partition, wamid, status AS "status!",
                  coalesce(past_wamids, '{}') AS "past_wamids!", pricing IS NOT NULL AS "priced!"
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
    let mut prices: BTreeMap<usize, &IncomingStatus> = BTreeMap::new();
    for status in statuses {
        let found =
            status.our_id.and_then(|id| by_id.get(&id)).or_else(|| by_wamid.get(status.wamid.as_str()));
        let Some(index) = found else {
            if rank(&status.status).is_some() || status.status == "failed" {
                early.insert((&status.wamid, &status.status), status);
            }
            continue;
        };
        // Of an attempt that is known to have failed and was made again: it says nothing about the present one.
        if rows[*index].past_wamids.contains(&status.wamid) {
            continue;
        }
        if status.pricing.is_some() && !rows[*index].priced {
            prices.entry(*index).or_insert(status);
        }
        let present = changes.get(index).map_or(rows[*index].status.as_str(), |change| change.status);
        if let Some(next) = forward(present, &status.status) {
            changes.insert(*index, Change { status: next, source: status });
        }
    }
    let mut applied = Applied::default();
    for (index, change) in &changes {
        let row = &rows[*index];
        applied.changed.insert(ConversationId(row.conversation_id));
        applied.reconciled += usize::from(row.status == "unknown");
        if change.status == "failed" && change.owed().is_none() {
            applied.dead_letters.extend(change.source.errors.clone());
        }
        if rank(&row.status) < Some(2) || change.owed().is_some() {
            applied.wake.insert((PartitionId(row.partition as u16), ConversationId(row.conversation_id)));
        }
    }
    write_changes(connection, changes.iter().map(|(index, change)| (rows[*index].message_id, change)))
        .await?;
    write_prices(connection, prices.iter().map(|(index, status)| (rows[*index].message_id, *status))).await?;
    applied.priced = prices.values().filter_map(|status| status.pricing.clone()).collect();
    keep_early(connection, &early).await?;
    Ok(applied)
}

struct Change<'a> {
    status: &'static str,
    source: &'a IncomingStatus,
}

impl Change<'_> {
    fn owed(&self) -> Option<Aftermath> {
        self.source.owed.filter(|_| self.status == "failed")
    }
}

/// What a message costs, once: later statuses repeat it.
async fn write_prices<'a>(
    connection: &mut PgConnection,
    prices: impl Iterator<Item = (Uuid, &'a IncomingStatus)>,
) -> Result<(), StoreError> {
    let (mut ids, mut pricing, mut conversations) = (vec![], vec![], vec![]);
    for (id, status) in prices {
        ids.push(id);
        pricing.push(status.pricing.clone());
        conversations.push(status.wa_conversation.clone());
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE gc_channel.messages m SET pricing = new.pricing, wa_conversation = new.conversation
         FROM unnest($1::uuid[], $2::jsonb[], $3::jsonb[]) AS new (id, pricing, conversation)
         WHERE m.message_id = new.id",
        &ids,
        &pricing as &[Option<Value>],
        &conversations as &[Option<Value>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_changes<'a>(
    connection: &mut PgConnection,
    changes: impl Iterator<Item = (Uuid, &'a Change<'a>)>,
) -> Result<(), StoreError> {
    let (mut ids, mut statuses, mut wamids, mut times, mut errors) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut owed, mut told) = (vec![], vec![]);
    for (id, change) in changes {
        ids.push(id);
        statuses.push(change.status.to_owned());
        wamids.push(change.source.wamid.clone());
        times.push(change.source.at.to_sqlx());
        errors.push(change.source.errors.clone().filter(|_| change.status == "failed"));
        owed.push(change.owed().map(|owed| owed.to_string()));
        // Of a failure that may yet be put right nobody is told.
        if !change.owed().is_some_and(Aftermath::may_send) {
            told.push(id);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE gc_channel.messages m
         SET status = new.status, wamid = coalesce(m.wamid, new.wamid), status_at = new.at,
             error = CASE WHEN new.status = 'failed' THEN new.errors END, aftermath = new.owed
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::text[])
              AS new (id, status, wamid, at, errors, owed)
         WHERE m.message_id = new.id",
        &ids,
        &statuses,
        &wamids,
        &times as &[crate::store::Timestamptz],
        &errors as &[Option<Value>],
        &owed as &[Option<String>]
    )
    .execute(&mut *connection)
    .await?;
    write_status_events(connection, &told).await
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

/// Kept until the send is recorded, which then applies them: see [`claims::mark_sent`](super::claims::mark_sent).
async fn keep_early(
    connection: &mut PgConnection,
    early: &BTreeMap<(&str, &str), &IncomingStatus>,
) -> Result<(), StoreError> {
    if early.is_empty() {
        return Ok(());
    }
    let times: Vec<_> = early.values().map(|status| status.at.to_sqlx()).collect();
    sqlx::query!(
        "INSERT INTO gc_channel.early_statuses (wamid, status, at, errors, owed, pricing, wa_conversation)
         SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[], $5::text[], $6::jsonb[], $7::jsonb[])
         ON CONFLICT DO NOTHING",
        &early.keys().map(|(wamid, _)| (*wamid).to_owned()).collect::<Vec<_>>(),
        &early.keys().map(|(_, status)| (*status).to_owned()).collect::<Vec<_>>(),
        &times as &[crate::store::Timestamptz],
        &early.values().map(|status| status.errors.clone()).collect::<Vec<_>>() as &[Option<Value>],
        &early.values().map(|status| status.owed.map(|owed| owed.to_string())).collect::<Vec<_>>()
            as &[Option<String>],
        &early.values().map(|status| status.pricing.clone()).collect::<Vec<_>>() as &[Option<Value>],
        &early.values().map(|status| status.wa_conversation.clone()).collect::<Vec<_>>() as &[Option<Value>]
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
