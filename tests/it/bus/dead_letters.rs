//! What people do with dead letters: through the library, as `govconnect bus` does it.

use govconnect::bus::rabbitmq::dead_letters::{DeadLetter, DeadLetters, Replay, Which};
use govconnect::bus::topology::{DEAD_LETTERS, EVENTS};
use govconnect::bus_command::{self, BusArgs, BusCommand, BusError, WhichArgs};
use secrecy::SecretString;

use super::*;

async fn letters(of: &DeadLetters, count: usize) -> Vec<DeadLetter> {
    eventually("the dead letters are there", async || {
        let letters = of.list(100, false).await.unwrap();
        (letters.len() == count).then_some(letters)
    })
    .await
}

async fn command(broker: &TestBroker, command: BusCommand) -> Result<String, BusError> {
    let mut output = Vec::new();
    bus_command::run(&BusArgs { command }, &broker.url(), &mut output).await?;
    Ok(String::from_utf8(output).unwrap())
}

/// An event of ours that somebody gave up, with what a broker writes on such.
async fn given_up(broker: &TestBroker, queue: &str) -> (Uuid, Uuid) {
    let (letter, message) = (Uuid::now_v7(), Uuid::now_v7());
    let headers = json!({
        "x-letter": letter.to_string(), "x-queue": queue, "x-reason": "on purpose", "x-delivery-count": 7,
        "occurred-at": "2026-01-02T03:04:05.678Z",
    });
    let properties = json!({
        "message_id": message.to_string(), "app_id": "channel", "type": "whatsapp.message.sent", "headers": headers,
    });
    broker.publish(DEAD_LETTERS, "whatsapp.message.sent", properties, r#"{"n":1}"#).await;
    (letter, message)
}

#[tokio::test]
async fn events_are_listed_without_their_words_put_back_as_they_were_and_thrown_away() {
    let broker = TestBroker::create().await;
    let listener = Listener::new("some-service.#", &["#"]);
    let running =
        Running::over(&broker, Receivers { subscribers: vec![listener.clone()], ..Receivers::default() });
    publish(&running, &[event("a")]).await;
    broker.publish(EVENTS, "a.secret", json!({ "message_id": "of an outsider" }), "not to be shown").await;
    let of_broker = DeadLetters::new(&broker.url()).unwrap();
    let listed = letters(&of_broker, 1).await;
    let [poison] = &listed[..] else { unreachable!() };
    assert_eq!(poison.queue.as_deref(), Some("some-service.#"));
    assert_eq!(poison.reason.as_deref(), Some("no message_id that is a UUID"));
    assert_eq!(poison.kind, "a.secret");
    assert_eq!(poison.message_id.as_deref(), Some("of an outsider"));
    assert!(poison.at.is_some());
    assert_eq!(letters(&of_broker, 1).await, listed, "looking changes nothing");

    let list = |json, bodies| BusCommand::List { limit: 100, json, bodies };
    let shown = command(&broker, list(false, false)).await.unwrap();
    assert!(shown.contains("a.secret") && !shown.contains("not to be shown"), "{shown}");
    let shown = command(&broker, list(true, true)).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["body"], "not to be shown");

    let (letter, message) = given_up(&broker, "some-service.#").await;
    let (lost, _) = given_up(&broker, "no-such-queue").await;
    letters(&of_broker, 3).await;
    assert_eq!(of_broker.list(2, false).await.unwrap().len(), 2);
    let one = |id| WhichArgs { id: Some(id), all: false };
    let told = command(&broker, BusCommand::Replay { which: one(letter), force: false }).await.unwrap();
    assert_eq!(told, format!("{letter}\tput back\n"));
    eventually("it has come back", async || (listener.ids().len() == 2).then_some(())).await;
    let came = listener.got.lock().unwrap()[1].clone();
    assert_eq!(came, Event { message_id: message, ..event("whatsapp.message.sent") });
    let kept = command(&broker, BusCommand::Replay { which: one(lost), force: false }).await;
    assert!(matches!(kept, Err(BusError::Kept { outcome: Replay::QueueGone, .. })), "{kept:?}");

    // What is poison still is given up anew, as what it was.
    let outcomes: BTreeSet<String> = of_broker
        .replay(Which::All, false)
        .await
        .unwrap()
        .into_iter()
        .map(|(letter, outcome)| format!("{} {outcome}", letter.kind))
        .collect();
    let expected = ["a.secret put back", "whatsapp.message.sent kept: the queue it was in is gone"];
    assert_eq!(outcomes, expected.map(str::to_owned).into());
    let again = letters(&of_broker, 2).await;
    let poison = again.iter().find(|letter| letter.kind == "a.secret").unwrap();
    assert_ne!(poison.id, listed[0].id);

    assert!(of_broker.discard(lost).await.unwrap().is_some());
    let dropped = command(&broker, BusCommand::Drop { id: poison.id.unwrap() }).await.unwrap();
    assert!(dropped.contains("thrown away"), "{dropped}");
    letters(&of_broker, 0).await;
    assert!(matches!(command(&broker, BusCommand::Drop { id: lost }).await, Err(BusError::Unknown(_))));
}

