use std::collections::VecDeque;

use futures::future::BoxFuture;
use serde_json::json;

use super::*;

/// Asks until a model answers; the first that comes through ends it.
async fn answered_at_last(caller: &Caller) {
    let until = Instant::now() + DEADLINE;
    while ask(caller).await.answer.is_none() {
        assert!(Instant::now() < until, "nobody is asked any more");
        tokio::task::yield_now().await;
    }
}

/// Answers from a script, and writes down who was asked when.
#[derive(Default)]
struct Scripted {
    script: Mutex<VecDeque<Step>>,
    asked: Mutex<Vec<(String, Instant)>>,
}

enum Step {
    Says(Value),
    Fails(ProviderError),
    IsSilent,
}

impl Scripted {
    fn new(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        Arc::new(Scripted { script: Mutex::new(steps.into_iter().collect()), ..Scripted::default() })
    }

    fn names(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }
}

impl Model for Scripted {
    fn answer<'a>(&'a self, model: &'a str, _: &'a Structured) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            self.asked.lock().unwrap().push((model.to_owned(), Instant::now()));
            let step = self.script.lock().unwrap().pop_front();
            let tokens = Tokens { input: 1_000, output: 500 };
            match step.unwrap_or_else(|| Step::Says(json!({"a": 1}))) {
                Step::Says(value) => Answer { result: Ok(value), tokens },
                Step::Fails(error) => Answer { result: Err(error), tokens },
                Step::IsSilent => std::future::pending().await,
            }
        })
    }
}

const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(300);

fn limits(models: &[&str]) -> Limits {
    let priced = |name: &&str| Priced { name: (*name).into(), input_price: 2.0, output_price: 10.0 };
    Limits {
        models: models.iter().map(priced).collect(),
        call_timeout: Duration::from_millis(150),
        calls: 2,
        circuit_failures: 3,
        circuit_pause: PAUSE,
        daily_budget: 0.0,
        zone: TimeZone::UTC,
    }
}

fn caller(model: &Arc<Scripted>, limits: Limits) -> Caller {
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    Caller::new(model.clone(), limits, clock, Metrics::new().unwrap())
}

async fn ask(caller: &Caller) -> Asked<i64> {
    ask_within(caller, DEADLINE).await
}

async fn ask_within(caller: &Caller, deadline: Duration) -> Asked<i64> {
    let asked =
        Structured { name: "test", instructions: "", data: String::new(), schema: json!({}), most_tokens: 1 };
    caller.ask(&asked, Instant::now() + deadline, |value| value["a"].as_i64()).await
}

fn down() -> Step {
    Step::Fails(ProviderError::ServerFailed { status: 503, retry_after: None })
}

#[tokio::test]
async fn the_next_model_of_the_list_is_asked_at_once() {
    for failure in [
        down(),
        Step::Fails(ProviderError::Malformed),
        Step::Fails(ProviderError::Truncated),
        Step::Fails(ProviderError::Blocked),
        Step::Says(json!({"b": 1})),
    ] {
        let model = Scripted::new([failure]);
        let asked = ask(&caller(&model, limits(&["first", "second"]))).await;
        assert_eq!(asked.answer, Some(1));
        assert_eq!(asked.usage.model, "second");
        assert!(asked.usage.fallback.is_some());
        assert_eq!(asked.usage.tokens, 3_000);
        assert!((asked.usage.cost - 0.014).abs() < 1e-9, "{}", asked.usage.cost);
        assert_eq!(model.names(), ["first", "second"]);
    }
}

#[tokio::test]
async fn silence_ends_at_the_time_out_and_the_whole_at_the_deadline() {
    let model = Scripted::new([Step::IsSilent, Step::IsSilent]);
    let before = Instant::now();
    let asked = ask(&caller(&model, limits(&["first", "second", "third"]))).await;
    assert_eq!((asked.answer, asked.usage.model.as_str()), (Some(1), "third"));
    assert!(before.elapsed() >= Duration::from_millis(300));

    let model = Scripted::new((0..9).map(|_| Step::IsSilent));
    let before = Instant::now();
    let deadline = Duration::from_millis(400);
    let asked = ask_within(&caller(&model, limits(&["first"])), deadline).await;
    assert_eq!(asked.answer, None);
    assert_eq!(asked.usage.fallback.as_deref(), Some("timed_out"));
    assert!(before.elapsed() < deadline * 3, "{:?}", before.elapsed());
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let model = Scripted::new([down(), down()]);
    let before = Instant::now();
    let asked = ask(&caller(&model, limits(&["only"]))).await;
    assert_eq!((asked.answer, model.names().len()), (Some(1), 3));
    assert!(before.elapsed() >= Duration::from_millis(400));

    let model = Scripted::new([Step::Fails(ProviderError::Refused { status: 401 })]);
    let asked = ask(&caller(&model, limits(&["only"]))).await;
    assert_eq!((asked.answer, model.names().len()), (None, 1));
    assert_eq!(asked.usage.fallback.as_deref(), Some("refused"));
}

