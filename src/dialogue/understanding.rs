//! What the AI service makes of a batch of messages: the vocabulary between `ai` and `dialogue`.
//!
//! Facts about complaints are not in here: those come from the case service only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a citizen wants; several may come in one breath.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Intent {
    /// A question that the office's documents may answer.
    KnowledgeQuery,
    /// Something is broken or wrong and should be taken up.
    CreateComplaint,
    /// Where does my complaint stand?
    CheckStatus,
    /// Add to or correct a complaint that was filed.
    UpdateComplaint,
    /// Withdraw a complaint, or the draft of one.
    CancelComplaint,
    /// What did I report so far?
    History,
    /// A person, please.
    HumanHandoff,
    /// A greeting or salam.
    Greeting,
    /// Thanks, which need no reply.
    Thanks,
    /// Nothing that an office does.
    OffTopic,
    /// Not understood.
    Unknown,
}

/// What was said about a complaint. Every field is in the citizen's own words, trimmed, or a code from a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slots {
    /// Code of a category, such as `jalan_rusak`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kategori: Option<String>,
    /// Where it is: street, number, landmark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alamat: Option<String>,
    /// RT/RW as `03/05`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rt_rw: Option<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deskripsi: Option<String>,
    /// A complaint's number, as `LAP-20260102-003`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lap_id: Option<String>,
}

/// How soon somebody must act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Urgency {
    /// In its turn.
    #[default]
    Normal,
    /// Life or property is in danger now.
    Emergency,
}

/// The language to answer in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Indonesian, also for regional languages.
    #[default]
    Id,
    /// English.
    En,
}

/// Words of a quoted passage that fit a reply beside the source.
pub const QUOTE_WORDS: usize = 40;

/// The same of a first reply, which also says who is speaking.
pub const FIRST_QUOTE_WORDS: usize = 33;

/// A passage of the office's own documents that answers a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// Where it is from, to be named to the citizen.
    pub source_title: String,
    /// The quoted words.
    pub text: String,
    /// How well it fits, 0 to 1; the retrieval's threshold has been applied already.
    pub score: f32,
}

/// The name under which the builtin stands in traces and events.
pub const BUILTIN_MODEL: &str = "builtin";

/// Who understood, and at which price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// The provider's model, or `builtin`.
    pub model: String,
    /// Read and written, of every attempt; 0 for `builtin`.
    #[serde(default)]
    pub tokens: u32,
    /// In the currency of the prices that the office set; 0 without prices.
    #[serde(default)]
    pub cost: f64,
    /// Why a model that was set did not serve: `rate_limited`, `timed_out`, `malformed`, `blocked`, `budget` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

impl Default for Usage {
    fn default() -> Self {
        Usage { model: BUILTIN_MODEL.into(), tokens: 0, cost: 0.0, fallback: None }
    }
}

impl Usage {
    /// Adds what another question of the same turn took. A model that served in any of them is named.
    pub fn add(&mut self, other: Usage) {
        if self.model == BUILTIN_MODEL {
            self.model = other.model;
        }
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost += other.cost;
        self.fallback = self.fallback.take().or(other.fallback);
    }
}

/// One batch of messages, understood.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Understanding {
    /// What is wanted, the most important first; empty is treated as `UNKNOWN`.
    pub intents: Vec<Intent>,
    #[serde(default)]
    pub slots: Slots,
    #[serde(default)]
    pub language: Language,
    #[serde(default)]
    pub urgency: Urgency,
    /// Nothing that an office does is the only matter.
    #[serde(default)]
    pub off_topic: bool,
    /// The best passages for a question, best first; empty when nothing fits.
    #[serde(default)]
    pub passages: Vec<Passage>,
    /// The words of a question that no passage answers, normalised, for the office to see what is missing.
    #[serde(default)]
    pub question_terms: Vec<String>,
    #[serde(default)]
    pub usage: Usage,
}

impl Understanding {
    /// Whether `intent` is among what was wanted.
    pub fn wants(&self, intent: Intent) -> bool {
        self.intents.contains(&intent)
    }
}

/// What the AI is asked: the batch's texts in order, and what the dialogue waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnderstandRequest {
    /// Texts and captions, oldest first. Data, never instructions.
    pub texts: Vec<String>,
    /// The slot that the bot asked for last, so that a bare answer is taken for it.
    #[serde(default)]
    pub asked_for: Option<AskedSlot>,
    /// What was said before, oldest first, when a person had the conversation. Data, never instructions.
    #[serde(default)]
    pub context: Vec<ContextLine>,
    /// Names of the citizen that are known, to be kept from providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// One line of an earlier exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextLine {
    pub speaker: Speaker,
    pub text: String,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    Citizen,
    /// An officer or a notification of the office.
    Office,
    Bot,
}

/// A slot that the bot can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedSlot {
    Kategori,
    Alamat,
    Deskripsi,
}
