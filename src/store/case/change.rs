//! Changing a complaint: under a row lock, along the transition table, with one append-only update row and one event
//! for every change, in the same transaction.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::{PgPool, PgTransaction};
use uuid::Uuid;

use super::{By, CaseError, Complaint, ComplaintRow, Visibility, event_body, urgency_as_str, violates};
use crate::complaint::{ComplaintStatus, Coordinates, Urgency};
use crate::ids::{CallId, LapId, PersonId};
use crate::store::Timestamptz;
use crate::store::text::storable_option;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    pub status: Option<ComplaintStatus>,
    pub kategori: Option<String>,
    pub alamat: Option<String>,
    pub rt_rw: Option<String>,
    pub deskripsi: Option<String>,
    pub coordinates: Option<Coordinates>,
    pub urgency: Option<Urgency>,
    pub note: Option<String>,
    /// Who may read the note.
    pub visibility: Visibility,
}

impl Change {
    fn storable(&self) -> Self {
        Change {
            kategori: storable_option(self.kategori.as_deref()),
            alamat: storable_option(self.alamat.as_deref()),
            rt_rw: storable_option(self.rt_rw.as_deref()),
            deskripsi: storable_option(self.deskripsi.as_deref()),
            note: storable_option(self.note.as_deref()),
            ..self.clone()
        }
    }

    /// The complaint as it is to be, and which fields other than the status differ.
    fn applied_to(&self, before: &Complaint) -> (Complaint, Map<String, Value>) {
        let mut after = before.clone();
        let mut changes = Map::new();
        let mut text = |name: &str, field: &mut String, new: &Option<String>| {
            if let Some(new) = new.as_ref().filter(|new| *new != field) {
                changes.insert(name.into(), json!({"from": field, "to": new}));
                field.clone_from(new);
            }
        };
        text("kategori", &mut after.kategori, &self.kategori);
        text("alamat", &mut after.alamat, &self.alamat);
        text("deskripsi", &mut after.deskripsi, &self.deskripsi);
        if self.rt_rw.is_some() && self.rt_rw != after.rt_rw {
            changes.insert("rt_rw".into(), json!({"from": after.rt_rw, "to": self.rt_rw}));
            after.rt_rw.clone_from(&self.rt_rw);
        }
        if self.coordinates.is_some() && self.coordinates != after.coordinates {
            changes.insert("coordinates".into(), json!({"from": after.coordinates, "to": self.coordinates}));
            after.coordinates = self.coordinates;
        }
        if let Some(urgency) = self.urgency.filter(|urgency| *urgency != after.urgency) {
            changes.insert("urgency".into(), json!({"from": after.urgency, "to": urgency}));
            after.urgency = urgency;
        }
        if let Some(status) = self.status {
            after.status = status;
        }
        (after, changes)
    }
}

/// Makes a change, if `expected` versions (when given) contain the present one. A change that changes nothing and says
/// nothing leaves no trace.
///
/// # Errors
/// [`CaseError::NotFound`], [`CaseError::VersionConflict`], [`CaseError::IllegalMove`],
/// [`CaseError::UnknownCategory`], or the store's.
pub async fn update(
    pool: &PgPool,
    id: LapId,
    expected: Option<&[i64]>,
    change: &Change,
    by: &By,
    now: Timestamp,
) -> Result<Complaint, CaseError> {
    let mut transaction = pool.begin().await?;
    let before = locked(&mut transaction, id).await?;
    if expected.is_some_and(|expected| !expected.contains(&before.version)) {
        return Err(CaseError::VersionConflict { current: before.version });
    }
    let after = apply(&mut transaction, &before, change, by, None, now).await?;
    transaction.commit().await?;
    Ok(after)
}

/// What a reporter changes or adds; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amendment {
    pub kategori: Option<String>,
    pub alamat: Option<String>,
    pub rt_rw: Option<String>,
    pub coordinates: Option<Coordinates>,
    /// Told beyond the description.
    pub addition: Option<String>,
}

