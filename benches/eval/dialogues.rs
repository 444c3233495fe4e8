//! Whole dialogues: what citizens send goes through understanding, the turn and the case service's answer, as a
//! conversation's actor does it; then what was filed, said and asked is compared with what should have been.

use jiff::{SignedDuration, Timestamp};

use govconnect::ai::service::AiService;
use govconnect::dialogue::reply::{Reply, ReplyButton};
use govconnect::dialogue::state::DialogueState;
use govconnect::dialogue::turn::{self, BatchMessage, OfficeVoice};
use govconnect::dialogue::understanding::{UnderstandRequest, Understanding};
use govconnect::dialogue::{answers, phrases};
use govconnect::ids::{DraftId, MessageId};

use crate::case_service::CaseService;
use crate::data::{Data, Dialogue, Expected, Said};
use crate::documents::Office;
use crate::report::{Goal, Report};
use crate::{Extent, say};

/// A Wednesday morning in Jakarta, when offices are open.
const BEGINNING: i64 = 1_767_751_200;

/// When dialogues begin.
pub fn beginning() -> Result<Timestamp, jiff::Error> {
    Timestamp::from_second(BEGINNING)
}

/// Judges every dialogue; one that differs in anything is wrong.
pub async fn judge(office: &Office, data: &Data, extent: Extent, report: &mut Report) -> anyhow::Result<()> {
    let mut right = 0;
    for dialogue in &data.dialogues {
        let (wrong, transcript) = differences(office, dialogue).await?;
        right += usize::from(wrong.is_empty());
        if extent.names_wrong && !wrong.is_empty() {
            say(&format!("dialogue {} ({}): {}", dialogue.id, dialogue.title, wrong.join(", ")));
        }
        if extent.tells_wrong && !wrong.is_empty() {
            say(&transcript.join("\n"));
        }
    }
    let of = format!("of {}", data.dialogues.len());
    report.add("eval.dialogues", &[right as f64], "dialogues", Goal::AtLeast(36.0), Some(&of))
}

/// In what it was not as expected, and what was said.
async fn differences(
    office: &Office,
    dialogue: &Dialogue,
) -> anyhow::Result<(Vec<&'static str>, Vec<String>)> {
    let mut conversation = Conversation::begin(office.ai(), beginning()?);
    let mut replies_of_turns = Vec::new();
    for turn in &dialogue.turns {
        conversation.now = conversation.now.checked_add(SignedDuration::from_hours(turn.after_hours))?;
        let before = conversation.replies.len();
        conversation.hear(&turn.citizen).await?;
        replies_of_turns.push(before..conversation.replies.len());
    }
    let Expected {
        filed,
        cancelled,
        updated,
        handed_over,
        most_replies,
        most_questions,
        reply_contains,
        never_contains,
    } = &dialogue.expect;
    let said = |range: std::ops::Range<usize>, part: &str| {
        let part = part.to_lowercase();
        conversation.replies[range].iter().any(|reply| words_of(reply).contains(&part))
    };
    let told = reply_contains
        .iter()
        .zip(replies_of_turns)
        .all(|(parts, range)| parts.iter().all(|part| said(range.clone(), part)));
    let checks = [
        ("filed", conversation.case.holds(filed)),
        ("cancelled", conversation.case.cancelled() == *cancelled),
        ("updated", conversation.case.updated == *updated),
        ("handed over", conversation.with_person == *handed_over),
        ("replies", conversation.replies.len() <= *most_replies),
        ("questions", conversation.questions <= *most_questions),
        ("told", told),
        ("forbidden words", !conversation.said_any(never_contains)),
    ];
    let wrong = checks.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect();
    Ok((wrong, conversation.transcript))
}

/// A citizen's conversation with the bot.
pub struct Conversation {
    ai: AiService,
    office: OfficeVoice,
    state: DialogueState,
    case: CaseService,
    now: Timestamp,
    replies: Vec<Reply>,
    questions: usize,
    /// A person was called: from then on the bot is silent.
    with_person: bool,
    every_turn_declined: bool,
    /// What was said by both, and what was understood.
    transcript: Vec<String>,
}

impl Conversation {
    /// With a bot that knows nothing yet of the citizen.
    pub fn begin(ai: AiService, now: Timestamp) -> Conversation {
        let numbers = ["Darurat: 112", "Pemadam kebakaran: 113", "Polisi: 110", "Ambulans: 119"];
        let office = OfficeVoice {
            name: "Kantor Kelurahan Sukamaju".into(),
            emergency_numbers: numbers.map(str::to_owned).to_vec(),
            ..OfficeVoice::default()
        };
        Conversation {
            ai,
            office,
            state: DialogueState::default(),
            case: CaseService::default(),
            now,
            replies: Vec::new(),
            questions: 0,
            with_person: false,
            every_turn_declined: true,
            transcript: Vec::new(),
        }
    }

