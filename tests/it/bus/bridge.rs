//! Actors that call actors: of this node, over a bus of one process, and over a real broker, by the same clients.

use actix::{Actor, Addr, AsyncContext, Context};
use govconnect::actors::ai::Ai;
use govconnect::actors::case::Case;
use govconnect::actors::clients::{AiClient, CASE_DEADLINE, CallFailed, CaseClient};
use govconnect::actors::workers::{AiWorker, CaseWorker};
use govconnect::ai::service::AiService;
use govconnect::bus::case_calls::{CancelComplaint, CreateComplaint, PersonMerged, Refusal};
use govconnect::clock::Clock;
use govconnect::complaint::{ComplaintStatus, Urgency};
use govconnect::dialogue::understanding::{Intent, UnderstandRequest};
use govconnect::ids::{CallId, DraftId};
use govconnect::samples;

use super::*;
use crate::support::database::TestDatabase;

fn spawn<A: Actor<Context = Context<A>>>(actor: A) -> Addr<A> {
    let context = Context::new();
    let address = context.address();
    actix_rt::spawn(context.into_future(actor));
    address
}

fn actors(database: &TestDatabase, turn_deadline: Duration) -> (Addr<Ai>, Addr<Case>) {
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    let zone = jiff::tz::TimeZone::get("Asia/Jakarta").unwrap();
    let case = Case::new(database.pool.clone(), clock, zone, Metrics::new().unwrap(), 4);
    (spawn(Ai::new(AiService::new(database.pool.clone(), turn_deadline), 1)), spawn(case))
}

fn working(ai: &Addr<Ai>, case: &Addr<Case>) -> Receivers {
    let workers: Vec<Arc<dyn Worker>> =
        vec![Arc::new(AiWorker::new(ai.clone(), 1)), Arc::new(CaseWorker::new(case.clone(), 4))];
    Receivers { workers, ..Receivers::default() }
}

fn asking(text: &str) -> UnderstandRequest {
    UnderstandRequest { texts: vec![text.into()], ..UnderstandRequest::default() }
}

fn broken_lamp(person_id: PersonId) -> CreateComplaint {
    CreateComplaint {
        key: DraftId::new(),
        person_id,
        wa_user_id: Some("6281200000002".into()),
        kategori: "lampu_jalan".into(),
        alamat: "depan masjid".into(),
        rt_rw: None,
        deskripsi: "Lampu mati 🙏".into(),
        // More digits than are sure to survive.
        latitude: Some(-6.208_763_412_345_678),
        longitude: Some(106.845_599_123_456_78),
        urgency: Urgency::Normal,
        origin_conversation_id: Some(ConversationId::new()),
    }
}