impl Amendment {
    /// As a change of this complaint. Nobody has looked at a new one yet, so its fields are the reporter's; later only the
    /// place of an emergency is, and the rest is a note for whoever works on it.
    fn of(&self, before: &Complaint) -> Change {
        let new = before.status == ComplaintStatus::Baru;
        let placeable = new || before.urgency == Urgency::Emergency;
        let mut note: Vec<String> = self.addition.iter().cloned().collect();
        let mut told = |what: &str, value: &Option<String>, taken: bool| {
            note.extend(value.iter().filter(|_| !taken).map(|value| format!("{what}: {value}")));
            value.clone().filter(|_| taken)
        };
        let kategori = told("Kategori", &self.kategori, new);
        let alamat = told("Lokasi", &self.alamat, placeable);
        let rt_rw = told("RT/RW", &self.rt_rw, placeable);
        let pin = self.coordinates.filter(|_| !placeable);
        note.extend(pin.map(|pin| format!("Pin lokasi: {:.5}, {:.5}", pin.latitude, pin.longitude)));
        Change {
            kategori,
            alamat,
            rt_rw,
            coordinates: self.coordinates.filter(|_| placeable),
            note: (!note.is_empty()).then(|| note.join("\n")),
            visibility: Visibility::Public,
            ..Change::default()
        }
    }
}

/// Changes or adds to a complaint on behalf of its reporter. Asked again with the same key, it answers with the complaint
/// as it stands.
///
/// # Errors
/// [`CaseError::NotFound`] also when it is somebody else's, [`CaseError::IllegalMove`] when the office is done with it,
/// [`CaseError::UnknownCategory`], or the store's.
pub async fn amend(
    pool: &PgPool,
    key: CallId,
    id: LapId,
    person: PersonId,
    amendment: &Amendment,
    now: Timestamp,
) -> Result<Complaint, CaseError> {
    let mut transaction = pool.begin().await?;
    let before = locked(&mut transaction, id).await?;
    if before.person_id != Some(person) {
        return Err(CaseError::NotFound);
    }
    let key = key.to_string();
    if was_done(&mut transaction, &key, id).await? {
        return Ok(before);
    }
    if !before.status.is_open() {
        return Err(CaseError::IllegalMove { from: before.status, to: before.status });
    }
    let by = By::Citizen(Some(person));
    let after = apply(&mut transaction, &before, &amendment.of(&before), &by, Some(&key), now).await?;
    transaction.commit().await?;
    Ok(after)
}

/// Whether the change of this key is there already.
async fn was_done(transaction: &mut PgTransaction<'_>, key: &str, id: LapId) -> Result<bool, CaseError> {
    let done = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM gc_case.complaint_updates WHERE request_key = $1 AND complaint_id = $2) AS "done!""#,
        key,
        id.to_string()
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(done)
}

/// Withdraws a complaint on behalf of its reporter. Asked again with the same key, or of a complaint that was
/// withdrawn already, it answers with the complaint as it stands.
///
/// # Errors
/// [`CaseError::NotFound`] also when it is somebody else's, [`CaseError::IllegalMove`], or the store's.
pub async fn cancel(
    pool: &PgPool,
    key: CallId,
    id: LapId,
    person: PersonId,
    now: Timestamp,
) -> Result<Complaint, CaseError> {
    let mut transaction = pool.begin().await?;
    let before = locked(&mut transaction, id).await?;
    if before.person_id != Some(person) {
        return Err(CaseError::NotFound);
    }
    let key = key.to_string();
    if was_done(&mut transaction, &key, id).await? || before.status == ComplaintStatus::Dibatalkan {
        return Ok(before);
    }
    let change = Change { status: Some(ComplaintStatus::Dibatalkan), ..Change::default() };
    let by = By::Citizen(Some(person));
    let after = apply(&mut transaction, &before, &change, &by, Some(&key), now).await?;
    transaction.commit().await?;
    Ok(after)
}

async fn locked(transaction: &mut PgTransaction<'_>, id: LapId) -> Result<Complaint, CaseError> {
    let row = sqlx::query_as!(
        ComplaintRow,
        "SELECT complaint_id, person_id, wa_user_id, kategori, alamat, rt_rw, deskripsi, latitude, longitude, status,
             urgency, channel, origin_conversation_id, version, created_at, updated_at
         FROM gc_case.complaints WHERE complaint_id = $1 FOR NO KEY UPDATE",
        id.to_string()
    )
    .fetch_optional(&mut **transaction)
    .await?
    .ok_or(CaseError::NotFound)?;
    Ok(row.try_into()?)
}

