//! What others ask of the AI service over a bus: plain data in the vocabulary of [`crate::dialogue::understanding`]. Such
//! calls only read, so they may be given up, and repeated, at any time. Never put into logs: they carry what citizens wrote.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use super::calls::{Ask, WorkQueue};
use crate::dialogue::understanding::{UnderstandRequest, Understanding};

/// The kinds of calls that the AI service does; the words are a message's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum AiCallKind {
    /// What does a batch of messages mean?
    Understand,
}

/// Why a batch was not understood. There is nothing that a caller could do but ask again later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum AiCallError {
    #[error("the ai service cannot answer now")]
    Unavailable,
}

impl Ask for UnderstandRequest {
    const QUEUE: WorkQueue = WorkQueue::AiTurns;
    const KIND: &'static str = AiCallKind::Understand.into_str();
    type Answer = Understanding;
    type Error = AiCallError;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::calls::answered;
    use crate::dialogue::understanding::{
        AskedSlot, ContextLine, Intent, Language, Passage, Slots, Speaker, Urgency, Usage,
    };

    #[test]
    fn requests_and_answers_survive_the_wire() {
        let request = UnderstandRequest {
            texts: vec!["lampu mati\n\"depan\" masjid 🙏".into(), String::new()],
            asked_for: Some(AskedSlot::Alamat),
            context: vec![ContextLine { speaker: Speaker::Office, text: "Baik, Bu.".into() }],
            names: vec!["Budi".into()],
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<UnderstandRequest>(&text).unwrap(), request, "{text}");

        let understanding = Understanding {
            intents: vec![Intent::CreateComplaint, Intent::KnowledgeQuery],
            slots: Slots { rt_rw: Some("03/05".into()), ..Slots::default() },
            language: Language::En,
            urgency: Urgency::Emergency,
            off_topic: true,
            passages: vec![Passage { source_title: "Jam".into(), text: "08.00".into(), score: 0.1 + 0.2 }],
            question_terms: vec!["paspor".into()],
            usage: Usage { model: "a-model".into(), tokens: 12, cost: 0.5, fallback: Some("blocked".into()) },
        };
        for answer in [Ok(understanding), Ok(Understanding::default()), Err(AiCallError::Unavailable)] {
            let text = answered::<UnderstandRequest>(&answer).unwrap().to_string();
            let read: Result<Understanding, AiCallError> = serde_json::from_str(&text).unwrap();
            assert_eq!(read, answer, "{text}");
        }
    }
}
