//! Reading complaints: one, lists, their history, counts and the categories.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{PgPool, QueryBuilder};
use strum::IntoEnumIterator;

use super::{By, COLUMNS, CaseError, Complaint, ComplaintRow, ComplaintUpdate, parse};
use crate::complaint::ComplaintStatus;
use crate::ids::{LapId, PersonId};
use crate::store::page::{Cursor, Page};
use crate::store::text::storable;
use crate::store::{StoreError, Timestamptz};

/// One complaint.
///
/// # Errors
/// [`CaseError::NotFound`], or the store's.
pub async fn get(pool: &PgPool, id: LapId) -> Result<Complaint, CaseError> {
    let row = sqlx::query_as!(
        ComplaintRow,
        "SELECT complaint_id, person_id, wa_user_id, kategori, alamat, rt_rw, deskripsi, latitude, longitude, status,
             urgency, channel, origin_conversation_id, version, created_at, updated_at
         FROM gc_case.complaints WHERE complaint_id = $1",
        id.to_string()
    )
    .fetch_optional(pool)
    .await?
    .ok_or(CaseError::NotFound)?;
    Ok(row.try_into()?)
}

/// Which complaints a list shows; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub status: Option<ComplaintStatus>,
    pub kategori: Option<String>,
    pub person_id: Option<PersonId>,
    /// Words to find in the description and the address, as people type into a search box, or a complaint's number.
    pub search: Option<String>,
}

/// One page, newest first. The one place where SQL is put together at run time: every combination of filters gets
/// a statement of its own, so that the planner sees only the conditions there are.
///
/// # Errors
/// The store's.
pub async fn list(
    pool: &PgPool,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Page<Complaint>, CaseError> {
    let mut query =
        QueryBuilder::<sqlx::Postgres>::new(format!("SELECT {COLUMNS} FROM gc_case.complaints WHERE true"));
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(kategori) = &filter.kategori {
        query.push(" AND kategori = ").push_bind(storable(kategori));
    }
    if let Some(person) = filter.person_id {
        query.push(" AND person_id = ").push_bind(person.0);
    }
    if let Some(search) = &filter.search {
        match search.parse::<LapId>() {
            Ok(id) => query.push(" AND complaint_id = ").push_bind(id.to_string()),
            Err(_) => query
                .push(" AND search @@ websearch_to_tsquery('indonesian'::regconfig, ")
                .push_bind(storable(search))
                .push(")"),
        };
    }
    if let Some(after) = after {
        query
            .push(" AND (created_at, complaint_id) < (")
            .push_bind(Timestamptz::from(after.created_at))
            .push(", ")
            .push_bind(after.id.clone())
            .push(")");
    }
    query.push(" ORDER BY created_at DESC, complaint_id DESC LIMIT ").push_bind(i64::from(limit) + 1);
    let rows: Vec<ComplaintRow> = query.build_query_as().fetch_all(pool).await?;
    let complaints: Vec<Complaint> =
        rows.into_iter().map(Complaint::try_from).collect::<Result<_, StoreError>>()?;
    Ok(Page::from_rows(complaints, limit, |complaint| Cursor {
        created_at: complaint.created_at,
        id: complaint.id.to_string(),
    }))
}

/// Everything that happened to a complaint, oldest first.
///
/// # Errors
/// [`CaseError::NotFound`], or the store's.
pub async fn updates(pool: &PgPool, id: LapId) -> Result<Vec<ComplaintUpdate>, CaseError> {
    let rows = sqlx::query!(
        "SELECT update_id, version, actor_kind, actor_id, from_status, to_status, changes, note, visibility, created_at
         FROM gc_case.complaint_updates WHERE complaint_id = $1 ORDER BY version",
        id.to_string()
    )
    .fetch_all(pool)
    .await?;
    // A complaint has a first row from the moment it exists.
    if rows.is_empty() {
        return Err(CaseError::NotFound);
    }
    rows.into_iter()
        .map(|row| {
            Ok(ComplaintUpdate {
                id: row.update_id,
                version: row.version,
                by: By::from_columns(&row.actor_kind, row.actor_id)?,
                from: row.from_status.map(|status| parse("from_status", &status)).transpose()?,
                to: parse("to_status", &row.to_status)?,
                changes: row.changes,
                note: row.note,
                visibility: parse("visibility", &row.visibility)?,
                created_at: row.created_at.to_jiff(),
            })
        })
        .collect()
}

/// The newest word of the office that the citizen may read.
///
/// # Errors
/// The store's.
pub async fn last_public_note(pool: &PgPool, id: LapId) -> Result<Option<String>, CaseError> {
    let note = sqlx::query_scalar!(
        r#"SELECT note AS "note!" FROM gc_case.complaint_updates
           WHERE complaint_id = $1 AND visibility = 'public' AND actor_kind <> 'citizen' AND note IS NOT NULL
           ORDER BY version DESC LIMIT 1"#,
        id.to_string()
    )
    .fetch_optional(pool)
    .await?;
    Ok(note)
}

/// How many complaints there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub total: i64,
    /// Filed on the office's present local day.
    pub today: i64,
    /// Every status, also those at zero.
    pub by_status: BTreeMap<ComplaintStatus, i64>,
    /// Categories that have any.
    pub by_kategori: BTreeMap<String, i64>,
}

/// Counts all complaints, in one snapshot.
///
/// # Errors
/// The store's.
pub async fn stats(pool: &PgPool, now: Timestamp, time_zone: &TimeZone) -> Result<Stats, CaseError> {
    let midnight = now
        .to_zoned(time_zone.clone())
        .start_of_day()
        .map_err(|error| StoreError::Corrupt(format!("local midnight: {error}")))?
        .timestamp();
    let groups = sqlx::query!(
        r#"SELECT status, kategori, count(*) AS "count!", count(*) FILTER (WHERE created_at >= $1) AS "today!"
           FROM gc_case.complaints GROUP BY status, kategori"#,
        Timestamptz::from(midnight) as _
    )
    .fetch_all(pool)
    .await?;
    let mut stats =
        Stats { by_status: ComplaintStatus::iter().map(|status| (status, 0)).collect(), ..Stats::default() };
    for group in groups {
        stats.total += group.count;
        stats.today += group.today;
        *stats.by_status.entry(parse("status", &group.status)?).or_default() += group.count;
        *stats.by_kategori.entry(group.kategori).or_default() += group.count;
    }
    Ok(stats)
}

/// What complaints can be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    pub code: String,
    pub name: String,
    pub description: String,
    pub examples: Vec<String>,
    /// Words citizens use for it.
    pub keywords: Vec<String>,
    /// Whether new complaints may use it.
    pub active: bool,
}

/// All categories in the order in which people are shown them.
///
/// # Errors
/// The store's.
pub async fn categories(pool: &PgPool) -> Result<Vec<Category>, CaseError> {
    let categories = sqlx::query_as!(
        Category,
        "SELECT code, name, description, examples, keywords, active FROM gc_case.categories ORDER BY sort, code"
    )
    .fetch_all(pool)
    .await?;
    Ok(categories)
}