async fn apply(
    transaction: &mut PgTransaction<'_>,
    before: &Complaint,
    change: &Change,
    by: &By,
    request_key: Option<&str>,
    now: Timestamp,
) -> Result<Complaint, CaseError> {
    let change = change.storable();
    let (after, changes) = change.applied_to(before);
    let moved = after.status != before.status;
    if moved && !before.status.allows(after.status) {
        return Err(CaseError::IllegalMove { from: before.status, to: after.status });
    }
    if !moved && changes.is_empty() && change.note.is_none() {
        return Ok(after);
    }
    if changes.contains_key("kategori") && !category_is_active(transaction, &after.kategori).await? {
        return Err(CaseError::UnknownCategory);
    }
    let after = store(transaction, &after, now).await?;
    append_update(transaction, before, &after, &change, &changes, by, request_key, now).await?;
    // What the reporter wrote is no news to the reporter.
    let told = change.visibility == Visibility::Public && !matches!(by, By::Citizen(_));
    let public_note = change.note.as_deref().filter(|_| told);
    let body = event_body(&after, moved.then_some(before.status), public_note);
    sqlx::query!(
        "INSERT INTO gc_case.event_outbox (event_id, routing_key, subject, body, occurred_at)
         VALUES ($1, 'govconnect.complaint.updated', $2, $3, $4)",
        Uuid::now_v7(),
        after.id.to_string(),
        body,
        Timestamptz::from(now) as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(after)
}

async fn category_is_active(transaction: &mut PgTransaction<'_>, code: &str) -> Result<bool, CaseError> {
    let active = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM gc_case.categories WHERE code = $1 AND active) AS "active!""#,
        code
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(active)
}

async fn store(
    transaction: &mut PgTransaction<'_>,
    after: &Complaint,
    now: Timestamp,
) -> Result<Complaint, CaseError> {
    let row = sqlx::query_as!(
        ComplaintRow,
        "UPDATE gc_case.complaints
         SET kategori = $2, alamat = $3, rt_rw = $4, deskripsi = $5, latitude = $6, longitude = $7, status = $8,
             urgency = $9, version = version + 1, updated_at = greatest(updated_at, $10)
         WHERE complaint_id = $1
         RETURNING complaint_id, person_id, wa_user_id, kategori, alamat, rt_rw, deskripsi, latitude, longitude, status,
             urgency, channel, origin_conversation_id, version, created_at, updated_at",
        after.id.to_string(),
        after.kategori,
        after.alamat,
        after.rt_rw,
        after.deskripsi,
        after.coordinates.map(|coordinates| coordinates.latitude),
        after.coordinates.map(|coordinates| coordinates.longitude),
        after.status.as_str(),
        urgency_as_str(after.urgency),
        Timestamptz::from(now) as _
    )
    .fetch_one(&mut **transaction)
    .await
    .map_err(|error| match violates(&error, "complaints_kategori_fkey") {
        true => CaseError::UnknownCategory,
        false => error.into(),
    })?;
    Ok(row.try_into()?)
}

#[expect(clippy::too_many_arguments, reason = "one row's columns; a struct of them would be made here only")]
async fn append_update(
    transaction: &mut PgTransaction<'_>,
    before: &Complaint,
    after: &Complaint,
    change: &Change,
    changes: &Map<String, Value>,
    by: &By,
    request_key: Option<&str>,
    now: Timestamp,
) -> Result<(), CaseError> {
    let (actor_kind, actor_id) = by.columns();
    let visibility: &'static str = change.visibility.into();
    sqlx::query!(
        "INSERT INTO gc_case.complaint_updates (update_id, complaint_id, version, request_key, actor_kind, actor_id,
             from_status, to_status, changes, note, visibility, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        Uuid::now_v7(),
        after.id.to_string(),
        after.version,
        request_key,
        actor_kind,
        actor_id,
        before.status.as_str(),
        after.status.as_str(),
        Value::Object(changes.clone()),
        change.note,
        visibility,
        Timestamptz::from(now) as _
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