#[tokio::test]
async fn a_provider_is_left_alone_as_long_as_it_asks() {
    let asks =
        |millis| Step::Fails(ProviderError::RateLimited { retry_after: Some(Duration::from_millis(millis)) });
    // A short time is waited for.
    let model = Scripted::new([asks(900)]);
    let before = Instant::now();
    assert_eq!(ask(&caller(&model, limits(&["only"]))).await.answer, Some(1));
    assert!(before.elapsed() >= Duration::from_millis(900));

    // Through a long one, nobody calls until then, neither this question nor others.
    let model = Scripted::new([asks(3_500)]);
    let caller = caller(&model, limits(&["only"]));
    assert_eq!(ask(&caller).await.usage.fallback.as_deref(), Some("rate_limited"));
    assert_eq!(ask(&caller).await.usage.fallback.as_deref(), Some("circuit_open"));
    assert_eq!(model.names().len(), 1);
    let before = Instant::now();
    answered_at_last(&caller).await;
    assert!(before.elapsed() >= Duration::from_secs(3), "{:?}", before.elapsed());
}

#[tokio::test]
async fn the_circuit_opens_and_closes() {
    let model = Scripted::new((0..3).map(|_| Step::Fails(ProviderError::Malformed)));
    let caller = caller(&model, limits(&["only"]));
    for _ in 0..3 {
        assert_eq!(ask(&caller).await.usage.fallback.as_deref(), Some("malformed"));
    }
    assert_eq!(ask(&caller).await.usage.fallback.as_deref(), Some("circuit_open"));
    assert_eq!(model.names().len(), 3);
    answered_at_last(&caller).await;
    let times: Vec<Instant> = model.asked.lock().unwrap().iter().map(|(_, at)| *at).collect();
    assert!(times[3] - times[2] >= PAUSE);
    assert_eq!(ask(&caller).await.answer, Some(1));
}

#[tokio::test]
async fn retries_of_all_questions_together_are_bounded() {
    let model = Scripted::new((0..500).map(|_| down()));
    let many = Limits { circuit_failures: 1_000, calls: 100, ..limits(&["only"]) };
    let caller = caller(&model, many);
    let questions = futures::future::join_all((0..60).map(|_| ask(&caller))).await;
    assert!(questions.iter().all(|asked| asked.answer.is_none()));
    // One more is granted every two seconds.
    let most = 60 + RETRIES_A_MINUTE.get() as usize + 5;
    assert!((70..=most).contains(&model.names().len()), "{}", model.names().len());
}

#[tokio::test]
async fn when_the_days_money_is_spent_nobody_is_asked_until_midnight() {
    let model = Scripted::new([]);
    let clock = Clock::fixed("2026-01-02T05:00:00Z".parse().unwrap());
    // A question costs 0.007.
    let limits = Limits { daily_budget: 0.01, ..limits(&["only"]) };
    let caller = Caller::new(model.clone(), limits, clock.clone(), Metrics::new().unwrap());
    assert_eq!(ask(&caller).await.answer, Some(1));
    assert_eq!(ask(&caller).await.answer, Some(1));
    assert_eq!(ask(&caller).await.usage.fallback.as_deref(), Some("budget"));
    assert_eq!(model.names().len(), 2);
    clock.set("2026-01-03T00:00:01Z".parse().unwrap());
    assert_eq!(ask(&caller).await.answer, Some(1));
}

#[tokio::test]
async fn only_so_many_calls_are_under_way_and_a_cancelled_one_makes_room() {
    let model = Scripted::new((0..2).map(|_| Step::IsSilent));
    let caller = Arc::new(caller(&model, limits(&["only"])));
    let mut held: Vec<_> = (0..2).map(|_| Box::pin(ask(&caller))).collect();
    for each in &mut held {
        assert!(futures::poll!(each).is_pending());
    }
    let mut third = Box::pin(ask(&caller));
    assert!(futures::poll!(&mut third).is_pending());
    assert_eq!(model.names().len(), 2);
    drop(held);
    assert_eq!(third.await.answer, Some(1));
}
