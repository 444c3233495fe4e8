//! What an officer sends from the office's own phone: it is filed as sent, and the conversation is theirs from then on.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ConversationKey, IntakeOutcome, Names, people, resolve_conversations};
use crate::ids::{ConversationId, MessageId, PartitionId};
use crate::store::StoreError;
use crate::store::channel::takeover;

/// The name under which the office's own phone holds a conversation.
pub const FROM_THE_PHONE: &str = "whatsapp-business-app";

/// A message that the office sent from its own phone.
#[derive(Clone, Debug)]
pub struct IncomingEcho {
    pub phone_number_id: String,
    pub wamid: String,
    pub recipient: Names,
    pub sent_at: Timestamp,
    pub kind: String,
    pub text: Option<String>,
    pub content: Value,
    pub raw: Vec<u8>,
}

/// Files them and takes their conversations over, in the transaction of the whole batch. What is known already (a
/// repetition, or a message of ours that went through the API) changes nothing.
pub(super) async fn write(
    connection: &mut PgConnection,
    echoes: &[IncomingEcho],
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    // Sorted by wamid, each once: two nodes given the same echoes wait for each other instead of deadlocking.
    let by_wamid: BTreeMap<&str, &IncomingEcho> =
        echoes.iter().rev().map(|echo| (echo.wamid.as_str(), echo)).collect();
    let wamids: Vec<String> = by_wamid.keys().map(|wamid| (*wamid).to_owned()).collect();
    let known: HashSet<String> = sqlx::query_scalar!(
        r#"SELECT wamid AS "wamid!" FROM gc_channel.messages WHERE wamid = ANY($1)"#,
        &wamids
    )
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .collect();
    // In the order of arrival, which is the order of their rows.
    let new: Vec<&IncomingEcho> = echoes
        .iter()
        .filter(|echo| !known.contains(&echo.wamid) && std::ptr::eq(by_wamid[echo.wamid.as_str()], *echo))
        .collect();
    let asked: Vec<(&Names, Timestamp)> = new.iter().map(|echo| (&echo.recipient, echo.sent_at)).collect();
    let people = people::resolve(connection, &asked).await?;
    let keys: Vec<ConversationKey> =
        new.iter().zip(&people).map(|(echo, person)| (echo.phone_number_id.clone(), person.0)).collect();
    let wanted: BTreeSet<ConversationKey> = keys.iter().cloned().collect();
    let conversations = resolve_conversations(connection, &wanted).await?;
    let mut rows: BTreeMap<ConversationId, Vec<&IncomingEcho>> = BTreeMap::new();
    for (echo, key) in new.into_iter().zip(&keys) {
        let Some(conversation) = conversations.get(key) else {
            return Err(StoreError::Corrupt("a conversation vanished between insert and read".into()));
        };
        rows.entry(*conversation).or_default().push(echo);
    }
    // BTreeMap: in id order, as every other statement that locks conversations.
    for (conversation, echoes) in rows {
        file(connection, conversation, &echoes, outcome).await?;
    }
    outcome.duplicates += echoes.len() - outcome.echoes;
    Ok(())
}

async fn file(
    connection: &mut PgConnection,
    conversation: ConversationId,
    echoes: &[&IncomingEcho],
    outcome: &mut IntakeOutcome,
) -> Result<(), StoreError> {
    let Some(conversation) = takeover::lock_survivor(connection, conversation).await? else {
        return Err(StoreError::Corrupt("a conversation vanished before an echo was filed".into()));
    };
    let mut latest: Option<Timestamp> = None;
    for echo in echoes {
        if is_ours(connection, conversation, echo).await? {
            continue;
        }
        let inserted = sqlx::query!(
            "INSERT INTO gc_channel.messages
                 (message_id, conversation_id, partition, direction, wamid, kind, text, content, raw, sent_at, origin,
                  status, status_at, author)
             VALUES ($1, $2, $3, 'out', $4, $5, $6, $7, $8, $9, 'officer', 'sent', $9, $10)
             ON CONFLICT (wamid) WHERE wamid IS NOT NULL DO NOTHING",
            MessageId::new().0,
            conversation.0,
            PartitionId::of(conversation).as_i16(),
            echo.wamid,
            echo.kind,
            echo.text,
            echo.content,
            echo.raw,
            echo.sent_at.to_sqlx() as crate::store::Timestamptz,
            FROM_THE_PHONE
        )
        .execute(&mut *connection)
        .await?;
        if inserted.rows_affected() == 1 {
            outcome.echoes += 1;
            latest = latest.max(Some(echo.sent_at));
        }
    }
    let Some(latest) = latest else { return Ok(()) };
    sqlx::query!(
        "UPDATE gc_channel.conversations SET last_message_at = greatest(last_message_at, $2) WHERE conversation_id = $1",
        conversation.0,
        latest.to_sqlx() as crate::store::Timestamptz
    )
    .execute(&mut *connection)
    .await?;
    if takeover::is_free_since(connection, conversation, latest).await? {
        let reason = Some("answered from the office's phone");
        let begun = takeover::begin(connection, conversation, FROM_THE_PHONE, reason).await?;
        outcome.cancelled += begun.cancelled;
    } else {
        takeover::active_until(connection, conversation, latest).await?;
    }
    outcome.wake.insert((PartitionId::of(conversation), conversation));
    Ok(())
}

/// Whether it is a message that we are sending just now and whose `wamid` is not recorded yet.
async fn is_ours(
    connection: &mut PgConnection,
    conversation: ConversationId,
    echo: &IncomingEcho,
) -> Result<bool, StoreError> {
    let opaque = echo.content.get("biz_opaque_callback_data").and_then(Value::as_str);
    let our_id: Option<Uuid> = opaque.and_then(|id| id.parse().ok());
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM gc_channel.messages
               WHERE conversation_id = $1 AND partition = $2 AND direction = 'out' AND wamid IS NULL
                 AND ((status IN ('sending', 'unknown') AND text = $3) OR message_id = $4)) AS "found!""#,
        conversation.0,
        PartitionId::of(conversation).as_i16(),
        echo.text,
        our_id
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}
