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
    /// What was asked in these days and not answered by the documents, the most frequent first; at most 100.
    gaps: Vec<KnowledgeGap>,
}

/// Questions that the documents do not answer, grouped by what they share.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct KnowledgeGap {
    /// The words that most of them have, in the order of the alphabet.
    terms: Vec<String>,
    questions: i64,
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
    /// Questions to which a document was quoted.
    answered: i64,
    /// Questions that no document answers.
    unanswered: i64,
    /// Turns in which a model did not serve, by reason.
    fallbacks: BTreeMap<String, i64>,
    /// By model.
    tokens: BTreeMap<String, i64>,
    /// In the currency of the prices that are set.
    cost: f64,
    /// How long replies were thought of; absent without any.
    thinking_ms: Option<Percentiles>,
    #[serde(skip)]
    took: BTreeMap<u64, i64>,
}

/// Upper bounds in milliseconds, within which so many stayed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Percentiles {
    p50: u64,
    p90: u64,
    p99: u64,
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
            Counted::Answered => &mut self.answered,
            Counted::Unanswered => &mut self.unanswered,
            Counted::Fallback => self.fallbacks.entry(counted.intent).or_default(),
            Counted::Tokens => self.tokens.entry(counted.intent).or_default(),
            Counted::TookMs => self.took.entry(counted.intent.parse().unwrap_or(u64::MAX)).or_default(),
            Counted::CostMillionths => {
                self.cost += counted.count as f64 / 1e6;
                return;
            }
            // Of all days together.
            Counted::Gap => return,
        };
        *place += counted.count;
    }

    fn finished(mut self) -> Self {
        self.thinking_ms = percentiles(&self.took);
        self
    }
}

fn percentiles(took: &BTreeMap<u64, i64>) -> Option<Percentiles> {
    let all: i64 = took.values().sum();
    let within = |share: f64| {
        let wanted = (all as f64 * share).ceil() as i64;
        let mut so_far = 0;
        took.iter().find_map(|(bound, count)| {
            so_far += count;
            (so_far >= wanted).then_some(*bound)
        })
    };
    Some(Percentiles { p50: within(0.5)?, p90: within(0.9)?, p99: within(0.99)? })
}

/// Gaps told at once.
const MOST_GAPS: usize = 100;

/// Groups the words of unanswered questions: the frequent ones gather those that share half of their words.
fn grouped(counts: &[DailyCount]) -> Vec<KnowledgeGap> {
    let mut by_words: BTreeMap<&str, i64> = BTreeMap::new();
    for counted in counts.iter().filter(|counted| counted.what == Counted::Gap) {
        *by_words.entry(&counted.intent).or_default() += counted.count;
    }
    let mut alone: Vec<(&str, i64)> = by_words.into_iter().collect();
    alone.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut gaps: Vec<KnowledgeGap> = Vec::new();
    for (words, questions) in alone {
        let terms: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let near = |gap: &&mut KnowledgeGap| {
            let shared = gap.terms.iter().filter(|term| terms.contains(term)).count();
            shared * 2 >= gap.terms.len().max(terms.len())
        };
        match gaps.iter_mut().find(near) {
            Some(gap) => gap.questions += questions,
            None => gaps.push(KnowledgeGap { terms, questions }),
        }
    }
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.questions));
    gaps.truncate(MOST_GAPS);
    gaps
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
    let gaps = grouped(&counts);
    for counted in counts {
        if let Some(day) = days.get_mut(&counted.day) {
            day.add(counted);
        }
    }
    let days = days.into_values().map(AnalyticsDay::finished).collect();
    Ok(HttpResponse::Ok().json(AnalyticsBody { days, gaps }))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn counted(what: Counted, intent: &str, count: i64) -> DailyCount {
        DailyCount { day: date(2026, 1, 2), what, intent: intent.into(), count }
    }

    #[test]
    fn percentiles_are_the_bounds_within_which_so_many_stayed() {
        let took = BTreeMap::from([(5, 50), (10, 40), (1_000, 9), (60_000, 1)]);
        assert_eq!(percentiles(&took), Some(Percentiles { p50: 5, p90: 10, p99: 1_000 }));
        assert_eq!(percentiles(&BTreeMap::new()), None);
    }

    #[test]
    fn questions_about_the_same_are_one_gap() {
        let gaps = grouped(&[
            counted(Counted::Gap, "paspor", 2),
            counted(Counted::Gap, "biaya paspor", 5),
            counted(Counted::Gap, "kucing", 1),
            counted(Counted::Reply, "GREETING", 9),
        ]);
        let expected = [("biaya paspor", 7), ("kucing", 1)].map(|(words, questions)| KnowledgeGap {
            terms: words.split(' ').map(str::to_owned).collect(),
            questions,
        });
        assert_eq!(gaps, expected);
    }
}
