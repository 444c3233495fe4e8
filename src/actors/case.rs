//! The case actor: answers the calls of `bus::case_calls` from the store.
//!
//! Holds no state of its own, so a restart loses nothing but answers, and callers repeat. Mailboxes do not push back,
//! so the work is bounded here: calls over the bound wait a while, then are told to come again. Never logs bodies.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use garde::Validate;
use jiff::tz::TimeZone;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::supervision;
use crate::bus::case_calls::{
    AmendComplaint, CancelComplaint, CaseCallError, CaseCallKind, CreateComplaint, FindComplaint,
    ListComplaints, PersonMerged, Reassigned, Refusal, ReportedComplaint,
};
use crate::clock::Clock;
use crate::complaint::{Coordinates, ReportChannel};
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::case::{CaseError, Complaint, change, create, people, read};

/// How long a call waits for its turn before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most complaints a list answers with.
const MAX_LIST: u32 = 100;
/// Parts of a degree that a pin is kept to: about a centimetre.
const DEGREE_PARTS: f64 = 1e7;

/// Answers what others ask of the case service.
pub struct Case {
    desk: Arc<Desk>,
}

/// What a call works with, apart from the actor, so that calls run beside each other.
struct Desk {
    pool: PgPool,
    clock: Clock,
    time_zone: TimeZone,
    metrics: Metrics,
    permits: Semaphore,
}

impl Case {
    /// An actor to be spawned; at most `concurrency` calls are worked on at once. `time_zone` is the office's.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        time_zone: TimeZone,
        metrics: Metrics,
        concurrency: usize,
    ) -> Self {
        let permits = Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS));
        Case { desk: Arc::new(Desk { pool, clock, time_zone, metrics, permits }) }
    }

    /// Runs `work` under the bound and counts how it ended.
    fn answer<T, F>(
        &self,
        kind: CaseCallKind,
        work: impl FnOnce(Arc<Desk>) -> F + 'static,
    ) -> ResponseFuture<Result<T, CaseCallError>>
    where
        T: 'static,
        F: Future<Output = Result<T, CaseCallError>> + 'static,
    {
        let desk = self.desk.clone();
        Box::pin(async move {
            let answer = match timeout(PATIENCE, desk.permits.acquire()).await {
                // A call that panicked may be made again: the same key finds what was done.
                Ok(Ok(_permit)) => {
                    let answer = supervision::contained("case", work(desk.clone())).await;
                    answer.unwrap_or(Err(CaseCallError::Unavailable))
                }
                Ok(Err(_)) | Err(_) => Err(CaseCallError::Unavailable),
            };
            let outcome = match &answer {
                Ok(_) => "answered",
                Err(CaseCallError::Refused { .. }) => "refused",
                Err(CaseCallError::Unavailable) => "unavailable",
            };
            desk.metrics.case_calls.with_label_values(&[kind.into(), outcome]).inc();
            answer
        })
    }
}

impl Actor for Case {
    type Context = Context<Self>;
}

impl Message for CreateComplaint {
    type Result = Result<ReportedComplaint, CaseCallError>;
}

impl Message for FindComplaint {
    type Result = Result<ReportedComplaint, CaseCallError>;
}

impl Message for ListComplaints {
    type Result = Result<Vec<ReportedComplaint>, CaseCallError>;
}

impl Message for AmendComplaint {
    type Result = Result<ReportedComplaint, CaseCallError>;
}

impl Message for CancelComplaint {
    type Result = Result<ReportedComplaint, CaseCallError>;
}

impl Message for PersonMerged {
    type Result = Result<Reassigned, CaseCallError>;
}

impl Handler<PersonMerged> for Case {
    type Result = ResponseFuture<Result<Reassigned, CaseCallError>>;

    fn handle(&mut self, call: PersonMerged, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::PersonMerged, async move |desk| {
            let now = desk.clock.now();
            let complaints =
                people::merge(&desk.pool, call.from, call.into, now).await.map_err(call_error)?;
            Ok(Reassigned { complaints })
        })
    }
}

impl Handler<CreateComplaint> for Case {
    type Result = ResponseFuture<Result<ReportedComplaint, CaseCallError>>;

    fn handle(&mut self, call: CreateComplaint, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::CreateComplaint, async move |desk| {
            let (key, new) = (call.key.to_string(), accept(call)?);
            let now = desk.clock.now();
            let filed = create::create(&desk.pool, Some(&key), &new, now, &desk.time_zone)
                .await
                .map_err(call_error)?;
            desk.reported(filed.complaint).await
        })
    }
}

impl Handler<FindComplaint> for Case {
    type Result = ResponseFuture<Result<ReportedComplaint, CaseCallError>>;

    fn handle(&mut self, call: FindComplaint, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::FindComplaint, async move |desk| {
            let person = people::present(&desk.pool, call.person_id).await.map_err(call_error)?;
            let complaint = read::get(&desk.pool, call.lap_id).await.map_err(call_error)?;
            // Somebody else's complaint looks like none at all.
            if complaint.person_id != Some(person) {
                return Err(Refusal::NotFound.into());
            }
            desk.reported(complaint).await
        })
    }
}

impl Handler<ListComplaints> for Case {
    type Result = ResponseFuture<Result<Vec<ReportedComplaint>, CaseCallError>>;

    fn handle(&mut self, call: ListComplaints, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::ListComplaints, async move |desk| {
            let person = people::present(&desk.pool, call.person_id).await.map_err(call_error)?;
            let filter = read::Filter { person_id: Some(person), ..read::Filter::default() };
            let limit = call.limit.clamp(1, MAX_LIST);
            let page = read::list(&desk.pool, &filter, None, limit).await.map_err(call_error)?;
            let names = desk.category_names().await?;
            Ok(page.items.into_iter().map(|complaint| as_reported(complaint, &names, None)).collect())
        })
    }
}

