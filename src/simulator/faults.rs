//! Faults on demand: what to break, for whom, how often. Pure book-keeping; the places that break ask here.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// A fault as a script asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultRequest {
    pub effect: Effect,
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// How often it strikes before it is used up; absent: until removed.
    #[serde(default)]
    pub count: Option<u32>,
    /// How many matching calls pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// From 0 to 1; absent: always.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Makes `probability` repeatable.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Every given field must agree; none given matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Matching {
    pub phone_number_id: Option<String>,
    /// A phone number, a BSUID or a citizen's id.
    pub person: Option<String>,
    /// Graph: `text`, `interactive`, …, `read`, `media_upload`, `media_url`, `media_download`, `media_delete`.
    /// Webhooks: the type of message, or `status`.
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Effect {
    /// Refused with 130429.
    RateLimit,
    /// Refused with 131056.
    PairRate,
    /// Refused with 131047, whatever the window.
    ClosedWindow,
    /// Refused with any code of the Graph API.
    GraphError(ScriptedError),
    /// Accepted, then a `failed` status with the code.
    FailedStatus(ScriptedError),
    /// Answered with a bare HTTP status, such as 503, and no message accepted.
    Http { status: u16 },
    /// No answer for so long, then the connection is dropped; no message accepted.
    Hang { ms: u64 },
    /// Accepted and delivered, but the caller never learns.
    AnswerLost { how: LostAnswer },
    /// Accepted at once, answered late.
    DelayAnswer { ms: u64 },
    /// `media_url` answers a link that has run out.
    LinkExpired,
    /// `media_url` answers this link.
    ForeignLink { url: String },
    /// `media_url` tells no size and `media_download` has so many bytes more.
    Swollen { bytes: usize },
    /// `media_download` has one byte changed.
    Altered,
    /// The update never arrives.
    WebhookDrop,
    /// The first attempt is lost on the way and repeated.
    WebhookLose,
    /// The same body arrives so many times more.
    WebhookDuplicate { copies: u32 },
    /// Held back until a later update of the same person was answered, at most so long.
    WebhookReorder { longest_ms: u64 },
    /// Sent late; later updates overtake it.
    WebhookDelay { ms: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedError {
    pub code: i64,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub subcode: Option<i64>,
    #[serde(default)]
    pub details: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LostAnswer {
    /// The connection ends without a whole answer.
    Drop,
    /// HTTP 500.
    ServerError,
}

impl Effect {
    fn is_for_webhooks(&self) -> bool {
        matches!(
            self,
            Effect::WebhookDrop
                | Effect::WebhookLose
                | Effect::WebhookDuplicate { .. }
                | Effect::WebhookReorder { .. }
                | Effect::WebhookDelay { .. }
        )
    }

    /// The name a script used, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Effect::RateLimit => "rate_limit",
            Effect::PairRate => "pair_rate",
            Effect::ClosedWindow => "closed_window",
            Effect::GraphError(_) => "graph_error",
            Effect::FailedStatus(_) => "failed_status",
            Effect::Http { .. } => "http",
            Effect::Hang { .. } => "hang",
            Effect::AnswerLost { .. } => "answer_lost",
            Effect::DelayAnswer { .. } => "delay_answer",
            Effect::LinkExpired => "link_expired",
            Effect::ForeignLink { .. } => "foreign_link",
            Effect::Swollen { .. } => "swollen",
            Effect::Altered => "altered",
            Effect::WebhookDrop => "webhook_drop",
            Effect::WebhookLose => "webhook_lose",
            Effect::WebhookDuplicate { .. } => "webhook_duplicate",
            Effect::WebhookReorder { .. } => "webhook_reorder",
            Effect::WebhookDelay { .. } => "webhook_delay",
        }
    }
}

/// Which side of the stand-in asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Graph,
    Webhooks,
}

/// What a call is about, to be held against [`Matching`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub side: Side,
    pub phone_number_id: &'a str,
    /// All the names of the person.
    pub people: &'a [&'a str],
    pub kind: &'a str,
}

#[derive(Debug)]
struct Fault {
    id: u64,
    request: FaultRequest,
    passed: u32,
    hits: u32,
    random: StdRng,
}

/// A fault as it stands.
#[derive(Debug, Serialize)]
pub(super) struct FaultState<'a> {
    pub id: u64,
    pub hits: u32,
    #[serde(flatten)]
    pub request: &'a FaultRequest,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    last_id: u64,
    faults: Vec<Fault>,
}

