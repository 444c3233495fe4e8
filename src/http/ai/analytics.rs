//! What the bot and the officers did, day by day.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use garde::Validate;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::ai::service::AiService;
use crate::http::common::store_failure;
use crate::http::extract::ApiQuery;
use crate::http::problem::Problem;
use crate::store::ai::analytics::{Counted, DailyCount};

/// Days that can be asked for at once.
const MAX_DAYS: i32 = 366;

/// Which days.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AnalyticsQuery {
    /// The first day, by the office's calendar.
    #[garde(custom(not_before_our_era))]
    #[param(value_type = String, format = Date)]
    from: Date,
    /// The last day, itself included; at most 366 days in all.
    #[garde(custom(range_from(self.from)))]
    #[param(value_type = String, format = Date)]
    to: Date,
}

fn not_before_our_era(day: &Date, _: &()) -> garde::Result {
    if day.year() < 1 { Err(garde::Error::new("must be 0001-01-01 or later")) } else { Ok(()) }
}

fn range_from(from: Date) -> impl FnOnce(&Date, &()) -> garde::Result {
    move |to, _| match (*to - from).get_days() {
        days if days < 0 => Err(garde::Error::new("must not be before from")),
        days if days >= MAX_DAYS => {
            Err(garde::Error::new(format!("must be within {MAX_DAYS} days, from included")))
        }
        _ => Ok(()),
    }
}

/// Every day that was asked for, also those on which nothing happened.
#[derive(Debug, Serialize, ToSchema)]
struct AnalyticsBody {
    days: Vec<AnalyticsDay>,
}

/// One day of the office's calendar.
#[derive(Debug, Default, Serialize, ToSchema)]
struct AnalyticsDay {
    #[schema(value_type = String, format = Date)]
    day: Date,
    /// Replies of the bot by what the citizen wanted; `NONE` when nothing was put into words.
    replies: BTreeMap<String, i64>,
    /// Turns that the bot could not take.
    errors: i64,
    /// Times that the bot called a person.
    hand_overs: i64,
    takeovers_started: i64,
    takeovers_ended: i64,
    messages: AnalyticsMessages,
}

/// Messages of ours, whoever wrote them, each counted once a step, on the day of the step.
#[derive(Debug, Default, Serialize, ToSchema)]
struct AnalyticsMessages {
    sent: i64,
    delivered: i64,
    read: i64,
    /// Failed for good.
    failed: i64,
}

impl AnalyticsDay {
    fn add(&mut self, counted: DailyCount) {
        let place = match counted.what {
            Counted::Reply => self.replies.entry(counted.intent).or_default(),
            Counted::Error => &mut self.errors,
            Counted::HandOver => &mut self.hand_overs,
            Counted::TakeoverStarted => &mut self.takeovers_started,
            Counted::TakeoverEnded => &mut self.takeovers_ended,
            Counted::Sent => &mut self.messages.sent,
            Counted::Delivered => &mut self.messages.delivered,
            Counted::Read => &mut self.messages.read,
            Counted::Failed => &mut self.messages.failed,
        };
        *place += counted.count;
    }
}

/// What happened, day by day: replies, people called, takeovers, messages.
///
/// Counted from events, so a few seconds late. A day is one of the office's time zone.
#[utoipa::path(
    tag = "analytics",
    security(("internal_api_key" = [])),
    params(AnalyticsQuery),
    responses(
        (status = 200, description = "The days, oldest first", body = AnalyticsBody),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Failed", body = Problem, content_type = "application/problem+json"),
    )
)]
#[get("/analytics")]
pub(super) async fn get_analytics(
    ai: web::Data<AiService>,
    query: ApiQuery<AnalyticsQuery>,
) -> Result<HttpResponse, Problem> {
    let AnalyticsQuery { from, to } = query.0;
    let counts = ai.daily_counts(from, to).await.map_err(|error| store_failure(&error))?;
    let whole_days = from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to);
    let mut days: BTreeMap<Date, AnalyticsDay> =
        whole_days.map(|day| (day, AnalyticsDay { day, ..AnalyticsDay::default() })).collect();
    for counted in counts {
        if let Some(day) = days.get_mut(&counted.day) {
            day.add(counted);
        }
    }
    Ok(HttpResponse::Ok().json(AnalyticsBody { days: days.into_values().collect() }))
}
