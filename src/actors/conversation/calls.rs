//! Effects in other services: rows of `gc_channel.calls`, made after the commit with a frozen body and key, repeated
//! until answered. The answer and the reply to the citizen are a second commit (I5).

use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::memory::memory;
use super::telling::{Replied, outbound, reply_event};
use super::{Activity, ConversationActor};
use crate::actors::clients::{CallFailed, CaseClient};
use crate::bus::case_calls::{AmendComplaint, CancelComplaint, CreateComplaint, PersonMerged};
use crate::bus::live_chat::LiveChangeKind;
use crate::bus::trace::Traceparent;
use crate::complaint::Urgency;
use crate::dialogue::answers::{self, Answer};
use crate::dialogue::phrases;
use crate::dialogue::state::Draft;
use crate::dialogue::turn::Effect;
use crate::dialogue::understanding::{self, Intent, Language, Usage};
use crate::ids::{CallId, PersonId};
use crate::store::channel::conversation::{self as store, AnswerCommit, Committed, NewCall, OpenCall};

/// A call as it is stored: which service, what, and the language in which its answer is told.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCall {
    language: Language,
    #[serde(flatten)]
    request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "call", content = "body", rename_all = "snake_case")]
enum Request {
    CreateComplaint(Box<CreateComplaint>),
    AmendComplaint(Box<AmendComplaint>),
    /// A number that cannot be one of ours; answered without asking.
    AmendUnknown {
        lap_id: String,
    },
    CancelComplaint(CancelComplaint),
    /// As above.
    CancelUnknown {
        lap_id: String,
    },
    /// Two people turned out to be one; the citizen is told nothing of it.
    PersonMerged(PersonMerged),
}

/// The call that tells the case service that what belonged to `from` belongs to `into`.
pub fn person_merged(key: Uuid, from: PersonId, into: PersonId) -> NewCall {
    let request = Request::PersonMerged(PersonMerged { key: CallId(key), from, into });
    // Ids only: serialization cannot fail.
    let body = serde_json::to_value(StoredCall { language: Language::Id, request }).unwrap_or_default();
    NewCall { kind: "person.merged".into(), key, body }
}

impl ConversationActor {
    /// Freezes an effect into a call.
    pub(super) fn new_call(&self, effect: &Effect, language: Language) -> NewCall {
        let (kind, key, request) = match effect {
            Effect::CreateComplaint(draft) => {
                ("complaint.create", draft.id.0, Request::CreateComplaint(Box::new(self.create_body(draft))))
            }
            Effect::AmendComplaint { key, lap_id, amendment } => {
                let request = match (lap_id.parse(), self.conversation.as_ref()) {
                    (Ok(lap_id), Some(conversation)) => {
                        let amendment = (**amendment).clone();
                        Request::AmendComplaint(Box::new(AmendComplaint {
                            key: CallId(key.0),
                            lap_id,
                            person_id: conversation.person_id,
                            kategori: amendment.kategori,
                            alamat: amendment.alamat,
                            rt_rw: amendment.rt_rw,
                            addition: amendment.addition,
                            latitude: amendment.pin.map(|(latitude, _)| latitude),
                            longitude: amendment.pin.map(|(_, longitude)| longitude),
                        }))
                    }
                    _ => Request::AmendUnknown { lap_id: lap_id.chars().take(32).collect() },
                };
                ("complaint.amend", key.0, request)
            }
            Effect::CancelComplaint { key, lap_id } => {
                let request = match (lap_id.parse(), self.conversation.as_ref()) {
                    (Ok(lap_id), Some(conversation)) => Request::CancelComplaint(CancelComplaint {
                        key: CallId(key.0),
                        lap_id,
                        person_id: conversation.person_id,
                    }),
                    _ => Request::CancelUnknown { lap_id: lap_id.chars().take(32).collect() },
                };
                ("complaint.cancel", key.0, request)
            }
        };
        // Strings and numbers only: serialization cannot fail.
        let body = serde_json::to_value(StoredCall { language, request }).unwrap_or_default();
        NewCall { kind: kind.into(), key, body }
    }