pub(super) const MOST_FAULTS: usize = 1_000;

impl Faults {
    pub fn add(&mut self, request: FaultRequest) -> u64 {
        self.last_id += 1;
        let random = StdRng::seed_from_u64(request.seed.unwrap_or(self.last_id));
        self.faults.push(Fault { id: self.last_id, request, passed: 0, hits: 0, random });
        self.last_id
    }

    pub fn len(&self) -> usize {
        self.faults.len()
    }

    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.faults.len();
        self.faults.retain(|fault| fault.id != id);
        self.faults.len() < before
    }

    pub fn clear(&mut self) {
        self.faults.clear();
    }

    pub fn list(&self) -> Vec<FaultState<'_>> {
        self.faults
            .iter()
            .map(|fault| FaultState { id: fault.id, hits: fault.hits, request: &fault.request })
            .collect()
    }

    /// The effect of the first fault that strikes; the oldest is asked first.
    pub fn strike(&mut self, subject: Subject<'_>) -> Option<Effect> {
        self.faults.iter_mut().find_map(|fault| fault.strike(subject))
    }
}

impl Fault {
    fn strike(&mut self, subject: Subject<'_>) -> Option<Effect> {
        let request = &self.request;
        let used_up = request.count.is_some_and(|count| self.hits >= count);
        let right_side = request.effect.is_for_webhooks() == (subject.side == Side::Webhooks);
        if used_up || !right_side || !request.matching.agrees(subject) {
            return None;
        }
        if self.passed < request.skip {
            self.passed += 1;
            return None;
        }
        if request.probability.is_some_and(|probability| self.random.random::<f64>() >= probability) {
            return None;
        }
        self.hits += 1;
        Some(self.request.effect.clone())
    }
}

impl Matching {
    fn agrees(&self, subject: Subject<'_>) -> bool {
        let number = self.phone_number_id.as_deref();
        let kind = self.kind.as_deref();
        number.is_none_or(|number| number == subject.phone_number_id)
            && kind.is_none_or(|kind| kind == subject.kind)
            && self.person.as_deref().is_none_or(|person| subject.people.contains(&person))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(effect: Effect) -> FaultRequest {
        FaultRequest {
            effect,
            matching: Matching::default(),
            count: None,
            skip: 0,
            probability: None,
            seed: None,
        }
    }

    fn graph(kind: &str) -> Subject<'_> {
        Subject { side: Side::Graph, phone_number_id: "100", people: &["628111", "c1"], kind }
    }

    #[test]
    fn a_counted_fault_strikes_so_often_and_no_more() {
        let mut faults = Faults::default();
        faults.add(FaultRequest { count: Some(2), skip: 1, ..request(Effect::RateLimit) });
        let struck: Vec<bool> = (0..4).map(|_| faults.strike(graph("text")).is_some()).collect();
        assert_eq!(struck, [false, true, true, false]);
    }

    #[test]
    fn a_fault_strikes_only_whom_it_names() {
        let mut faults = Faults::default();
        let matching = Matching {
            person: Some("628111".into()),
            kind: Some("interactive".into()),
            phone_number_id: Some("100".into()),
        };
        faults.add(FaultRequest { matching, ..request(Effect::PairRate) });
        assert_eq!(faults.strike(graph("text")), None);
        assert_eq!(faults.strike(Subject { people: &["628222"], ..graph("interactive") }), None);
        assert_eq!(faults.strike(Subject { phone_number_id: "200", ..graph("interactive") }), None);
        assert_eq!(faults.strike(Subject { side: Side::Webhooks, ..graph("interactive") }), None);
        assert_eq!(faults.strike(graph("interactive")), Some(Effect::PairRate));
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let run = |seed| -> Vec<bool> {
            let mut faults = Faults::default();
            let fault =
                FaultRequest { probability: Some(0.4), seed: Some(seed), ..request(Effect::WebhookDrop) };
            faults.add(fault);
            let subject = Subject { side: Side::Webhooks, ..graph("text") };
            (0..200).map(|_| faults.strike(subject).is_some()).collect()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let struck = run(7).into_iter().filter(|struck| *struck).count();
        assert!((50..110).contains(&struck), "{struck} of 200 struck");
    }
}
