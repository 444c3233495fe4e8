//! What happened on each day of the office, counted once however often it is told. Ids and numbers only.

use std::collections::{BTreeMap, HashSet};

use jiff::civil;
use sqlx::PgPool;
use uuid::Uuid;

use crate::store::{Date, StoreError};

/// Days for which it is known how far a message had come: Meta gives up on one after 30.
const STATUS_DAYS: i32 = 31;

/// What is counted.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum Counted {
    Reply,
    Error,
    HandOver,
    TakeoverStarted,
    TakeoverEnded,
    Sent,
    Delivered,
    Read,
    Failed,
    /// A question to which a passage was quoted.
    Answered,
    /// A question that the documents do not answer.
    Unanswered,
    /// The same, by its words.
    Gap,
    /// A model did not serve, by reason.
    Fallback,
    /// By model.
    Tokens,
    /// By model, in millionths of the currency of the prices.
    CostMillionths,
    /// Replies, by a bound in milliseconds that thinking stayed within.
    TookMs,
}

/// One thing that an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The event.
    pub event: Uuid,
    /// By the office's calendar.
    pub day: civil::Date,
    pub what: Counted,
    /// Of replies: what the citizen wanted; of others as [`Counted`] says; else empty.
    pub intent: String,
    /// How much of it; 1 of what is simply counted.
    pub amount: i64,
    /// Of what counts once a message: the message.
    pub message: Option<Uuid>,
}

/// How often something happened on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyCount {
    pub day: civil::Date,
    pub what: Counted,
    pub intent: String,
    pub count: i64,
}

/// Counts the facts of events that were not seen before, all or none of them.
///
/// # Errors
/// As [`StoreError`]; then nothing is counted, and the events are to come again.
pub async fn count(pool: &PgPool, events: &[Uuid], facts: &[Fact]) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    let fresh: HashSet<Uuid> = sqlx::query_scalar!(
        "INSERT INTO gc_ai.seen_events (message_id) SELECT id FROM unnest($1::uuid[]) AS new (id) ORDER BY id
         ON CONFLICT DO NOTHING RETURNING message_id",
        events
    )
    .fetch_all(&mut *transaction)
    .await?
    .into_iter()
    .collect();
    let facts: Vec<&Fact> = facts.iter().filter(|fact| fresh.contains(&fact.event)).collect();
    let (messages, statuses): (Vec<Uuid>, Vec<String>) =
        facts.iter().filter_map(|fact| Some((fact.message?, fact.what.to_string()))).unzip();
    let mut new_statuses: HashSet<(Uuid, String)> = sqlx::query!(
        "INSERT INTO gc_ai.seen_statuses (message_id, status)
         SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) AS new (id, status) ORDER BY id, status
         ON CONFLICT DO NOTHING RETURNING message_id, status",
        &messages,
        &statuses
    )
    .fetch_all(&mut *transaction)
    .await?
    .into_iter()
    .map(|row| (row.message_id, row.status))
    .collect();
    // In the order of their keys: so do all who add, and none of them can deadlock.
    let mut counts: BTreeMap<(civil::Date, &'static str, &str), i64> = BTreeMap::new();
    for fact in facts {
        let first = fact.message.is_none_or(|message| new_statuses.remove(&(message, fact.what.to_string())));
        if first {
            *counts.entry((fact.day, fact.what.into(), &fact.intent)).or_default() += fact.amount;
        }
    }
    add(&mut transaction, &counts).await?;
    transaction.commit().await?;
    Ok(())
}

async fn add(
    connection: &mut sqlx::PgConnection,
    counts: &BTreeMap<(civil::Date, &'static str, &str), i64>,
) -> Result<(), StoreError> {
    let days: Vec<Date> = counts.keys().map(|(day, ..)| Date::from(*day)).collect();
    let what: Vec<String> = counts.keys().map(|(_, what, _)| (*what).to_owned()).collect();
    let intents: Vec<String> = counts.keys().map(|(.., intent)| (*intent).to_owned()).collect();
    sqlx::query!(
        "INSERT INTO gc_ai.daily_counts AS known (day, what, intent, count)
         SELECT day, what, intent, count FROM unnest($1::date[], $2::text[], $3::text[], $4::bigint[])
             WITH ORDINALITY AS new (day, what, intent, count, position) ORDER BY position
         ON CONFLICT (day, what, intent) DO UPDATE SET count = known.count + excluded.count",
        &days as &[Date],
        &what,
        &intents,
        &counts.values().copied().collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What was counted from one day to another, both included.
pub async fn between(
    pool: &PgPool,
    from: civil::Date,
    to: civil::Date,
) -> Result<Vec<DailyCount>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT day AS "day: Date", what, intent, count FROM gc_ai.daily_counts
           WHERE day BETWEEN $1 AND $2 ORDER BY day, what, intent"#,
        Date::from(from) as _,
        Date::from(to) as _
    )
    .fetch_all(pool)
    .await?;
    let read = |what: &str| {
        what.parse().map_err(|_| StoreError::Corrupt("gc_ai.daily_counts.what is not known".into()))
    };
    rows.into_iter()
        .map(|row| {
            let what = read(&row.what)?;
            Ok(DailyCount { day: row.day.to_jiff(), what, intent: row.intent, count: row.count })
        })
        .collect()
}

/// Forgets up to `limit` events that were seen more than `days` ago, and up to as many statuses of old messages; tells
/// how many rows.
pub async fn forget(pool: &PgPool, days: i32, limit: i64) -> Result<u64, StoreError> {
    let events = sqlx::query!(
        "DELETE FROM gc_ai.seen_events WHERE message_id = ANY (ARRAY(
             SELECT message_id FROM gc_ai.seen_events WHERE seen_at < now() - make_interval(days => $1)
             ORDER BY seen_at LIMIT $2))",
        days,
        limit
    )
    .execute(pool)
    .await?;
    let statuses = sqlx::query!(
        "DELETE FROM gc_ai.seen_statuses WHERE (message_id, status) IN (
             SELECT message_id, status FROM gc_ai.seen_statuses WHERE seen_at < now() - make_interval(days => $1)
             ORDER BY seen_at LIMIT $2)",
        STATUS_DAYS,
        limit
    )
    .execute(pool)
    .await?;
    Ok(events.rows_affected().max(statuses.rows_affected()))
}
