//! What the case service holds of a person, and its erasure.

use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::{CaseError, Complaint, ComplaintRow};
use crate::ids::PersonId;
use crate::store::{StoreError, Timestamptz};

/// Every complaint of a person, newest first.
///
/// # Errors
/// The store's.
pub async fn complaints_of(pool: &PgPool, person: PersonId) -> Result<Vec<Complaint>, CaseError> {
    let rows = sqlx::query_as!(
        ComplaintRow,
        "SELECT complaint_id, person_id, wa_user_id, kategori, alamat, rt_rw, deskripsi, latitude, longitude, status,
             urgency, channel, origin_conversation_id, version, created_at, updated_at
         FROM gc_case.complaints WHERE person_id = $1 ORDER BY created_at DESC, complaint_id DESC",
        person.0
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Complaint::try_from).collect::<Result<_, StoreError>>()?)
}

/// What belongs to `from` belongs to `into` from now on, also what a late call files under the old id. Repeating it changes
/// nothing. Returns how many complaints changed their owner.
///
/// # Errors
/// The store's.
pub async fn merge(pool: &PgPool, from: PersonId, into: PersonId, now: Timestamp) -> Result<u64, CaseError> {
    if from == into {
        return Ok(0);
    }
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "INSERT INTO gc_case.merged_people (person_id, into_id, merged_at) VALUES ($1, $2, $3)
         ON CONFLICT (person_id) DO UPDATE SET into_id = $2",
        from.0,
        into.0,
        Timestamptz::from(now) as _
    )
    .execute(&mut *transaction)
    .await?;
    // One step leads from any old id to the present one.
    sqlx::query!("UPDATE gc_case.merged_people SET into_id = $2 WHERE into_id = $1", from.0, into.0)
        .execute(&mut *transaction)
        .await?;
    let moved = reassign(&mut transaction, from, into, now).await?;
    transaction.commit().await?;
    // Once more: a complaint that was being filed under the old id all the while either sees by now that the two are
    // one, or is seen here.
    let late = reassign(&mut *pool.acquire().await?, from, into, now).await?;
    Ok(moved + late)
}

async fn reassign(
    connection: &mut PgConnection,
    from: PersonId,
    into: PersonId,
    now: Timestamp,
) -> Result<u64, CaseError> {
    let moved = sqlx::query!(
        "WITH moved AS (
             UPDATE gc_case.complaints SET person_id = $2, version = version + 1, updated_at = $3
             WHERE complaint_id IN (SELECT complaint_id FROM gc_case.complaints WHERE person_id = $1
                                    ORDER BY complaint_id FOR NO KEY UPDATE)
             RETURNING complaint_id, version, status)
         INSERT INTO gc_case.complaint_updates
             (update_id, complaint_id, version, actor_kind, from_status, to_status, changes, visibility, created_at)
         SELECT gen_random_uuid(), complaint_id, version, 'service', status, status,
                jsonb_build_object('person_id', jsonb_build_object('from', $1::uuid, 'to', $2::uuid)), 'internal', $3
         FROM moved",
        from.0,
        into.0,
        Timestamptz::from(now) as _
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected())
}

/// The person that an id stands for now.
///
/// # Errors
/// The store's.
pub async fn present(pool: &PgPool, person: PersonId) -> Result<PersonId, CaseError> {
    let into =
        sqlx::query_scalar!("SELECT into_id FROM gc_case.merged_people WHERE person_id = $1", person.0)
            .fetch_optional(pool)
            .await?;
    Ok(into.map_or(person, PersonId))
}

/// Takes a person out of their complaints: who, where, their words, the notes about them and the events that carry them.
/// What stays is the office's record: number, category, status and times. Returns how many complaints were emptied.
///
/// # Errors
/// The store's.
pub async fn erase(pool: &PgPool, person: PersonId, now: Timestamp) -> Result<u64, CaseError> {
    let mut transaction = pool.begin().await?;
    // Lets the append-only trigger empty (not remove) update rows, in this transaction only.
    sqlx::query!("SELECT set_config('gc_case.erasing', 'on', true)").fetch_one(&mut *transaction).await?;
    let ids: Vec<String> = sqlx::query_scalar!(
        "SELECT complaint_id FROM gc_case.complaints WHERE person_id = $1 ORDER BY complaint_id FOR NO KEY UPDATE",
        person.0
    )
    .fetch_all(&mut *transaction)
    .await?;
    sqlx::query!(
        "UPDATE gc_case.complaint_updates
         SET note = NULL, changes = '{}',
             actor_id = CASE WHEN actor_kind = 'citizen' THEN NULL ELSE actor_id END
         WHERE complaint_id = ANY($1)",
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "DELETE FROM gc_case.event_outbox WHERE subject = ANY($1) AND published_at IS NOT NULL",
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        r#"UPDATE gc_case.event_outbox
           SET body = body - 'note' - 'origin_conversation_id' || '{"person_id": null, "wa_user_id": null}'
           WHERE subject = ANY($1)"#,
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    // The key stays, so that a late repetition of the request cannot file the complaint anew.
    sqlx::query!(
        "UPDATE gc_case.complaints
         SET person_id = NULL, wa_user_id = NULL, origin_conversation_id = NULL, request_hash = '', alamat = '',
             rt_rw = NULL, deskripsi = '', latitude = NULL, longitude = NULL, version = version + 1
         WHERE complaint_id = ANY($1)",
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        r#"INSERT INTO gc_case.complaint_updates
               (update_id, complaint_id, version, actor_kind, from_status, to_status, changes, visibility, created_at)
           SELECT gen_random_uuid(), complaint_id, version, 'service', status, status, '{"erased": true}', 'internal', $2
           FROM gc_case.complaints WHERE complaint_id = ANY($1)"#,
        &ids,
        Timestamptz::from(now) as _
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("DELETE FROM gc_case.merged_people WHERE person_id = $1 OR into_id = $1", person.0)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(ids.len() as u64)
}
