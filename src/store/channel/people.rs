//! What the channel knows of who somebody is: what is held of them, what happened to their names, who they may also be;
//! and erasing it (UU PDP).

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;
use uuid::Uuid;

use super::merges;
use crate::ids::PersonId;
use crate::store::StoreError;

/// How much is held, and what is known of who it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Held {
    /// The person asked for, or the one they were merged into.
    pub person_id: PersonId,
    /// Others who turned out to be this person.
    pub merged: Vec<PersonId>,
    pub identities: i64,
    pub conversations: i64,
    pub messages: i64,
    /// Files that they sent, or that were sent to them.
    pub media: i64,
    /// What happened to who they are, oldest first.
    pub log: Vec<LogEntry>,
    /// Who they may also be; an officer decides.
    pub suggestions: Vec<Suggestion>,
}

/// Something that happened to who somebody is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogEntry {
    pub person_id: PersonId,
    pub other_person_id: Option<PersonId>,
    /// renamed, replaced, number_moved, link_requested or merged.
    pub kind: String,
    /// `meta`, or the officer.
    pub actor: String,
    pub reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Two people who may be one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Suggestion {
    pub suggestion_id: Uuid,
    pub person_id: PersonId,
    pub other_person_id: PersonId,
    pub reason: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// The person an id leads to, and everybody who was merged into them; `None` when nobody has it.
async fn family(pool: &PgPool, person: PersonId) -> Result<Option<(PersonId, Vec<Uuid>)>, StoreError> {
    let root = sqlx::query_scalar!(
        r#"SELECT coalesce(merged_into, person_id) AS "root!" FROM gc_channel.user_profiles WHERE person_id = $1"#,
        person.0
    )
    .fetch_optional(pool)
    .await?;
    let Some(root) = root else { return Ok(None) };
    let merged = sqlx::query_scalar!(
        "SELECT person_id FROM gc_channel.user_profiles WHERE merged_into = $1 ORDER BY person_id",
        root
    )
    .fetch_all(pool)
    .await?;
    Ok(Some((PersonId(root), merged)))
}

/// What is held; `None` when the person is not known here.
pub async fn held(pool: &PgPool, person: PersonId) -> Result<Option<Held>, StoreError> {
    let Some((root, merged)) = family(pool, person).await? else { return Ok(None) };
    let everybody: Vec<Uuid> = merged.iter().copied().chain([root.0]).collect();
    let row = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM gc_channel.identities WHERE person_id = ANY($1)) AS "identities!",
                  (SELECT count(*) FROM gc_channel.conversations WHERE person_id = ANY($1)) AS "conversations!",
                  (SELECT count(*) FROM gc_channel.messages m JOIN gc_channel.conversations c USING (conversation_id)
                   WHERE c.person_id = ANY($1)) AS "messages!",
                  (SELECT count(*) FROM gc_channel.media f JOIN gc_channel.messages m USING (message_id)
                   JOIN gc_channel.conversations c USING (conversation_id)
                   WHERE c.person_id = ANY($1)) AS "media!""#,
        &everybody
    )
    .fetch_one(pool)
    .await?;
    let log = sqlx::query!(
        "SELECT person_id, other_person_id, kind, actor, reason, at FROM gc_channel.person_log
         WHERE person_id = ANY($1) OR other_person_id = ANY($1) ORDER BY log_id LIMIT 200",
        &everybody
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|row| LogEntry {
        person_id: PersonId(row.person_id),
        other_person_id: row.other_person_id.map(PersonId),
        kind: row.kind,
        actor: row.actor,
        reason: row.reason,
        at: row.at.into(),
    })
    .collect();
    Ok(Some(Held {
        person_id: root,
        merged: merged.into_iter().map(PersonId).collect(),
        identities: row.identities,
        conversations: row.conversations,
        messages: row.messages,
        media: row.media,
        log,
        suggestions: suggestions(pool, Some(root), 100).await?,
    }))
}

