//! What only a broker has: messages that outsiders read, dead letters, deaths and lost connections.

use super::*;
use govconnect::bus::events::Subscription;
use govconnect::bus::topology::{DEAD_LETTERS, EVENTS};

fn working(clerk: &Arc<Clerk>) -> Receivers {
    Receivers { workers: vec![clerk.clone()], ..Receivers::default() }
}

fn listening(listener: &Arc<Listener>) -> Receivers {
    Receivers { subscribers: vec![listener.clone()], ..Receivers::default() }
}

async fn dead_letters(broker: &TestBroker, count: usize) -> Vec<Value> {
    eventually("the dead letters are there", async || {
        let letters = broker.messages(DEAD_LETTERS).await;
        (letters.len() >= count).then_some(letters)
    })
    .await
}

#[tokio::test]
async fn an_outsider_reads_events_by_amqps_own_properties_and_unwanted_ones_are_counted() {
    let broker = TestBroker::create().await;
    let running = Running::over(&broker, Receivers::default());
    let returned = running.metrics.bus_returned.with_label_values(&["event"]);
    publish(&running, &[event("whatsapp.message.sent"), event("a.b")]).await;
    assert_eq!(returned.get(), 2, "nobody wants them yet");

    broker.listen("outsider", EVENTS, "whatsapp.#").await;
    let told = event("whatsapp.message.sent");
    publish(&running, std::slice::from_ref(&told)).await;
    assert_eq!(returned.get(), 2);
    let messages = broker.messages("outsider").await;
    let [message] = &messages[..] else { panic!("{} messages", messages.len()) };
    assert_eq!(message["payload"], r#"{"n":1}"#);
    let properties = &message["properties"];
    assert_eq!(properties["message_id"], told.message_id.to_string());
    assert_eq!(properties["type"], "whatsapp.message.sent");
    assert_eq!(properties["app_id"], "channel");
    assert_eq!(properties["timestamp"], told.occurred_at.as_second());
    assert_eq!(properties["content_type"], "application/json");
    assert_eq!(properties["delivery_mode"], 2);
    let trace = properties["headers"]["traceparent"].as_str().unwrap();
    assert_eq!(Traceparent::parse(trace), Some(Traceparent::beginning_with(told.message_id)));
}

#[tokio::test]
async fn what_makes_no_sense_is_kept_with_the_reason_and_holds_nobody_up() {
    let broker = TestBroker::create().await;
    let (listener, clerk) = (Listener::new("some-service.#", &["#"]), Clerk::new());
    let receivers = Receivers { workers: vec![clerk.clone()], ..listening(&listener) };
    let running = Running::over(&broker, receivers);
    let first = event("a");
    publish(&running, std::slice::from_ref(&first)).await;
    let known = json!({ "message_id": Uuid::now_v7().to_string() });
    broker.publish(EVENTS, "a.b", json!({}), "{}").await;
    broker.publish(EVENTS, "a.c", known, "not JSON, and not to be quoted").await;
    let last = event("c");
    publish(&running, std::slice::from_ref(&last)).await;
    eventually("what makes sense has come", async || (listener.ids().len() >= 2).then_some(())).await;
    assert_eq!(listener.ids(), [first.message_id, last.message_id]);
    let refused = running.bus.call(call("refuse", json!("a call")), LONG).await;
    assert_eq!(refused, Err(NotAnswered::Refused { reason: "no such kind".into() }));

    let mut letters: Vec<[String; 3]> = dead_letters(&broker, 3)
        .await
        .iter()
        .map(|letter| {
            let headers = &letter["properties"]["headers"];
            [&headers["x-queue"], &headers["x-reason"], &letter["payload"]]
                .map(|value| value.as_str().unwrap().to_owned())
        })
        .collect();
    letters.sort();
    assert_eq!(
        letters,
        [
            ["case.calls", "no such kind", r#""a call""#],
            ["some-service.#", "no message_id that is a UUID", "{}"],
            ["some-service.#", "the body is not JSON", "not JSON, and not to be quoted"],
        ]
    );
    assert_eq!(running.metrics.bus_dead_lettered.with_label_values(&["some-service.#"]).get(), 2);
}

#[tokio::test]
async fn a_call_that_nobody_did_in_time_is_never_done_and_is_no_dead_letter() {
    let broker = TestBroker::create().await;
    let caller = Running::over(&broker, Receivers::default());
    eventually("the broker is reached", async || caller.bus.publish(&[event("a")]).await.ok()).await;
    let late = caller.bus.call(call("double", json!(1)), Duration::from_millis(300)).await;
    assert_eq!(late, Err(NotAnswered::Late));

    let clerk = Clerk::new();
    let _worker = Running::over(&broker, working(&clerk));
    assert_eq!(caller.bus.call(call("double", json!(2)), LONG).await, Ok(json!(4)));
    assert_eq!(clerk.begun(), [json!(2)]);
    assert!(broker.messages(DEAD_LETTERS).await.is_empty());
}

#[tokio::test]
async fn a_call_is_done_by_another_when_its_worker_dies() {
    let broker = TestBroker::create().await;
    let caller = Running::over(&broker, Receivers::default());
    let asked = caller.bus.call(call("wait", json!(7)), LONG);
    let others = async {
        for _ in 0..2 {
            let clerk = Clerk::new();
            // Gone, with the call in its hands, at the end of each round.
            let _worker = Running::over(&broker, working(&clerk));
            clerk.noticed.notified().await;
            assert_eq!(clerk.begun(), [json!(7)]);
        }
    };
    tokio::select! {
        answer = asked => panic!("it was answered: {answer:?}"),
        () = others => {}
    }
}

#[tokio::test]
async fn everything_goes_on_after_the_connections_were_cut() {
    let broker = TestBroker::create().await;
    let (listener, clerk) = (Listener::new("some-service.#", &["#"]), Clerk::new());
    let ear = Arc::new(Ear::default());
    let running = Running::over(
        &broker,
        Receivers { workers: vec![clerk], listener: Some(ear.clone()), ..listening(&listener) },
    );
    running.bus.own(PartitionId::all().collect());
    for round in 0..2 {
        let told = event("a");
        publish(&running, std::slice::from_ref(&told)).await;
        eventually("it has come", async || listener.ids().contains(&told.message_id).then_some(())).await;
        let doubled = eventually("a call is answered", async || {
            running.bus.call(call("double", json!(3)), LONG).await.ok()
        });
        assert_eq!(doubled.await, json!(6));
        let conversation = ConversationId::new();
        eventually("it is woken", async || {
            running.bus.wake(&[conversation]);
            ear.0.lock().unwrap().contains(&conversation).then_some(())
        })
        .await;
        if round == 0 {
            eventually("both connections are cut", async || (broker.cut().await == 2).then_some(())).await;
        }
    }
}

#[tokio::test]
async fn queues_are_of_the_kind_that_survives_and_refuses() {
    let broker = TestBroker::create().await;
    let listener = Listener::new("some-service.x", &["#"]);
    let (one, other) =
        (Running::over(&broker, listening(&listener)), Running::over(&broker, listening(&listener)));
    // Both declare the same.
    publish(&one, &[event("a")]).await;
    publish(&other, &[event("a")]).await;
    for (queue, limit) in [("ai.turns", 20), ("case.calls", 20), ("some-service.x", 1000)] {
        let arguments = broker.queue(queue).await["arguments"].clone();
        assert_eq!(arguments["x-queue-type"], "quorum", "{queue}");
        assert_eq!(arguments["x-overflow"], "reject-publish", "{queue}");
        assert_eq!(arguments["x-delivery-limit"], limit, "{queue}");
    }
    assert_eq!(broker.queue("some-service.x").await["arguments"]["x-dead-letter-exchange"], DEAD_LETTERS);
}

#[tokio::test]
async fn every_node_that_shows_conversations_is_told_whoever_announces_also_after_a_cut() {
    let broker = TestBroker::create().await;
    let screens = [Arc::new(Screen::default()), Arc::new(Screen::default())];
    let nodes = screens
        .clone()
        .map(|screen| Running::over(&broker, Receivers { live_chat: Some(screen), ..Receivers::default() }));
    let without_a_dashboard = Running::over(&broker, Receivers::default());
    for (round, teller) in [&without_a_dashboard, &nodes[0], &without_a_dashboard].into_iter().enumerate() {
        if round == 2 {
            eventually("the connections are cut", async || (broker.cut().await >= 4).then_some(())).await;
        }
        let change = LiveChange { conversation_id: ConversationId::new(), kind: LiveChangeKind::Status };
        eventually("both are told", async || {
            teller.bus.announce(&[change]);
            screens.iter().all(|screen| screen.0.lock().unwrap().contains(&change)).then_some(())
        })
        .await;
    }
    let sent = without_a_dashboard.metrics.bus_announcements.with_label_values(&["sent"]);
    assert!(sent.get() >= 2);
}

#[tokio::test]
async fn what_happens_before_a_service_has_ever_run_waits_for_it() {
    const LATE: Subscription =
        Subscription { queue: "late-service.#", patterns: &[TopicPattern::new("a.#")] };
    let broker = TestBroker::create().await;
    let receivers = Receivers { subscriptions: vec![LATE], ..Receivers::default() };
    let running = Running::over(&broker, receivers);
    let early = event("a.b");
    publish(&running, std::slice::from_ref(&early)).await;
    assert_eq!(running.metrics.bus_returned.with_label_values(&["event"]).get(), 0);
    let late = Listener::new(LATE.queue, &["a.#"]);
    let _other = Running::over(&broker, listening(&late));
    eventually("it has it", async || (late.ids() == [early.message_id]).then_some(())).await;
}
