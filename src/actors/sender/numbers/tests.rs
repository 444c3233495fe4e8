use tokio::time::timeout;

use super::*;

fn numbers(adjust: impl FnOnce(&mut Pace)) -> Numbers {
    let mut pace = Pace {
        per_second: NonZeroU32::new(1000).unwrap(),
        pair_burst: NonZeroU32::new(45).unwrap(),
        pair_refill: Duration::from_secs(6),
        circuit_pause: Duration::from_secs(3600),
        spam_pause: Duration::from_secs(3600),
        account_pause: Duration::from_secs(3600),
    };
    adjust(&mut pace);
    Numbers::new(pace, Clock::system(), Metrics::new().unwrap())
}

fn refused(code: i64) -> CallError {
    CallError::Refused { class: ErrorClass::of(code, 400), code, http_status: 400, title: "a title".into() }
}

/// A turn that is there at once, or none.
async fn turn_now(numbers: &Numbers, number: &str) -> Option<Turn> {
    timeout(Duration::from_millis(50), numbers.turn(number, ConversationId::new())).await.ok()
}

async fn send(numbers: &Numbers, number: &str, error: Option<&CallError>) {
    let turn = turn_now(numbers, number).await.expect("a turn");
    numbers.ended(number, turn, error);
}

fn state(numbers: &Numbers, number: &str) -> CircuitState {
    numbers.view().into_iter().find(|view| view.phone_number_id == number).unwrap().state
}

#[tokio::test]
async fn which_errors_hold_up_the_number_which_the_account_and_which_nobody_else() {
    for (code, own, others) in [
        (131_056, true, true),
        (131_000, true, true),
        (131_026, true, true),
        (131_047, true, true),
        (131_053, true, true),
        (130_429, false, true),
        (131_057, false, true),
        (190, false, true),
        (131_042, false, true),
        (131_048, false, true),
        (133_016, false, true),
        (4, false, false),
        (80_007, false, false),
    ] {
        let numbers = numbers(|_| {});
        send(&numbers, "1", Some(&refused(code))).await;
        assert_eq!(turn_now(&numbers, "1").await.is_some(), own, "{code}: the number itself");
        assert_eq!(turn_now(&numbers, "2").await.is_some(), others, "{code}: the others");
    }
}

#[tokio::test]
async fn an_open_circuit_lets_one_message_try_and_closes_when_it_goes() {
    let numbers = numbers(|pace| pace.circuit_pause = Duration::from_millis(20));
    send(&numbers, "1", Some(&refused(190))).await;
    let view = numbers.view().remove(0);
    assert_eq!((view.state, view.reason.unwrap().code), (CircuitState::Open, 190));

    let trial = numbers.turn("1", ConversationId::new()).await;
    assert_eq!(state(&numbers, "1"), CircuitState::HalfOpen);
    assert!(turn_now(&numbers, "1").await.is_none(), "only one tries");
    // It is refused again: the pause doubles.
    numbers.ended("1", trial, Some(&refused(190)));
    assert!(numbers.view()[0].paused_s.unwrap() > 0.025);

    let trial = numbers.turn("1", ConversationId::new()).await;
    let waiting = tokio::spawn({
        let numbers = numbers.clone();
        async move { numbers.turn("1", ConversationId::new()).await }
    });
    numbers.ended("1", trial, None);
    waiting.await.unwrap();
    assert_eq!(state(&numbers, "1"), CircuitState::Closed);
}

#[tokio::test]
async fn a_trial_that_was_not_used_or_tells_nothing_goes_to_another_message() {
    let numbers = numbers(|pace| pace.circuit_pause = Duration::from_millis(5));
    send(&numbers, "1", Some(&refused(190))).await;
    drop(numbers.turn("1", ConversationId::new()).await);
    let trial = numbers.turn("1", ConversationId::new()).await;
    numbers.ended("1", trial, Some(&CallError::Ambiguous));
    assert_ne!(state(&numbers, "1"), CircuitState::Closed);
    let trial = timeout(Duration::from_secs(5), numbers.turn("1", ConversationId::new())).await.unwrap();
    numbers.ended("1", trial, Some(&refused(131_026)));
    assert_eq!(
        state(&numbers, "1"),
        CircuitState::Closed,
        "what is said of a person is said by a number that works"
    );
}

