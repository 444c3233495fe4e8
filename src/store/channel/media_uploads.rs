//! Which of our media Meta has, under which id, for which number. An id belongs to one number and lives 30 days.

use sqlx::PgPool;
use uuid::Uuid;

use super::aftermath;
use crate::ids::{ConversationId, MessageId, PartitionId};
use crate::store::StoreError;

/// An id is used for a day less than it lives.
const DAYS: f64 = 29.0;

/// Meta's id of a medium, if it has it.
pub async fn find(pool: &PgPool, media: Uuid, phone_number_id: &str) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT meta_id FROM gc_channel.media_uploads
         WHERE media_id = $1 AND phone_number_id = $2 AND uploaded_at > now() - $3 * interval '1 day'",
        media,
        phone_number_id,
        DAYS
    )
    .fetch_optional(pool)
    .await?;
    Ok(found)
}

/// Meta has it under this id now.
pub async fn remember(
    pool: &PgPool,
    media: Uuid,
    phone_number_id: &str,
    meta_id: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.media_uploads (media_id, phone_number_id, meta_id) VALUES ($1, $2, $3)
         ON CONFLICT (media_id, phone_number_id) DO UPDATE SET meta_id = $3, uploaded_at = now()",
        media,
        phone_number_id,
        meta_id
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Meta does not know the id any more, or refuses what it names.
pub async fn forget(pool: &PgPool, media: Uuid, phone_number_id: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM gc_channel.media_uploads WHERE media_id = $1 AND phone_number_id = $2",
        media,
        phone_number_id
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// An upload failed before its message was claimed: an attempt of the message. It waits, or with `after` absent it is
/// a dead letter. A takeover meanwhile has cancelled a bot's row, which stays so.
pub async fn postpone(
    pool: &PgPool,
    conversation: ConversationId,
    message: MessageId,
    after: Option<std::time::Duration>,
    error: &serde_json::Value,
) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    let written = sqlx::query!(
        "UPDATE gc_channel.messages
         SET attempts = attempts + 1, error = $3, status_at = now(),
             status = CASE WHEN $2::float8 IS NULL THEN 'failed' ELSE 'queued' END,
             next_attempt_at = now() + $2 * interval '1 second'
         WHERE partition = $4 AND conversation_id = $5 AND message_id = $1 AND direction = 'out' AND status = 'queued'",
        message.0,
        after.map(|after| after.as_secs_f64()),
        error,
        PartitionId::of(conversation).as_i16(),
        conversation.0
    )
    .execute(&mut *transaction)
    .await?;
    if written.rows_affected() == 1 && after.is_none() {
        aftermath::tell_failed(&mut transaction, message.0).await?;
    }
    transaction.commit().await?;
    Ok(())
}