#[tokio::test]
async fn a_call_is_put_back_only_when_that_is_insisted_upon() {
    let broker = TestBroker::create().await;
    let clerk = Clerk::new();
    let running = Running::over(&broker, Receivers { workers: vec![clerk.clone()], ..Receivers::default() });
    let refused = running.bus.call(call("refuse", json!("a call")), LONG).await;
    assert!(matches!(refused, Err(NotAnswered::Refused { .. })), "{refused:?}");
    let of_broker = DeadLetters::new(&broker.url()).unwrap();
    let listed = letters(&of_broker, 1).await;
    let id = listed[0].id.unwrap();
    assert_eq!((listed[0].queue.as_deref(), &*listed[0].kind), (Some("case.calls"), "refuse"));

    let which = WhichArgs { id: Some(id), all: false };
    let kept = command(&broker, BusCommand::Replay { which: which.clone(), force: false }).await;
    assert!(kept.unwrap_err().to_string().contains("--force"));
    let all = WhichArgs { id: None, all: true };
    let skipped = command(&broker, BusCommand::Replay { which: all, force: false }).await.unwrap();
    assert!(skipped.contains("its caller has gone"), "{skipped}");
    assert_eq!(clerk.begun().len(), 1);

    command(&broker, BusCommand::Replay { which, force: true }).await.unwrap();
    eventually("it is done again", async || (clerk.begun().len() == 2).then_some(())).await;
    assert_eq!(clerk.begun()[1], json!("a call"));
    let again = eventually("it is given up again", async || {
        let letters = of_broker.list(10, false).await.unwrap();
        letters.first().filter(|letter| letter.id != Some(id)).cloned()
    });
    assert_eq!(again.await.message_id, listed[0].message_id);
}

#[tokio::test]
async fn what_the_broker_itself_gave_up_says_where_and_why_and_without_a_broker_there_is_nothing() {
    let broker = TestBroker::create().await;
    let of_broker = DeadLetters::new(&broker.url()).unwrap();
    letters(&of_broker, 0).await;
    broker.declare("hasty", json!({ "x-message-ttl": 1, "x-dead-letter-exchange": DEAD_LETTERS })).await;
    broker.bind("hasty", EVENTS, "#").await;
    let id = Uuid::now_v7();
    broker.publish(EVENTS, "a.b", json!({ "message_id": id.to_string() }), "{}").await;
    let listed = letters(&of_broker, 1).await;
    assert_eq!((listed[0].id, &*listed[0].kind), (Some(id), "a.b"));
    assert_eq!((listed[0].queue.as_deref(), listed[0].reason.as_deref()), (Some("hasty"), Some("expired")));
    assert!(listed[0].at.is_some());

    let args = BusArgs { command: BusCommand::Drop { id } };
    let error = bus_command::run(&args, &SecretString::from(""), &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().starts_with("broker.url is not set"), "{error}");
}