    /// One message of words.
    pub async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        self.hear(&[Said::Text { text: text.to_owned(), forwarded_many_times: false }]).await
    }

    /// One batch, and everything that follows from it.
    async fn hear(&mut self, said: &[Said]) -> anyhow::Result<()> {
        let messages: Vec<BatchMessage> = said.iter().map(|said| self.message(said)).collect();
        if self.with_person {
            return Ok(());
        }
        let understanding = self.understand(&messages).await?;
        let texts: Vec<String> =
            messages.iter().map(|message| format!("{} {:?}", message.kind, message.text)).collect();
        self.transcript.push(format!("  > {}", texts.join(" | ")));
        self.transcript.push(format!("    {:?} {:?}", understanding.intents, understanding.slots));
        let language = understanding.language;
        let facts = self.case.facts(&turn::lookups(&self.state, &understanding));
        let outcome = turn::take(
            std::mem::take(&mut self.state),
            &turn::Input {
                office: &self.office,
                messages: &messages,
                understanding: &understanding,
                facts: &facts,
                now: self.now,
                returned_at: None,
                fresh_id: DraftId::new(),
            },
        );
        self.state = outcome.state;
        self.every_turn_declined &= understanding.off_topic;
        self.take_reply(outcome.reply);
        // An alarm, or a voice to be heard, calls people to look; the bot goes on serving.
        let looked_at = [phrases::EMERGENCY, phrases::TO_BE_HEARD];
        self.with_person |= outcome.hand_over.is_some_and(|reason| !looked_at.contains(&reason.as_str()));
        for effect in &outcome.effects {
            let answer = self.case.answer(effect, self.now);
            let state = std::mem::take(&mut self.state);
            let outcome = answers::apply(state, &answer, &self.office, language, self.now);
            self.state = outcome.state;
            self.take_reply(outcome.reply);
            self.with_person |= outcome.hand_over.is_some();
        }
        Ok(())
    }

    async fn understand(&self, messages: &[BatchMessage]) -> anyhow::Result<Understanding> {
        let words = messages.iter().filter(|message| {
            turn::is_said(&message.kind)
                && message.button.is_none()
                && message.pin.is_none()
                && !turn::is_chain(message)
        });
        let texts: Vec<String> = words.filter_map(|message| message.text.clone()).collect();
        if texts.is_empty() || !turn::deserves_reply(messages) {
            return Ok(Understanding::default());
        }
        let request = UnderstandRequest {
            texts,
            asked_for: self.state.asked_for(),
            context: Vec::new(),
            names: Vec::new(),
        };
        Ok(self.ai.understand_traced(&request).await?.reading.understanding)
    }

    fn take_reply(&mut self, reply: Option<Reply>) {
        let Some(reply) = reply else { return };
        // Some questions are put as a request ("mohon dibantu lokasinya").
        let marks = reply.text.matches('?').count();
        self.questions += marks.max(usize::from(self.state.asked_for().is_some()));
        self.transcript.push(format!("  < {}", words_of(&reply).replace('\n', " / ")));
        self.replies.push(reply);
    }

    fn message(&self, said: &Said) -> BatchMessage {
        let message = |kind: &str, text: Option<&String>| BatchMessage {
            message_id: Some(MessageId::new()),
            kind: kind.into(),
            text: text.cloned(),
            sent_at: self.now,
            ..BatchMessage::default()
        };
        match said {
            Said::Text { text, forwarded_many_times } => {
                BatchMessage { forwarded_many_times: *forwarded_many_times, ..message("text", Some(text)) }
            }
            Said::Image { caption } => message("image", caption.as_ref()),
            Said::Audio {} => message("audio", None),
            Said::Location { latitude, longitude, name, address } => BatchMessage {
                pin: Some((*latitude, *longitude)),
                ..message("location", address.as_ref().or(name.as_ref()))
            },
            Said::Button { choose } => BatchMessage {
                button: self.button(choose).map(|button| button.id.clone()),
                ..message("interactive", Some(choose))
            },
        }
    }

    /// The button with this title that was shown last.
    fn button(&self, title: &str) -> Option<&ReplyButton> {
        let mut shown = self.replies.iter().rev().flat_map(Reply::buttons);
        shown.find(|button| button.title.eq_ignore_ascii_case(title))
    }

    /// Whether any reply has any of these words.
    pub fn said_any(&self, words: &[String]) -> bool {
        let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        self.replies.iter().any(|reply| {
            let said = words_of(reply);
            words.iter().any(|word| said.contains(word.as_str()))
        })
    }

    /// Whether nothing that was said was taken for a matter of the office.
    pub fn only_declined(&self) -> bool {
        self.every_turn_declined
    }
}

/// Everything of a reply that is read, in lower case.
fn words_of(reply: &Reply) -> String {
    let titles = reply.buttons().iter().map(|button| button.title.as_str());
    let all: Vec<&str> = std::iter::once(reply.text.as_str()).chain(titles).collect();
    all.join("\n").to_lowercase()
}