impl Handler<AmendComplaint> for Case {
    type Result = ResponseFuture<Result<ReportedComplaint, CaseCallError>>;

    fn handle(&mut self, call: AmendComplaint, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::AmendComplaint, async move |desk| {
            let (key, id, now) = (call.key, call.lap_id, desk.clock.now());
            let person = people::present(&desk.pool, call.person_id).await.map_err(call_error)?;
            let amendment = amendment(call)?;
            let complaint =
                change::amend(&desk.pool, key, id, person, &amendment, now).await.map_err(call_error)?;
            desk.reported(complaint).await
        })
    }
}

impl Handler<CancelComplaint> for Case {
    type Result = ResponseFuture<Result<ReportedComplaint, CaseCallError>>;

    fn handle(&mut self, call: CancelComplaint, _: &mut Context<Self>) -> Self::Result {
        self.answer(CaseCallKind::CancelComplaint, async move |desk| {
            let now = desk.clock.now();
            let person = people::present(&desk.pool, call.person_id).await.map_err(call_error)?;
            let complaint =
                change::cancel(&desk.pool, call.key, call.lap_id, person, now).await.map_err(call_error)?;
            desk.reported(complaint).await
        })
    }
}

type CategoryNames = std::collections::HashMap<String, String>;

impl Desk {
    async fn reported(&self, complaint: Complaint) -> Result<ReportedComplaint, CaseCallError> {
        let names = self.category_names().await?;
        let last_note = read::last_public_note(&self.pool, complaint.id).await.map_err(call_error)?;
        Ok(as_reported(complaint, &names, last_note))
    }

    async fn category_names(&self) -> Result<CategoryNames, CaseCallError> {
        let categories = read::categories(&self.pool).await.map_err(call_error)?;
        Ok(categories.into_iter().map(|category| (category.code, category.name)).collect())
    }
}

fn as_reported(complaint: Complaint, names: &CategoryNames, last_note: Option<String>) -> ReportedComplaint {
    ReportedComplaint {
        lap_id: complaint.id,
        status: complaint.status,
        kategori_name: names.get(&complaint.kategori).unwrap_or(&complaint.kategori).clone(),
        kategori: complaint.kategori,
        alamat: complaint.alamat,
        deskripsi: complaint.deskripsi,
        urgency: complaint.urgency,
        created_at: complaint.created_at,
        updated_at: complaint.updated_at,
        last_note,
    }
}

/// What the reporter changes, or which field cannot be accepted.
fn amendment(call: AmendComplaint) -> Result<change::Amendment, Refusal> {
    sound(&call)?;
    Ok(change::Amendment {
        coordinates: coordinates(call.latitude, call.longitude)?,
        kategori: call.kategori,
        alamat: call.alamat,
        rt_rw: call.rt_rw,
        addition: call.addition,
    })
}

fn sound(call: &impl Validate<Context = ()>) -> Result<(), Refusal> {
    let Err(report) = call.validate() else { return Ok(()) };
    let first = report.iter().next().map(|(path, error)| (path.to_string(), error.to_string()));
    let (field, message) = first.unwrap_or_default();
    Err(Refusal::Invalid { field, message })
}

/// The last bit of a number may be lost each time that a call is written and read, which makes no other complaint.
fn coordinates(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<Coordinates>, Refusal> {
    let [latitude, longitude] = [latitude, longitude]
        .map(|degrees| degrees.map(|degrees| (degrees * DEGREE_PARTS).round() / DEGREE_PARTS));
    Coordinates::from_parts(latitude, longitude).map_err(|missing| Refusal::Invalid {
        field: missing.into(),
        message: "latitude and longitude go together".into(),
    })
}

/// The call as a new complaint, or which field cannot be accepted.
fn accept(call: CreateComplaint) -> Result<create::NewComplaint, Refusal> {
    sound(&call)?;
    let coordinates = coordinates(call.latitude, call.longitude)?;
    Ok(create::NewComplaint {
        person_id: Some(call.person_id),
        wa_user_id: call.wa_user_id,
        kategori: call.kategori,
        alamat: call.alamat,
        rt_rw: call.rt_rw,
        deskripsi: call.deskripsi,
        coordinates,
        urgency: call.urgency,
        channel: ReportChannel::Whatsapp,
        origin_conversation_id: call.origin_conversation_id,
    })
}

/// What the caller is told. What a deployment or time may mend is to be repeated, so that no complaint is lost to it.
fn call_error(error: CaseError) -> CaseCallError {
    match error {
        CaseError::NotFound => Refusal::NotFound.into(),
        CaseError::KeyReused => Refusal::KeyReused.into(),
        CaseError::UnknownCategory => {
            Refusal::Invalid { field: "kategori".into(), message: "no such category in use".into() }.into()
        }
        CaseError::IllegalMove { from, .. } => Refusal::NotAllowed { status: from }.into(),
        CaseError::Store(StoreError::Refused(source)) => {
            let database = source.as_database_error();
            let code = database.and_then(|database| database.code()).unwrap_or_default();
            tracing::error!(sqlstate = %code, "a call to the case service was refused by the database");
            Refusal::Failed.into()
        }
        CaseError::Store(error) => {
            tracing::error!(%error, "a call to the case service failed");
            CaseCallError::Unavailable
        }
        CaseError::NumbersExhausted | CaseError::VersionConflict { .. } => CaseCallError::Unavailable,
    }
}
