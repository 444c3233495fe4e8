//! The case service's shapes on the wire. Names are the contract's (`kategori`, `alamat`, `deskripsi`, `wa_user_id`).

use std::collections::BTreeMap;

use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::complaint::{ComplaintStatus, ReportChannel, Urgency, limits};
use crate::http::common::{MAX_LIMIT, coordinates, not_blank, not_blank_if_given};
use crate::http::problem::Problem;
use crate::ids::{ConversationId, LapId, PersonId};
use crate::store::case::change::Change;
use crate::store::case::create::NewComplaint;
use crate::store::case::read::{Category, Filter, Stats};
use crate::store::case::{By, Complaint, ComplaintUpdate, Visibility};
use crate::store::page::Page;

/// A complaint to be filed.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewComplaintBody {
    /// Whose it is; absent when entered for somebody unknown to us.
    #[garde(skip)]
    person_id: Option<PersonId>,
    /// How WhatsApp knows the reporter; for display.
    #[garde(inner(length(chars, min = 1, max = limits::WA_USER_ID)))]
    #[schema(min_length = 1, max_length = 128)]
    wa_user_id: Option<String>,
    /// Code of a category in use.
    #[garde(length(chars, min = 1, max = limits::CODE))]
    #[schema(example = "jalan_rusak", min_length = 1, max_length = 48)]
    kategori: String,
    /// Where it is.
    #[garde(length(chars, max = limits::ALAMAT), custom(not_blank))]
    #[schema(example = "Jl. Melati No. 15", min_length = 1, max_length = 1000)]
    alamat: String,
    /// RT/RW as `03/05`.
    #[garde(inner(length(chars, min = 1, max = limits::RT_RW)))]
    #[schema(example = "03/05", min_length = 1, max_length = 32)]
    rt_rw: Option<String>,
    /// What is wrong, in the reporter's words.
    #[garde(length(chars, max = limits::DESKRIPSI), custom(not_blank))]
    #[schema(example = "Banyak lubang", min_length = 1, max_length = 10000)]
    deskripsi: String,
    /// Degrees; together with the longitude or not at all.
    #[garde(inner(range(min = -90.0, max = 90.0)))]
    #[schema(minimum = -90, maximum = 90)]
    latitude: Option<f64>,
    #[garde(inner(range(min = -180.0, max = 180.0)))]
    #[schema(minimum = -180, maximum = 180)]
    longitude: Option<f64>,
    #[garde(skip)]
    #[serde(default)]
    urgency: Urgency,
    #[garde(skip)]
    #[serde(default)]
    channel: ReportChannel,
    /// The conversation it was filed from; its reporter was answered there.
    #[garde(skip)]
    origin_conversation_id: Option<ConversationId>,
}

impl NewComplaintBody {
    pub(super) fn into_new(self) -> Result<NewComplaint, Problem> {
        Ok(NewComplaint {
            person_id: self.person_id,
            wa_user_id: self.wa_user_id,
            kategori: self.kategori,
            alamat: self.alamat,
            rt_rw: self.rt_rw,
            deskripsi: self.deskripsi,
            coordinates: coordinates(self.latitude, self.longitude)?,
            urgency: self.urgency,
            channel: self.channel,
            origin_conversation_id: self.origin_conversation_id,
        })
    }
}

/// What to change; what is absent or null stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// The version that was read; the same as `If-Match`, which wins.
    #[garde(skip)]
    pub(super) version: Option<i64>,
    #[garde(skip)]
    status: Option<ComplaintStatus>,
    #[garde(inner(length(chars, min = 1, max = limits::CODE)))]
    #[schema(min_length = 1, max_length = 48)]
    kategori: Option<String>,
    #[garde(inner(length(chars, max = limits::ALAMAT)), custom(not_blank_if_given))]
    #[schema(min_length = 1, max_length = 1000)]
    alamat: Option<String>,
    #[garde(inner(length(chars, min = 1, max = limits::RT_RW)))]
    #[schema(min_length = 1, max_length = 32)]
    rt_rw: Option<String>,
    #[garde(inner(length(chars, max = limits::DESKRIPSI)), custom(not_blank_if_given))]
    #[schema(min_length = 1, max_length = 10000)]
    deskripsi: Option<String>,
    #[garde(inner(range(min = -90.0, max = 90.0)))]
    #[schema(minimum = -90, maximum = 90)]
    latitude: Option<f64>,
    #[garde(inner(range(min = -180.0, max = 180.0)))]
    #[schema(minimum = -180, maximum = 180)]
    longitude: Option<f64>,
    #[garde(skip)]
    urgency: Option<Urgency>,
    /// Said with the change, or on its own.
    #[garde(inner(length(chars, max = limits::NOTE)), custom(not_blank_if_given))]
    #[schema(min_length = 1, max_length = 10000)]
    note: Option<String>,
    /// Who may read the note.
    #[garde(skip)]
    #[serde(default)]
    visibility: Visibility,
}

impl ChangeBody {
    pub(super) fn into_change(self) -> Result<Change, Problem> {
        Ok(Change {
            status: self.status,
            kategori: self.kategori,
            alamat: self.alamat,
            rt_rw: self.rt_rw,
            deskripsi: self.deskripsi,
            coordinates: coordinates(self.latitude, self.longitude)?,
            urgency: self.urgency,
            note: self.note,
            visibility: self.visibility,
        })
    }
}

/// Which complaints to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[garde(skip)]
    status: Option<ComplaintStatus>,
    /// Code of a category.
    #[garde(inner(length(chars, min = 1, max = limits::CODE)))]
    kategori: Option<String>,
    #[garde(skip)]
    person_id: Option<PersonId>,
    /// Words of the description or the address, or a complaint's number.
    #[garde(inner(length(chars, max = 200)), custom(not_blank_if_given))]
    q: Option<String>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    pub(super) cursor: Option<String>,
    /// Items a page, 1 to 100; 20 when absent.
    #[garde(inner(range(min = 1, max = MAX_LIMIT)))]
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<u32>,
}

