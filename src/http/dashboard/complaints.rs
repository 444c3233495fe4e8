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
    path: ApiPath<String>,
) -> Result<web::Json<Complaint>, Problem> {
    if !is_complaint_id(&path.0) {
        return Err(Problem::not_found("complaint"));
    }
    services::get(&state, Other::Case, &["complaints", &path.0], &(), "complaint").await.map(web::Json)
}

fn is_complaint_id(text: &str) -> bool {
    let digits = |part: Option<&str>, range: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| range.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut parts = text.split('-');
    parts.next() == Some("LAP")
        && digits(parts.next(), 8..=8)
        && digits(parts.next(), 3..=9)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaint_ids_have_one_form() {
        for (text, valid) in [
            ("LAP-20261123-001", true),
            ("LAP-20261123-1000", true),
            ("LAP-20261123-01", false),
            ("lap-20261123-001", false),
            ("stats", false),
            ("..", false),
            ("LAP-20261123-001-2", false),
        ] {
            assert_eq!(is_complaint_id(text), valid, "{text}");
        }
    }
}