    fn create_body(&self, draft: &Draft) -> CreateComplaint {
        let conversation = self.conversation.as_ref();
        let pin = draft.latitude.zip(draft.longitude);
        let alamat = draft.alamat.clone().unwrap_or_else(|| match pin {
            Some((latitude, longitude)) => format!("Pin lokasi {latitude:.5}, {longitude:.5}"),
            // Only danger is filed without a place; it is asked for next.
            None => phrases::PLACE_UNKNOWN.into(),
        });
        CreateComplaint {
            key: draft.id,
            person_id: conversation
                .map_or_else(|| crate::ids::PersonId(uuid::Uuid::nil()), |found| found.person_id),
            wa_user_id: conversation.and_then(|found| found.phone.clone().or_else(|| found.bsuid.clone())),
            kategori: draft.kategori.clone().unwrap_or_else(|| "lainnya".into()),
            alamat,
            rt_rw: draft.rt_rw.clone(),
            deskripsi: draft.deskripsi.clone().unwrap_or_default(),
            latitude: draft.latitude,
            longitude: draft.longitude,
            urgency: match draft.urgency {
                understanding::Urgency::Normal => Urgency::Normal,
                understanding::Urgency::Emergency => Urgency::Emergency,
            },
            origin_conversation_id: Some(self.identity.conversation),
        }
    }

    /// Makes one call and commits its answer; without an answer it is made again later, with the same key and body.
    pub(super) fn make_call(&mut self, call: OpenCall, context: &mut Context<Self>) {
        self.begin(Activity::Committing);
        let client = self.context().case.clone();
        let (body, call_id) = (call.body.clone(), call.call_id);
        let asked = Instant::now();
        let asking = async move {
            crate::crash_point!("call::before");
            crate::delay_point!("call::slow");
            // However often it is made, it is one trace.
            let answer = Traceparent::beginning_with(call_id.0).scope(ask(&client, body)).await;
            crate::crash_point!("call::after");
            answer
        };
        context.spawn(asking.into_actor(self).map(move |answered, actor, context| match answered {
            Ok((answer, language)) => {
                actor.take_answer(&call, &answer, language, asked.elapsed(), context);
            }
            Err(failed) => actor.postpone(&call, &failed, context),
        }));
    }

    fn take_answer(
        &mut self,
        call: &OpenCall,
        answer: &Answer,
        language: Language,
        took: Duration,
        context: &mut Context<Self>,
    ) {
        let Some(conversation) = &self.conversation else { return };
        let channel = self.context().clone();
        let state = memory(conversation.conversation_id, &conversation.state);
        let outcome = answers::apply(state, answer, &channel.office, language, channel.clock.now());
        let outbound = outbound(outcome.reply);
        let intent = match &*call.kind {
            "complaint.create" => Some(Intent::CreateComplaint),
            "complaint.amend" => Some(Intent::UpdateComplaint),
            "complaint.cancel" => Some(Intent::CancelComplaint),
            _ => None,
        };
        // Which messages led to the call, its turn knew; the reply is told of here, where it is made.
        let handed_over = outcome.hand_over.is_some();
        // A number is told without understanding anything.
        let usage = Usage::default();
        let events = outbound.first().map(|first| {
            let (text, usage) = (&first.text, &usage);
            let told = Replied { messages: &[], intent, text, handed_over, question: None, usage, took };
            reply_event(self, &told)
        });
        let commit = AnswerCommit {
            conversation_id: conversation.conversation_id,
            version: conversation.version,
            epoch: self.identity.home.epoch,
            call_id: call.call_id,
            answer: answer_json(answer),
            state: outcome.state.to_json(),
            outbound,
            events: events.into_iter().collect(),
            hand_over: outcome.hand_over,
        };
        let has_reply = !commit.outbound.is_empty();
        let writing = async move {
            crate::crash_point!("answer::before_commit");
            store::commit_answer(&channel.pool, &commit).await
        };
        context.wait(writing.into_actor(self).map(move |written, actor, context| {
            actor.begin(Activity::Resting);
            actor.dirty = true;
            match written {
                Ok(Committed::Yes(_)) => {
                    actor.announce(LiveChangeKind::Messages);
                    if has_reply {
                        actor.deliver(context);
                    }
                }
                // The call stays open; it is made again with the same key, and answered the same.
                Ok(Committed::Stale) => {}
                Err(error) => return actor.store_failed(&error, context),
            }
            actor.advance(context);
        }));
    }