/// Open suggestions, the oldest first; of one person, or of all.
pub async fn suggestions(
    pool: &PgPool,
    person: Option<PersonId>,
    limit: i64,
) -> Result<Vec<Suggestion>, StoreError> {
    let rows = sqlx::query!(
        "SELECT suggestion_id, person_id, other_person_id, reason, created_at FROM gc_channel.link_suggestions
         WHERE resolved_at IS NULL AND ($1::uuid IS NULL OR person_id = $1 OR other_person_id = $1)
         ORDER BY suggestion_id LIMIT $2",
        person.map(|person| person.0),
        limit
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Suggestion {
            suggestion_id: row.suggestion_id,
            person_id: PersonId(row.person_id),
            other_person_id: PersonId(row.other_person_id),
            reason: row.reason,
            created_at: row.created_at.into(),
        })
        .collect())
}

/// Suggests that two people may be one; once, however often it shows.
pub(super) async fn suggest(
    connection: &mut PgConnection,
    one: PersonId,
    other: PersonId,
    reason: &str,
) -> Result<(), StoreError> {
    if one == other {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO gc_channel.link_suggestions (suggestion_id, person_id, other_person_id, reason)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (person_id, other_person_id) WHERE resolved_at IS NULL DO NOTHING",
        Uuid::now_v7(),
        one.min(other).0,
        one.max(other).0,
        reason
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// After a merge: suggestions about who went are about who stays, and the one about the two is answered.
pub(super) async fn join_suggestions(
    connection: &mut PgConnection,
    stays: PersonId,
    joins: PersonId,
) -> Result<(), StoreError> {
    let others = sqlx::query!(
        r#"UPDATE gc_channel.link_suggestions SET resolved_at = now()
           WHERE resolved_at IS NULL AND (person_id = $1 OR other_person_id = $1)
           RETURNING CASE WHEN person_id = $1 THEN other_person_id ELSE person_id END AS "other!", reason"#,
        joins.0
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in others {
        suggest(connection, stays, PersonId(row.other), &row.reason).await?;
    }
    Ok(())
}

/// Notes what happened to who somebody is.
pub(super) async fn log(
    connection: &mut PgConnection,
    person: PersonId,
    other: Option<PersonId>,
    kind: &str,
    actor: &str,
    reason: Option<&str>,
    wamid: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gc_channel.person_log (log_id, person_id, other_person_id, kind, actor, reason, wamid)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        person.0,
        other.map(|other| other.0),
        kind,
        actor,
        reason,
        wamid
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether this change of names has been applied. Whoever else is given the same message waits until this transaction ends.
pub(super) async fn is_applied(connection: &mut PgConnection, wamid: &str) -> Result<bool, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 8))", wamid)
        .fetch_one(&mut *connection)
        .await?;
    let applied = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM gc_channel.person_log WHERE wamid = $1) AS "applied!""#,
        wamid
    )
    .fetch_one(connection)
    .await?;
    Ok(applied)
}

/// Why two people cannot be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("there is no such person")]
    NoPerson,
    #[error("they are the same person already")]
    SamePerson,
    #[error("they are being linked already")]
    Pending,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LinkError {
    fn from(error: sqlx::Error) -> Self {
        LinkError::Store(error.into())
    }
}