impl ListQuery {
    pub(super) fn into_filter(self) -> Filter {
        Filter { status: self.status, kategori: self.kategori, person_id: self.person_id, search: self.q }
    }
}

/// A complaint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComplaintBody {
    complaint_id: LapId,
    person_id: Option<PersonId>,
    wa_user_id: Option<String>,
    kategori: String,
    alamat: String,
    rt_rw: Option<String>,
    deskripsi: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    status: ComplaintStatus,
    /// The statuses that may follow.
    allowed_statuses: &'static [ComplaintStatus],
    urgency: Urgency,
    channel: ReportChannel,
    origin_conversation_id: Option<ConversationId>,
    /// Adds one with every change; the ETag.
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Complaint> for ComplaintBody {
    fn from(complaint: Complaint) -> Self {
        ComplaintBody {
            complaint_id: complaint.id,
            person_id: complaint.person_id,
            wa_user_id: complaint.wa_user_id,
            kategori: complaint.kategori,
            alamat: complaint.alamat,
            rt_rw: complaint.rt_rw,
            deskripsi: complaint.deskripsi,
            latitude: complaint.coordinates.map(|coordinates| coordinates.latitude),
            longitude: complaint.coordinates.map(|coordinates| coordinates.longitude),
            status: complaint.status,
            allowed_statuses: complaint.status.may_become(),
            urgency: complaint.urgency,
            channel: complaint.channel,
            origin_conversation_id: complaint.origin_conversation_id,
            version: complaint.version,
            created_at: complaint.created_at,
            updated_at: complaint.updated_at,
        }
    }
}

/// One page of complaints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ComplaintPage {
    items: Vec<ComplaintBody>,
    /// Pass it as `cursor` for the next page; null on the last.
    next_cursor: Option<String>,
}

impl From<Page<Complaint>> for ComplaintPage {
    fn from(page: Page<Complaint>) -> Self {
        ComplaintPage {
            items: page.items.into_iter().map(ComplaintBody::from).collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// One change of a complaint.
#[derive(Debug, Serialize, ToSchema)]
struct UpdateBody {
    update_id: Uuid,
    /// The complaint's version after the change.
    version: i64,
    /// citizen, officer or service.
    actor_kind: &'static str,
    actor_id: Option<String>,
    from_status: Option<ComplaintStatus>,
    to_status: ComplaintStatus,
    /// Other fields, each with what it was and became.
    changes: Value,
    note: Option<String>,
    visibility: Visibility,
    created_at: Timestamp,
}

impl From<ComplaintUpdate> for UpdateBody {
    fn from(update: ComplaintUpdate) -> Self {
        let (actor_kind, actor_id) = match update.by {
            By::Citizen(person) => ("citizen", person.map(|person| person.to_string())),
            By::Officer(id) => ("officer", Some(id)),
            By::Service => ("service", None),
        };
        UpdateBody {
            update_id: update.id,
            version: update.version,
            actor_kind,
            actor_id,
            from_status: update.from,
            to_status: update.to,
            changes: update.changes,
            note: update.note,
            visibility: update.visibility,
            created_at: update.created_at,
        }
    }
}

/// The history of a complaint. It comes whole: a complaint has tens of changes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UpdateList {
    items: Vec<UpdateBody>,
    next_cursor: Option<String>,
}

impl From<Vec<ComplaintUpdate>> for UpdateList {
    fn from(updates: Vec<ComplaintUpdate>) -> Self {
        UpdateList { items: updates.into_iter().map(UpdateBody::from).collect(), next_cursor: None }
    }
}

/// How many complaints there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsBody {
    total: i64,
    /// Filed on the office's present local day.
    today: i64,
    /// Every status.
    by_status: BTreeMap<ComplaintStatus, i64>,
    /// Categories that have any.
    by_kategori: BTreeMap<String, i64>,
}

impl From<Stats> for StatsBody {
    fn from(stats: Stats) -> Self {
        StatsBody {
            total: stats.total,
            today: stats.today,
            by_status: stats.by_status,
            by_kategori: stats.by_kategori,
        }
    }
}

/// What complaints can be about.
#[derive(Debug, Serialize, ToSchema)]
struct CategoryBody {
    code: String,
    name: String,
    description: String,
    examples: Vec<String>,
    /// Words citizens use for it.
    keywords: Vec<String>,
    /// Whether new complaints may use it.
    active: bool,
}

/// All categories.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CategoryList {
    items: Vec<CategoryBody>,
    next_cursor: Option<String>,
}

impl From<Vec<Category>> for CategoryList {
    fn from(categories: Vec<Category>) -> Self {
        let items = categories
            .into_iter()
            .map(|category| CategoryBody {
                code: category.code,
                name: category.name,
                description: category.description,
                examples: category.examples,
                keywords: category.keywords,
                active: category.active,
            })
            .collect();
        CategoryList { items, next_cursor: None }
    }
}

/// What this service holds of a person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PersonBody {
    person_id: PersonId,
    complaints: Vec<ComplaintBody>,
}

impl PersonBody {
    pub(super) fn new(person_id: PersonId, complaints: Vec<Complaint>) -> Self {
        PersonBody { person_id, complaints: complaints.into_iter().map(ComplaintBody::from).collect() }
    }
}

/// What an erasure did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErasedBody {
    pub(super) person_id: PersonId,
    /// How many complaints were emptied.
    pub(super) complaints: u64,
}
