//! The office's profile, for the services that introduce themselves in its name.

use actix_web::{get, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::ToSchema;

use super::{DashboardState, store_problem};
use crate::clock::Clock;
use crate::http::problem::Problem;
use crate::store::StoreError;
use crate::store::dashboard::office;

/// What citizens are told of the office.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfficeProfile {
    /// As the bot names it: "Kantor Kelurahan Sukamaju".
    pub name: String,
    /// An IANA zone.
    pub time_zone: String,
    /// Told first in an emergency, as "label: number".
    #[serde(default)]
    pub emergency_numbers: Vec<String>,
    #[serde(default)]
    #[schema(required)]
    pub address: Option<String>,
    /// When the counters are open; empty: not known.
    #[serde(default)]
    pub hours: Vec<OpeningHours>,
    /// Days on which they are not, whatever the weekday.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

/// One stretch of one weekday.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpeningHours {
    /// 1 Monday … 7 Sunday.
    pub weekday: u8,
    /// "08:00", in the office's zone.
    pub from: String,
    /// "15:30".
    pub to: String,
}

/// A day off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Holiday {
    #[schema(value_type = String, format = Date)]
    pub date: jiff::civil::Date,
    pub name: String,
}

/// The profile with its version.
#[derive(Serialize, ToSchema)]
pub struct Office {
    profile: OfficeProfile,
    /// Rises with every change.
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Stores the profile that the settings give, unless the office has one already. Called at start.
///
/// # Errors
/// When the database does not take it.
pub async fn ensure_profile(pool: &PgPool, clock: &Clock, profile: &OfficeProfile) -> Result<(), StoreError> {
    let value = serde_json::to_value(profile).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    office::create_if_missing(pool, &value, clock.now()).await
}

/// The office's profile, hours, holidays and emergency numbers.
#[utoipa::path(tag = "office", security(("internal_api_key" = [])), responses(
    (status = 200, body = Office), (status = 404, description = "the office is not set up yet", body = Problem),
))]
#[get("/office")]
pub async fn get_office(state: web::Data<DashboardState>) -> Result<web::Json<Office>, Problem> {
    let (profile, stored) = profile(&state.pool)
        .await
        .map_err(store_problem)?
        .ok_or_else(|| Problem::not_found("office profile"))?;
    Ok(web::Json(Office { profile, version: stored.version, updated_at: stored.updated_at }))
}

/// The profile and the row it was read from; `None` until the office is set up.
pub(super) async fn profile(pool: &PgPool) -> Result<Option<(OfficeProfile, office::Stored)>, StoreError> {
    let Some(stored) = office::read(pool).await? else { return Ok(None) };
    let profile = serde_json::from_value(stored.profile.clone())
        .map_err(|error| StoreError::Corrupt(format!("office profile: {error}")))?;
    Ok(Some((profile, stored)))
}
