//! The figures of the day, from the case and channel services at once. If either is away there are no figures at all:
//! half an answer would be read as zeros.

use std::collections::BTreeMap;

use actix_web::{get, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DashboardState;
use super::conversations::{Conversation, ConversationPage, PageQuery};
use super::services::{self, Other};
use crate::http::problem::Problem;

/// Conversations looked at for the figures: the latest ones, as many as a page holds.
const LOOKED_AT: u32 = 200;

/// Statuses in which a complaint needs nothing more from this office.
const CLOSED: [&str; 4] = ["selesai", "ditolak", "dibatalkan", "diteruskan"];

/// What `GET /internal/complaints/stats` answers, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Stats {
    #[serde(default)]
    by_status: BTreeMap<String, i64>,
    #[serde(default)]
    by_kategori: BTreeMap<String, i64>,
    today: i64,
}

/// The figures of the day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    complaints: ComplaintFigures,
    conversations: ConversationFigures,
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
}

/// Complaints by what has become of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComplaintFigures {
    /// Neither finished nor refused, withdrawn or passed on.
    open: i64,
    /// Received today, in the office's time zone.
    today: i64,
    by_status: BTreeMap<String, i64>,
    by_kategori: BTreeMap<String, i64>,
}

/// Conversations by who has to act.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConversationFigures {
    /// Wait for an officer: a person is wanted and nobody holds them.
    waiting: usize,
    /// Held by an officer.
    held: usize,
    /// The bot gave up.
    parked: usize,
    /// How many of the latest conversations were looked at.
    looked_at: usize,
    /// There are older ones that were not.
    more: bool,
}

/// Open complaints, today's, and conversations that need a person.
#[utoipa::path(tag = "overview", responses(
    (status = 200, body = Overview),
    (status = 503, description = "a service is away; `service` names it", body = Problem),
))]
#[get("/overview")]
pub async fn get_overview(state: web::Data<DashboardState>) -> Result<web::Json<Overview>, Problem> {
    let page = PageQuery { cursor: None, limit: Some(LOOKED_AT) };
    let stats = services::get::<Stats>(&state, Other::Case, &["complaints", "stats"], &(), "statistics");
    let conversations =
        services::get::<ConversationPage>(&state, Other::Channel, &["conversations"], &page, "list");
    let (stats, conversations) = futures::try_join!(stats, conversations)?;
    let open = stats
        .by_status
        .iter()
        .filter(|(status, _)| !CLOSED.contains(&status.as_str()))
        .map(|(_, count)| count)
        .sum();
    Ok(web::Json(Overview {
        complaints: ComplaintFigures {
            open,
            today: stats.today,
            by_status: stats.by_status,
            by_kategori: stats.by_kategori,
        },
        conversations: figures(&conversations),
        as_of: state.clock.now(),
    }))
}

fn figures(page: &ConversationPage) -> ConversationFigures {
    let count = |test: fn(&Conversation) -> bool| page.items.iter().filter(|item| test(item)).count();
    ConversationFigures {
        waiting: count(|item| item.waiting_since.is_some() && item.holder.is_none()),
        held: count(|item| item.holder.is_some()),
        parked: count(|item| item.parked.is_some()),
        looked_at: page.items.len(),
        more: page.next_cursor.is_some(),
    }
}