/// An officer says that two people are one: noted, and queued as a merge.
///
/// # Errors
/// [`LinkError`] when that cannot be.
pub async fn link(
    pool: &PgPool,
    one: PersonId,
    other: PersonId,
    admin_id: &str,
    reason: &str,
) -> Result<(), LinkError> {
    let mut transaction = pool.begin().await?;
    let mut roots = Vec::new();
    for person in [one, other] {
        let root = sqlx::query_scalar!(
            r#"SELECT coalesce(merged_into, person_id) AS "root!" FROM gc_channel.user_profiles WHERE person_id = $1"#,
            person.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(LinkError::NoPerson)?;
        roots.push(PersonId(root));
    }
    let (one, other) = (roots[0], roots[1]);
    if one == other {
        return Err(LinkError::SamePerson);
    }
    if !merges::queue(&mut transaction, one, other, admin_id, reason).await? {
        return Err(LinkError::Pending);
    }
    log(&mut transaction, one, Some(other), "link_requested", admin_id, Some(reason), None).await?;
    sqlx::query!(
        "UPDATE gc_channel.link_suggestions SET resolved_at = now()
         WHERE resolved_at IS NULL AND person_id = $1 AND other_person_id = $2",
        one.min(other).0,
        one.max(other).0
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

/// Erases everything of the person and of those merged into them, in one transaction; false when there was nothing.
///
/// The files of its messages go with them (see the migration of `media`); the sweeper empties their keys. So does what
/// was put aside and names them, also where it names others beside them: it may not stay.
/// An actor that still has the conversation in memory finds it gone at its next commit and stops. A webhook that is
/// being filed comes before, and is erased too, or after, and is from somebody new.
pub async fn erase(pool: &PgPool, person: PersonId) -> Result<bool, StoreError> {
    let Some((root, merged)) = family(pool, person).await? else { return Ok(false) };
    let everybody: Vec<Uuid> = merged.into_iter().chain([root.0]).collect();
    let mut transaction = pool.begin().await?;
    // Profiles before conversations, as the intake and merges do. Whoever makes a conversation of theirs holds the
    // profile until it is there.
    sqlx::query!(
        "SELECT FROM gc_channel.user_profiles WHERE person_id = ANY($1) ORDER BY person_id FOR UPDATE",
        &everybody
    )
    .execute(&mut *transaction)
    .await?;
    forget_parked(&mut transaction, &everybody).await?;
    let conversations: Vec<uuid::Uuid> = sqlx::query_scalar!(
        "SELECT conversation_id FROM gc_channel.conversations WHERE person_id = ANY($1)
         ORDER BY conversation_id FOR UPDATE",
        &everybody
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
    // Lets the append-only log forget a person, in this transaction only.
    sqlx::query("SELECT set_config('gc_channel.erasing', 'on', true)").execute(&mut *transaction).await?;
    let mut erased = 0;
    for statement in [
        "DELETE FROM gc_channel.person_log WHERE person_id = ANY($1) OR other_person_id = ANY($1)",
        "DELETE FROM gc_channel.link_suggestions WHERE person_id = ANY($1) OR other_person_id = ANY($1)",
        "DELETE FROM gc_channel.commands WHERE kind = 'merge' AND payload -> 'people' ?| $1::uuid[]::text[]",
        "DELETE FROM gc_channel.identities WHERE person_id = ANY($1)",
        "DELETE FROM gc_channel.user_profiles WHERE person_id = ANY($1)",
    ] {
        let result = sqlx::query(statement).bind(&everybody).execute(&mut *transaction).await?;
        erased = result.rows_affected();
    }
    transaction.commit().await?;
    Ok(erased > 0)
}

/// What was put aside and names one of them, by number or user id, in its bytes or in the contacts beside it. A name is a
/// whole value there: a string, with or without the plus of a number, or a JSON number. The bytes need not be text.
async fn forget_parked(connection: &mut PgConnection, people: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query!(
        r#"WITH named (value) AS (
               SELECT value FROM gc_channel.identities WHERE person_id = ANY($1)
               UNION SELECT unnest(ARRAY[phone, bsuid, parent_bsuid]) FROM gc_channel.user_profiles
               WHERE person_id = ANY($1)),
           pattern AS (
               SELECT '(:\s*|"\+?)(' || string_agg(regexp_replace(value, '[^[:alnum:]]', '\\\&', 'g'), '|')
                      || ')("|\s*[],}])' AS named
               FROM named WHERE value <> '')
           DELETE FROM gc_channel.parked_updates u USING pattern
           WHERE encode(u.raw, 'escape') ~ pattern.named OR u.contacts::text ~ pattern.named"#,
        people
    )
    .execute(connection)
    .await?;
    Ok(())
}
