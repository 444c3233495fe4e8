//! What the channel holds of a person, and erasing it (UU PDP).

use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::ids::PersonId;
use crate::store::StoreError;

/// How much is held.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Held {
    pub identities: i64,
    pub conversations: i64,
    pub messages: i64,
    /// Files that they sent, or that were sent to them.
    pub media: i64,
}

/// Counts what is held; `None` when the person is not known here.
pub async fn held(pool: &PgPool, person: PersonId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM gc_channel.identities WHERE person_id = $1) AS "identities!",
                  (SELECT count(*) FROM gc_channel.conversations WHERE person_id = $1) AS "conversations!",
                  (SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                   WHERE c.person_id = $1) AS "messages!",
                  (SELECT count(*) FROM gc_channel.media f JOIN gc_channel.messages m USING (message_id)
                   JOIN gc_channel.conversations c USING (conversation_id) WHERE c.person_id = $1) AS "media!"
           FROM gc_channel.user_profiles WHERE person_id = $1"#,
        person.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Held {
        identities: row.identities,
        conversations: row.conversations,
        messages: row.messages,
        media: row.media,
    }))
}

/// Erases everything of the person, in one transaction; false when there was nothing.
///
/// The files of its messages go with them (see the migration of `media`); the sweeper empties their keys.
/// An actor that still has the conversation in memory finds it gone at its next commit and stops.
pub async fn erase(pool: &PgPool, person: PersonId) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let conversations: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "SELECT conversation_id FROM gc_channel.conversations WHERE person_id = $1 ORDER BY conversation_id FOR UPDATE",
        person.0
    )
    .fetch_all(&mut *transaction)
    .await?;
    for statement in [
        "DELETE FROM gc_channel.event_outbox WHERE body ->> 'conversation_id' = ANY($1::uuid[]::text[])",
        "DELETE FROM gc_channel.calls WHERE conversation_id = ANY($1)",
        "DELETE FROM gc_channel.commands WHERE conversation_id = ANY($1)",
        "DELETE FROM gc_channel.takeover_sessions WHERE conversation_id = ANY($1)",
        "DELETE FROM gc_channel.messages WHERE conversation_id = ANY($1)",
        "UPDATE gc_channel.conversations SET merged_into = NULL WHERE merged_into = ANY($1)",
        "DELETE FROM gc_channel.conversations WHERE conversation_id = ANY($1)",
    ] {
        sqlx::query(statement).bind(&conversations).execute(&mut *transaction).await?;
    }
    sqlx::query!("DELETE FROM gc_channel.identities WHERE person_id = $1", person.0)
        .execute(&mut *transaction)
        .await?;
    let erased = sqlx::query!("DELETE FROM gc_channel.user_profiles WHERE person_id = $1", person.0)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    transaction.commit().await?;
    Ok(erased == 1)
}