#[actix_rt::test]
async fn callers_cannot_tell_where_their_answers_come_from() {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let (ai, case) = actors(&database, LONG);
    let broker = TestBroker::create().await;
    let alone = Running::new(Arc::new(LocalBus::new(working(&ai, &case))), Metrics::new().unwrap());
    let worker = Running::over(&broker, working(&ai, &case));
    let caller = Running::over(&broker, Receivers::default());
    let over = |bus: &Arc<dyn Bus>| {
        (AiClient::over(bus.clone(), LONG), CaseClient::over(bus.clone(), CASE_DEADLINE))
    };
    let clients = [
        (AiClient::local(ai.clone()), CaseClient::local(case.clone())),
        over(&alone.bus),
        over(&worker.bus),
        over(&caller.bus),
    ];
    let mut understandings = Vec::new();
    for (ai, case) in &clients {
        understandings.push(ai.understand(asking("jam buka kantor?")).await.unwrap());

        let person = PersonId::new();
        let draft = broken_lamp(person);
        let filed = case.create(draft.clone()).await.unwrap();
        assert_eq!(filed.deskripsi, draft.deskripsi);
        // However it is repeated, and over whichever way, it is the same call.
        for (_, way) in &clients {
            assert_eq!(way.create(draft.clone()).await.as_ref(), Ok(&filed));
        }
        let other = CreateComplaint { alamat: "lain".into(), ..draft };
        assert_eq!(case.create(other).await, Err(CallFailed::Refused { reason: Refusal::KeyReused }));
        let number = filed.lap_id.to_string();
        assert_eq!(case.find(number.clone(), person).await.as_deref(), Ok(&[filed.clone()][..]));
        assert_eq!(case.find(number.clone(), PersonId::new()).await, Ok(Vec::new()));
        assert_eq!(case.list(person).await.as_deref(), Ok(&[filed.clone()][..]));
        let merged = PersonMerged { key: CallId::new(), from: person, into: PersonId::new() };
        let into = merged.into;
        assert_eq!(case.person_merged(merged).await.unwrap().complaints, 1);
        let cancel = |key| CancelComplaint { key, lap_id: filed.lap_id, person_id: into };
        let key = CallId::new();
        let cancelled = case.cancel(cancel(key)).await.unwrap();
        assert_eq!(cancelled.status, ComplaintStatus::Dibatalkan);
        assert_eq!(case.cancel(cancel(key)).await, Ok(cancelled));
        let of_stranger = CancelComplaint { person_id: PersonId::new(), ..cancel(CallId::new()) };
        let not_found = CallFailed::Refused { reason: Refusal::NotFound };
        assert_eq!(case.cancel(of_stranger).await, Err(not_found));
    }
    assert!(understandings[0].wants(Intent::KnowledgeQuery));
    assert!(!understandings[0].passages.is_empty());
    assert!(understandings.iter().all(|each| *each == understandings[0]), "{understandings:?}");
}

#[actix_rt::test]
async fn a_turn_that_its_caller_gives_up_makes_room_for_the_next_on_another_node_too() {
    let database = TestDatabase::create().await;
    samples::load(&database.pool).await.unwrap();
    let (ai, case) = actors(&database, Duration::from_secs(600));
    // All connections are taken: a question waits for as long as anybody waits for its answer.
    let mut held = Vec::new();
    while held.len() < database.pool.options().get_max_connections() as usize {
        held.push(database.pool.acquire().await.unwrap());
    }
    let broker = TestBroker::create().await;
    let _worker = Running::over(&broker, working(&ai, &case));
    let caller = Running::over(&broker, Receivers::default());
    let client = AiClient::over(caller.bus.clone(), Duration::from_secs(600));
    // A turn without a question is understood without the database: the node works.
    client.understand(asking("terima kasih")).await.unwrap();
    for _ in 0..3 {
        let given_up =
            tokio::time::timeout(Duration::from_millis(100), client.understand(asking("jam buka kantor?")))
                .await;
        assert!(given_up.is_err());
    }
    let next = tokio::time::timeout(LONG, client.understand(asking("terima kasih"))).await;
    assert!(next.expect("the place is free").unwrap().wants(Intent::Thanks));
}

#[actix_rt::test]
async fn what_nobody_comes_to_may_be_asked_again_and_what_none_can_do_may_not() {
    let broker = TestBroker::create().await;
    let clerk = Clerk::new();
    let running = Running::over(&broker, Receivers { workers: vec![clerk.clone()], ..Receivers::default() });
    let soon = Duration::from_millis(200);
    let ai = AiClient::over(running.bus.clone(), soon);
    assert_eq!(ai.understand(asking("apa?")).await, Err(CallFailed::Away), "nobody understands here");
    let case = CaseClient::over(running.bus.clone(), soon);
    assert_eq!(case.list(PersonId::new()).await, Err(CallFailed::Away), "the clerk does not come to it");
    let poison = NotAnswered::Refused { reason: "no such kind of call".into() };
    assert_eq!(CallFailed::from(poison), CallFailed::Refused { reason: Refusal::Failed });
}
