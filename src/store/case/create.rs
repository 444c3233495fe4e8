//! Filing a complaint: one statement draws the day's number and stores the complaint, its first update row and its
//! event, or nothing at all.
//!
//! The counter row is locked from the draw to the commit, so numbers have no gaps: whatever is refused after
//! the draw (an unknown category, a key that a concurrent request just used) rolls the number back too. To keep that lock
//! short there is no round trip between the draw and the commit, and a repeated key is looked for before.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::{By, CaseError, Complaint, ComplaintRow, people, urgency_as_str, violates};
use crate::complaint::{ComplaintStatus, Coordinates, ReportChannel, Urgency};
use crate::ids::{ConversationId, PersonId};
use crate::store::text::{storable, storable_option};
use crate::store::{Date, StoreError, Timestamptz};

/// A complaint to be filed. Serialized only to be compared with a repetition of itself: a field that is added later
/// must be left out of it while it is absent, or repetitions across the upgrade would count as different.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewComplaint {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wa_user_id: Option<String>,
    pub kategori: String,
    pub alamat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rt_rw: Option<String>,
    pub deskripsi: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
    pub urgency: Urgency,
    pub channel: ReportChannel,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_conversation_id: Option<ConversationId>,
}

/// What came of a request to file.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    pub complaint: Complaint,
    /// False when the key had been used with the same body before: this is that complaint as it stands now.
    pub new: bool,
}

impl NewComplaint {
    fn storable(&self) -> Self {
        NewComplaint {
            wa_user_id: storable_option(self.wa_user_id.as_deref()),
            kategori: storable(&self.kategori),
            alamat: storable(&self.alamat),
            rt_rw: storable_option(self.rt_rw.as_deref()),
            deskripsi: storable(&self.deskripsi),
            ..self.clone()
        }
    }

    fn hash(&self) -> Result<Vec<u8>, CaseError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| StoreError::Corrupt(format!("new complaint: {error}")))?;
        Ok(digest(&SHA256, &bytes).as_ref().to_vec())
    }
}

/// Files a complaint under the next number of the office's local day, once a key.
///
/// # Errors
/// [`CaseError::KeyReused`], [`CaseError::UnknownCategory`], [`CaseError::NumbersExhausted`], or the store's.
pub async fn create(
    pool: &PgPool,
    key: Option<&str>,
    new: &NewComplaint,
    now: Timestamp,
    time_zone: &TimeZone,
) -> Result<Filed, CaseError> {
    let new = new.storable();
    let hash = new.hash()?;
    if let Some(key) = key
        && let Some(filed) = filed_before(pool, key, &hash).await?
    {
        return Ok(filed);
    }
    // The hash is that of the request; the owner is who that person is by now.
    let mut owned = new.clone();
    if let Some(person) = new.person_id {
        owned.person_id = Some(people::present(pool, person).await?);
    }
    match insert(pool, key, &owned, &hash, now, time_zone).await {
        Ok(Some(row)) => {
            let mut complaint: Complaint = row.try_into()?;
            if let Some(person) = owned.person_id {
                let present = people::present(pool, person).await?;
                if present != person {
                    people::merge(pool, person, present, now).await?;
                    complaint = super::read::get(pool, complaint.id).await?;
                }
            }
            Ok(Filed { complaint, new: true })
        }
        // The statement begins with the category: without one there is no number and no row.
        Ok(None) => Err(CaseError::UnknownCategory),
        Err(error) if violates(&error, "complaints_complaint_id_check") => Err(CaseError::NumbersExhausted),
        // A concurrent request with the same key was first; ours left no trace, its number included.
        Err(error) if violates(&error, "complaints_idempotency_key_key") => match key {
            Some(key) => filed_before(pool, key, &hash).await?.ok_or_else(|| CaseError::from(error)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn filed_before(pool: &PgPool, key: &str, hash: &[u8]) -> Result<Option<Filed>, CaseError> {
    let before = sqlx::query!(
        "SELECT complaint_id, request_hash FROM gc_case.complaints WHERE idempotency_key = $1",
        key
    )
    .fetch_optional(pool)
    .await?;
    let Some(before) = before else { return Ok(None) };
    if before.request_hash != hash {
        return Err(CaseError::KeyReused);
    }
    let id = super::parse("complaint_id", &before.complaint_id)?;
    let complaint = super::read::get(pool, id).await?;
    Ok(Some(Filed { complaint, new: false }))
}

async fn insert(
    pool: &PgPool,
    key: Option<&str>,
    new: &NewComplaint,
    hash: &[u8],
    now: Timestamp,
    time_zone: &TimeZone,
) -> Result<Option<ComplaintRow>, sqlx::Error> {
    let day = now.to_zoned(time_zone.clone()).date();
    let mut event = serde_json::json!({
        "person_id": new.person_id,
        "wa_user_id": new.wa_user_id,
        "kategori": new.kategori,
        "status": ComplaintStatus::Baru,
    });
    if let Some(conversation) = new.origin_conversation_id {
        event["origin_conversation_id"] = serde_json::json!(conversation);
    }
    let (actor_kind, actor_id) = match new.person_id {
        Some(person) => By::Citizen(Some(person)).columns(),
        None => By::Service.columns(),
    };
    sqlx::query_as!(
        ComplaintRow,
        r#"
        WITH number AS (
            INSERT INTO gc_case.daily_numbers AS counter (day, last)
            SELECT $1, 1 FROM gc_case.categories WHERE code = $7 AND active
            ON CONFLICT (day) DO UPDATE SET last = counter.last + 1
            RETURNING gc_case.lap_id(day, last) AS complaint_id
        ), complaint AS (
            INSERT INTO gc_case.complaints (complaint_id, idempotency_key, request_hash, person_id, wa_user_id, kategori,
                alamat, rt_rw, deskripsi, latitude, longitude, urgency, channel, origin_conversation_id,
                created_at, updated_at)
            SELECT complaint_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $2, $2 FROM number
            RETURNING *
        ), first_update AS (
            INSERT INTO gc_case.complaint_updates
                (update_id, complaint_id, version, actor_kind, actor_id, to_status, visibility, created_at)
            SELECT $16, complaint_id, version, $17, $18, status, 'public', $2 FROM complaint
        ), event AS (
            INSERT INTO gc_case.event_outbox (event_id, routing_key, subject, body, occurred_at)
            SELECT $19, 'govconnect.complaint.created', complaint_id,
                jsonb_build_object('complaint_id', complaint_id) || $20::jsonb, $2 FROM complaint
        )
        SELECT complaint_id AS "complaint_id!", person_id, wa_user_id, kategori AS "kategori!", alamat AS "alamat!", rt_rw,
            deskripsi AS "deskripsi!", latitude, longitude, status AS "status!", urgency AS "urgency!",
            channel AS "channel!", origin_conversation_id, version AS "version!",
            created_at AS "created_at!", updated_at AS "updated_at!"
        FROM complaint
        "#,
        Date::from(day) as _,
        Timestamptz::from(now) as _,
        key,
        hash,
        new.person_id.map(|person| person.0),
        new.wa_user_id,
        new.kategori,
        new.alamat,
        new.rt_rw,
        new.deskripsi,
        new.coordinates.map(|coordinates| coordinates.latitude),
        new.coordinates.map(|coordinates| coordinates.longitude),
        urgency_as_str(new.urgency),
        new.channel.as_str(),
        new.origin_conversation_id.map(|conversation| conversation.0),
        Uuid::now_v7(),
        actor_kind,
        actor_id,
        Uuid::now_v7(),
        event,
    )
    .fetch_optional(pool)
    .await
}
