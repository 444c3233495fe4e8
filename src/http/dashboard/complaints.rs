//! Complaints as officers see them, read from the case service.

use actix_web::{get, web};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::DashboardState;
use super::services::{self, Other};
use crate::http::extract::{ApiPath, ApiQuery};
use crate::http::problem::Problem;
use crate::ids::LapId;

/// Which complaints, and from where on.
#[derive(Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ComplaintFilter {
    /// Only with this status.
    #[garde(length(max = 40))]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Only of this category.
    #[garde(length(max = 80))]
    #[serde(skip_serializing_if = "Option::is_none")]
    kategori: Option<String>,
    /// Words to look for, or a complaint's number.
    #[garde(length(chars, max = 200))]
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    /// Where the page before ended (`next_cursor`).
    #[garde(length(max = 500))]
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    /// Complaints a page, 1 to 100.
    #[garde(range(min = 1, max = 100))]
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

/// A page of complaints, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ComplaintPage {
    pub items: Vec<Complaint>,
    /// `null`: there are no more.
    #[serde(default)]
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What a citizen complained about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Complaint {
    /// `LAP-YYYYMMDD-NNN`.
    pub complaint_id: String,
    /// `null`: entered for somebody unknown, or erased.
    #[serde(default)]
    #[schema(required)]
    pub person_id: Option<Uuid>,
    /// The reporter's number, or their WhatsApp id where that is hidden.
    #[serde(default)]
    #[schema(required)]
    pub wa_user_id: Option<String>,
    pub kategori: String,
    #[serde(default)]
    #[schema(required)]
    pub alamat: Option<String>,
    #[serde(default)]
    #[schema(required)]
    pub rt_rw: Option<String>,
    pub deskripsi: String,
    pub status: String,
    #[serde(default)]
    #[schema(required)]
    pub urgency: Option<String>,
    /// Where it was reported, if on WhatsApp.
    #[serde(default)]
    #[schema(required)]
    pub origin_conversation_id: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    pub version: i64,
}

/// The history of a complaint.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ComplaintUpdateList {
    pub items: Vec<ComplaintUpdate>,
}

/// One change of a complaint.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ComplaintUpdate {
    pub update_id: Uuid,
    /// `citizen`, `officer` or `service`.
    pub actor_kind: String,
    #[serde(default)]
    #[schema(required)]
    pub from_status: Option<String>,
    pub to_status: String,
    #[serde(default)]
    #[schema(required)]
    pub note: Option<String>,
    /// `public` notes were told to the citizen, `internal` ones were not.
    pub visibility: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Complaints, newest first.
#[utoipa::path(tag = "complaints", params(ComplaintFilter), responses(
    (status = 200, body = ComplaintPage), (status = 503, description = "the case service is away", body = Problem),
))]
#[get("/complaints")]
pub async fn list_complaints(
    state: web::Data<DashboardState>,
    filter: ApiQuery<ComplaintFilter>,
) -> Result<web::Json<ComplaintPage>, Problem> {
    services::get(&state, Other::Case, &["complaints"], &filter.0, "list").await.map(web::Json)
}

/// One complaint.
#[utoipa::path(tag = "complaints", params(("complaint_id" = String, Path, description = "`LAP-YYYYMMDD-NNN`")),
    responses((status = 200, body = Complaint), (status = 404, body = Problem), (status = 503, body = Problem)))]
#[get("/complaints/{complaint_id}")]
pub async fn get_complaint(
    state: web::Data<DashboardState>,
    path: ApiPath<LapId>,
) -> Result<web::Json<Complaint>, Problem> {
    services::get(&state, Other::Case, &["complaints", &path.0.to_string()], &(), "complaint")
        .await
        .map(web::Json)
}

/// What has become of a complaint, oldest first.
#[utoipa::path(tag = "complaints", params(("complaint_id" = String, Path, description = "`LAP-YYYYMMDD-NNN`")),
    responses((status = 200, body = ComplaintUpdateList), (status = 404, body = Problem), (status = 503, body = Problem)))]
#[get("/complaints/{complaint_id}/updates")]
pub async fn list_complaint_updates(
    state: web::Data<DashboardState>,
    path: ApiPath<LapId>,
) -> Result<web::Json<ComplaintUpdateList>, Problem> {
    let path = ["complaints", &path.0.to_string(), "updates"];
    services::get(&state, Other::Case, &path, &(), "complaint").await.map(web::Json)
}