    fn postpone(&mut self, call: &OpenCall, failed: &CallFailed, context: &mut Context<Self>) {
        let pause = Duration::from_millis(500) * 2_u32.pow(call.attempts.clamp(0, 6) as u32);
        tracing::warn!(conversation.id = %self.identity.conversation, call.kind = %call.kind, attempt = call.attempts + 1, error = %failed, "call postponed");
        let (pool, call_id) = (self.context().pool.clone(), call.call_id);
        let writing = async move { store::postpone_call(&pool, call_id, pause).await };
        context.wait(writing.into_actor(self).map(|written, actor, context| {
            actor.begin(Activity::Resting);
            actor.dirty = true;
            match written {
                Ok(()) => actor.advance(context),
                Err(error) => actor.store_failed(&error, context),
            }
        }));
    }
}

/// Makes the call. A refusal is an answer too; only "unavailable" is not.
async fn ask(client: &CaseClient, body: Value) -> Result<(Answer, Language), CallFailed> {
    let Ok(call) = serde_json::from_value::<StoredCall>(body) else {
        tracing::error!("a stored call cannot be read; it is answered as refused");
        return Ok((Answer::NotCreated, Language::Id));
    };
    let answer = match call.request {
        Request::CreateComplaint(request) => match client.create(*request).await {
            Ok(complaint) => {
                Answer::Created { lap_id: complaint.lap_id.to_string(), kategori: complaint.kategori }
            }
            Err(CallFailed::Refused { reason }) => {
                tracing::error!(%reason, "the case service refused a complaint");
                Answer::NotCreated
            }
            Err(unavailable) => return Err(unavailable),
        },
        Request::AmendComplaint(request) => {
            let lap_id = request.lap_id.to_string();
            match client.amend(*request).await {
                Ok(complaint) => {
                    Answer::Amended { lap_id, kategori: complaint.kategori, alamat: complaint.alamat }
                }
                Err(CallFailed::Refused { .. }) => Answer::NotAmended { lap_id },
                Err(unavailable) => return Err(unavailable),
            }
        }
        Request::AmendUnknown { lap_id } => Answer::NotAmended { lap_id },
        Request::CancelComplaint(request) => {
            let lap_id = request.lap_id.to_string();
            match client.cancel(request).await {
                Ok(_) => Answer::Cancelled { lap_id },
                Err(CallFailed::Refused { .. }) => Answer::NotCancelled { lap_id },
                Err(unavailable) => return Err(unavailable),
            }
        }
        Request::CancelUnknown { lap_id } => Answer::NotCancelled { lap_id },
        Request::PersonMerged(request) => match client.person_merged(request).await {
            Ok(_) => Answer::Noted,
            Err(CallFailed::Refused { reason }) => {
                tracing::error!(%reason, "the case service refused to join two people");
                Answer::Noted
            }
            Err(unavailable) => return Err(unavailable),
        },
    };
    Ok((answer, call.language))
}

fn answer_json(answer: &Answer) -> Value {
    match answer {
        Answer::Created { lap_id, kategori } => json!({"created": lap_id, "kategori": kategori}),
        Answer::Amended { lap_id, .. } => json!({"amended": lap_id}),
        Answer::NotAmended { lap_id } => json!({"not_amended": lap_id}),
        Answer::Cancelled { lap_id } => json!({"cancelled": lap_id}),
        Answer::NotCancelled { lap_id } => json!({"not_cancelled": lap_id}),
        Answer::NotCreated => json!({"refused": true}),
        Answer::Noted => json!({"noted": true}),
    }
}
