//! Citizens to fill databases with.

use sqlx::PgPool;

use govconnect::ids::{ConversationId, PartitionId};

/// The office's number in every made-up message.
pub const PHONE_NUMBER_ID: &str = "100000000000001";
/// Citizens inserted by one statement.
const CHUNK: u32 = 50_000;

/// The phone number of a made-up citizen.
pub fn phone_of(citizen: u32) -> String {
    format!("628{citizen:010}")
}

/// The business-scoped id of a made-up citizen.
pub fn bsuid_of(citizen: u32) -> String {
    format!("ID.{citizen:020}")
}

/// Empties the channel's tables and fills them with citizens 1 to `citizens`: each with both identities, a profile,
/// a conversation and one handled message. Leaves the database as a node finds it that has been up for a while:
/// analysed, with nothing left to write.
pub async fn fill(pool: &PgPool, citizens: u32, progress: impl Fn(u32)) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    sqlx::query(
        "TRUNCATE gc_channel.messages, gc_channel.conversations, gc_channel.user_profiles, gc_channel.identities,
             gc_channel.commands, gc_channel.calls, gc_channel.takeover_sessions, gc_channel.early_statuses,
             gc_channel.parked_updates, gc_channel.event_outbox CASCADE",
    )
    .execute(&mut *connection)
    .await?;
    let mut first = 1;
    while first <= citizens {
        let last = citizens.min(first + CHUNK - 1);
        let numbers: Vec<i32> = (first..=last).map(u32::cast_signed).collect();
        let conversations: Vec<ConversationId> = numbers.iter().map(|_| ConversationId::new()).collect();
        sqlx::query(
            "WITH citizen AS MATERIALIZED (
                 SELECT n, uuidv7() AS person, uuidv7() AS message, conversation, partition,
                        '628' || lpad(n::text, 10, '0') AS phone, 'ID.' || lpad(n::text, 20, '0') AS bsuid,
                        now() - interval '30 days' + n * interval '1 second' AS at
                 FROM unnest($1::int[], $2::uuid[], $3::smallint[]) AS given (n, conversation, partition)),
             profiles AS (INSERT INTO gc_channel.user_profiles (person_id, phone, bsuid, display_name)
                 SELECT person, phone, bsuid, 'Warga ' || n FROM citizen),
             identities AS (INSERT INTO gc_channel.identities (kind, value, person_id)
                 SELECT 'phone', phone, person FROM citizen UNION ALL SELECT 'bsuid', bsuid, person FROM citizen),
             conversations AS (INSERT INTO gc_channel.conversations
                     (conversation_id, phone_number_id, person_id, partition, version, last_message_at, window_expires_at)
                 SELECT conversation, $4, person, partition, 1, at, at + interval '24 hours' FROM citizen)
             INSERT INTO gc_channel.messages (message_id, conversation_id, partition, direction, wamid, kind, text,
                     content, sent_at, processed_at)
             SELECT message, conversation, partition, 'in', 'wamid.stored.' || n, 'text', 'Selamat pagi',
                    '{\"type\": \"text\", \"text\": {\"body\": \"Selamat pagi\"}}', at, at FROM citizen",
        )
        .bind(&numbers)
        .bind(conversations.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(conversations.iter().map(|id| PartitionId::of(*id).as_i16()).collect::<Vec<_>>())
        .bind(PHONE_NUMBER_ID)
        .execute(&mut *connection)
        .await?;
        first = last + 1;
        progress(last);
    }
    sqlx::query("VACUUM (ANALYZE) gc_channel.user_profiles, gc_channel.identities, gc_channel.conversations, gc_channel.messages")
        .execute(&mut *connection)
        .await?;
    Ok(())
}

/// Citizens that were filled in, in order, with the partitions of their conversations.
pub async fn partitions_of_citizens(pool: &PgPool) -> anyhow::Result<Vec<(u32, PartitionId)>> {
    let rows: Vec<(i64, i16)> = sqlx::query_as(
        "SELECT substr(profile.phone, 4)::bigint, conversation.partition
         FROM gc_channel.conversations AS conversation JOIN gc_channel.user_profiles AS profile USING (person_id)
         ORDER BY profile.phone",
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(citizen, partition)| Ok((u32::try_from(citizen)?, PartitionId(u16::try_from(partition)?))))
        .collect()
}

/// Ends what the server would otherwise do in the background of the next round.
pub async fn settle(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::query("CHECKPOINT").execute(pool).await?;
    Ok(())
}