#[tokio::test]
async fn a_message_that_was_under_way_when_the_circuit_opened_does_not_close_it() {
    let numbers = numbers(|_| {});
    let earlier = turn_now(&numbers, "1").await.unwrap();
    send(&numbers, "1", Some(&refused(131_048))).await;
    numbers.ended("1", earlier, None);
    assert_eq!(state(&numbers, "1"), CircuitState::Open);
}

#[tokio::test]
async fn the_operator_lets_everything_go_at_once() {
    let numbers = numbers(|_| {});
    assert!(!numbers.resume("1"), "never used");
    send(&numbers, "1", Some(&refused(190))).await;
    send(&numbers, "2", Some(&refused(4))).await;
    let waiting = ["1", "2"].map(|number| {
        let numbers = numbers.clone();
        tokio::spawn(async move { numbers.turn(number, ConversationId::new()).await })
    });
    tokio::task::yield_now().await;
    assert!(numbers.resume("1"));
    for waiting in waiting {
        timeout(Duration::from_secs(5), waiting).await.expect("woken").unwrap();
    }
}

#[tokio::test]
async fn a_number_that_was_too_fast_sends_at_half_its_rate_once_a_second() {
    let numbers = numbers(|_| {});
    let (one, two) = (turn_now(&numbers, "1").await.unwrap(), turn_now(&numbers, "1").await.unwrap());
    numbers.ended("1", one, Some(&refused(130_429)));
    numbers.ended("1", two, Some(&refused(130_429)));
    let view = numbers.view().remove(0);
    assert_eq!(view.per_second, 500, "two that were under way together count as one");
    assert!(view.paused_s.is_some());
    assert_eq!(view.state, CircuitState::Closed);
}

#[test]
fn a_lowered_rate_recovers_by_a_tenth_of_the_full_one_every_ten_seconds() {
    let number = Number::new(NonZeroU32::new(80).unwrap(), Timestamp::UNIX_EPOCH);
    let start = Instant::now();
    number.slow_down(start, Duration::ZERO);
    for (seconds, expected) in [(0, 40), (9, 40), (10, 48), (19, 48), (20, 56), (50, 80), (500, 80)] {
        let view = number.view("1", start + Duration::from_secs(seconds), None);
        assert_eq!(view.per_second, expected, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_pair_gets_its_burst_and_then_waits_while_others_go_on() {
    let numbers = numbers(|pace| pace.pair_burst = NonZeroU32::new(3).unwrap());
    let person = ConversationId::new();
    for _ in 0..3 {
        timeout(Duration::from_millis(50), numbers.turn("1", person)).await.expect("within the burst");
    }
    assert!(timeout(Duration::from_millis(50), numbers.turn("1", person)).await.is_err());
    assert!(turn_now(&numbers, "1").await.is_some(), "another person");
    assert_eq!(numbers.shared.metrics.pair_waits.get(), 1);
}

#[tokio::test]
async fn idle_pairs_are_forgotten() {
    let numbers = numbers(|pace| pace.pair_refill = Duration::from_millis(1));
    for _ in 0..100 {
        drop(turn_now(&numbers, "1").await.unwrap());
    }
    // Each is as fresh as new after its refill.
    let until = Instant::now() + Duration::from_secs(5);
    while !numbers.shared.pairs.is_empty() {
        assert!(Instant::now() < until, "{} pairs are kept", numbers.shared.pairs.len());
        numbers.forget_idle_pairs();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nodes_share_the_rate_of_a_number_and_a_lowered_one_stays_low() {
    let numbers = numbers(|pace| pace.per_second = NonZeroU32::new(90).unwrap());
    let rate = |number: &str| {
        numbers.view().into_iter().find(|view| view.phone_number_id == number).unwrap().per_second
    };
    send(&numbers, "1", None).await;
    send(&numbers, "slow", Some(&refused(130_429))).await;
    for (senders, each, slow) in [(1, 90, 45), (3, 30, 15), (2, 45, 22), (0, 90, 44), (500, 1, 1)] {
        numbers.share_with(senders);
        assert_eq!((rate("1"), rate("slow")), (each, slow), "{senders}");
    }
    numbers.share_with(2);
    send(&numbers, "new", None).await;
    assert_eq!(rate("new"), 45);
}
