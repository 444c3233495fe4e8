//! Calls over a broker when nodes stop, die or lose their connection.

use super::*;

fn working(clerk: &Arc<Clerk>) -> Receivers {
    Receivers { workers: vec![clerk.clone()], ..Receivers::default() }
}

/// The connections that came after `before`; a bus has two.
async fn new_connections(broker: &TestBroker, before: &BTreeSet<String>) -> BTreeSet<String> {
    eventually("the bus has both its connections", async || {
        let new = &broker.connections().await - before;
        (new.len() == 2).then_some(new)
    })
    .await
}

#[tokio::test]
async fn a_call_whose_worker_loses_its_connection_is_answered_by_another_within_the_deadline() {
    let broker = TestBroker::create().await;
    let caller = Running::over(&broker, Receivers::default());
    let of_caller = new_connections(&broker, &BTreeSet::new()).await;
    let (first, second) = (Clerk::new(), Clerk::new());
    let _first = Running::over(&broker, working(&first));
    let of_first = new_connections(&broker, &of_caller).await;

    let asked = caller.bus.call(call("gate", json!("once")), LONG);
    let others = async {
        first.noticed.notified().await;
        let _second = Running::over(&broker, working(&second));
        eventually("the second works, too", async || {
            assert_eq!(caller.bus.call(call("double", json!(1)), LONG).await, Ok(json!(2)));
            (!second.begun().is_empty()).then_some(())
        })
        .await;
        second.gate.notify_one();
        broker.cut_these(&of_first).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = asked => assert_eq!(answer, Ok(json!("once"))),
        () = others => {}
    }
    assert!(first.begun().contains(&json!("once")));
    assert!(second.begun().contains(&json!("once")));
}

#[tokio::test]
async fn a_worker_that_is_to_stop_takes_nothing_more_and_answers_what_it_has() {
    let broker = TestBroker::create().await;
    let caller = Running::over(&broker, Receivers::default());
    let clerk = Clerk::new();
    let worker = Running::over(&broker, working(&clerk));
    let asked = caller.bus.call(call("gate", json!("begun")), LONG);
    let stopped = async {
        clerk.noticed.notified().await;
        worker.stop.send_replace(true);
        eventually("it takes nothing more", async || {
            let answer = caller.bus.call(call("double", json!(1)), Duration::from_millis(200)).await;
            (answer == Err(NotAnswered::Late)).then_some(())
        })
        .await;
        clerk.gate.notify_one();
        for duty in worker.duties {
            duty.await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(asked, stopped);
    assert_eq!(answer, Ok(json!("begun")));

    // Nothing is left for the next one.
    let next = Clerk::new();
    let _next = Running::over(&broker, working(&next));
    assert_eq!(caller.bus.call(call("double", json!(4)), LONG).await, Ok(json!(8)));
    assert_eq!(next.begun(), [json!(4)]);
}

#[tokio::test]
async fn a_caller_that_is_to_stop_gets_its_answers_and_then_asks_no_more() {
    let broker = TestBroker::create().await;
    let clerk = Clerk::new();
    let _worker = Running::over(&broker, working(&clerk));
    let caller = Running::over(&broker, Receivers::default());
    let asked = caller.bus.call(call("gate", json!("begun")), LONG);
    let stopped = async {
        clerk.noticed.notified().await;
        caller.stop.send_replace(true);
        eventually("it asks no more", async || {
            let answer = caller.bus.call(call("double", json!(1)), LONG).await;
            (answer == Err(NotAnswered::Unavailable)).then_some(())
        })
        .await;
        clerk.gate.notify_one();
    };
    let (answer, ()) = tokio::join!(asked, stopped);
    assert_eq!(answer, Ok(json!("begun")));
    for duty in caller.duties {
        duty.await.unwrap();
    }
}

#[tokio::test]
async fn a_subscriber_that_is_to_stop_gets_each_event_once_all_in_all() {
    let broker = TestBroker::create().await;
    let subscribed =
        |listener: &Arc<Listener>| Receivers { subscribers: vec![listener.clone()], ..Receivers::default() };
    let publisher = Running::over(&broker, Receivers::default());
    let (one, other) = (Listener::new("some-service.#", &["#"]), Listener::new("some-service.#", &["#"]));
    let first = Running::over(&broker, subscribed(&one));
    publish(&first, &[event("a")]).await;
    let events: Vec<Event> = (0..300).map(|_| event("a")).collect();
    let stopped = async {
        eventually("some have come", async || (one.ids().len() > 20).then_some(())).await;
        first.stop.send_replace(true);
        for duty in first.duties {
            duty.await.unwrap();
        }
    };
    tokio::join!(publish(&publisher, &events), stopped);
    let taken = one.ids();
    let _second = Running::over(&broker, subscribed(&other));
    eventually("the rest has come", async || (taken.len() + other.ids().len() > events.len()).then_some(()))
        .await;
    let all: Vec<Uuid> = taken.into_iter().skip(1).chain(other.ids()).collect();
    assert_eq!(all, ids(&events), "in order, none lost, none twice");
}
