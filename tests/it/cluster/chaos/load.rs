//! Citizens who write all the time, and officers who take conversations over at random moments.

use std::sync::Mutex;
use std::time::Duration;

use govconnect::clock::Clock;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::support::office::{BROKEN_ROAD, INTERNAL_KEY, Office};

/// Of messages: 30 a second.
const EVERY: Duration = Duration::from_millis(33);
/// Of all messages, so many are of somebody new.
const NEW: f64 = 0.4;
const OFFICERS: usize = 4;
/// What an officer's browser waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before an officer presses the button again.
const AGAIN: Duration = Duration::from_millis(200);
const LATER_WORDS: [&str; 4] = ["sudah lama begitu", "terima kasih", "halo", "jam berapa kantor buka?"];

/// A conversation that an officer had.
#[derive(Debug)]
pub struct Takeover {
    pub citizen: String,
    /// When it was acknowledged.
    pub from: Timestamp,
    /// When the officer began to give it back.
    pub until: Timestamp,
    /// The bot's messages that may still have come.
    pub in_flight: Vec<String>,
    /// The officer's messages that were accepted.
    pub said: Vec<String>,
}

/// The world outside the office, which knows only its addresses.
pub struct Street {
    http: reqwest::Client,
    simulator: String,
    channel: String,
    clock: Clock,
    seed: u64,
    /// Wamids of what was said.
    said: Mutex<Vec<String>>,
    /// Citizens who have written, by their number.
    known: Mutex<Vec<usize>>,
    takeovers: Mutex<Vec<Takeover>>,
}

impl Street {
    pub fn before(office: &Office, seed: u64) -> Self {
        Street {
            http: office.http.clone(),
            simulator: office.simulator_url("/control"),
            channel: office.url("channel", "/internal"),
            clock: Clock::system(),
            seed,
            said: Mutex::default(),
            known: Mutex::default(),
            takeovers: Mutex::default(),
        }
    }

    /// Everything at once, until told to stop; what was begun is ended.
    pub async fn live(&self, stop: &watch::Receiver<bool>) {
        let officers = (0..OFFICERS).map(|number| self.officer(number, stop.clone()));
        tokio::join!(self.citizens(stop.clone()), futures::future::join_all(officers));
    }

    /// What was said and which takeovers there were.
    pub fn into_parts(self) -> (Vec<String>, Vec<Takeover>) {
        let inner = "nobody panicked";
        (self.said.into_inner().expect(inner), self.takeovers.into_inner().expect(inner))
    }

    async fn control(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}/{path}", self.simulator)).json(&body).send().await;
        let answer = answer.expect("the simulator answers").error_for_status().expect("the simulator obeys");
        answer.json().await.expect("JSON")
    }

    async fn says(&self, number: usize, text: &str) {
        let body = json!({"message": {"text": {"body": text}}});
        let said = self.control(&format!("citizens/{}/messages", name(number)), body).await;
        let wamid = said["wamid"].as_str().expect("a wamid").to_owned();
        self.said.lock().expect("the lock").push(wamid);
    }

    async fn citizens(&self, stop: watch::Receiver<bool>) {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0xc171);
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0;
        while !*stop.borrow() {
            ticks.tick().await;
            if count == 0 || random.random_bool(NEW) {
                let person =
                    json!({"id": name(count), "name": format!("Warga {count}"), "phone": phone(count)});
                self.control("citizens", person).await;
                let words = if random.random_bool(0.4) { BROKEN_ROAD } else { "halo" };
                self.says(count, words).await;
                self.known.lock().expect("the lock").push(count);
                count += 1;
            } else {
                let number = random.random_range(0..count);
                self.says(number, LATER_WORDS[random.random_range(0..LATER_WORDS.len())]).await;
            }
        }
    }

    async fn officer(&self, officer: usize, stop: watch::Receiver<bool>) {
        let mut random = StdRng::seed_from_u64(self.seed ^ (0x0ff1ce + officer as u64));
        // Each citizen once, and by one officer: whatever of an earlier takeover may still lie somewhere on its way
        // concerns nobody else.
        let mut had = Vec::new();
        for count in 0.. {
            sleep(Duration::from_millis(random.random_range(100..1_500))).await;
            if *stop.borrow() {
                return;
            }
            let mine = |number: &usize| number % OFFICERS == officer && !had.contains(number);
            let free: Vec<usize> =
                self.known.lock().expect("the lock").iter().copied().filter(mine).collect();
            if free.is_empty() {
                continue;
            }
            let number = free[random.random_range(0..free.len())];
            had.push(number);
            let takeover = self.take_over(number, &format!("petugas{officer}-{count}"), &mut random).await;
            self.takeovers.lock().expect("the lock").push(takeover);
        }
    }

    async fn take_over(&self, number: usize, admin: &str, random: &mut StdRng) -> Takeover {
        // So that the bot has something to say just now.
        self.says(number, "halo").await;
        // The moment is the point of the test.
        sleep(Duration::from_millis(random.random_range(0..900))).await;
        let (phone, body) = (phone(number), json!({"admin_id": admin, "reason": "warga minta petugas"}));
        // Not yet filed: 404.
        let started =
            self.until(&[200], &[404], &format!("takeover/{phone}/start"), body).await.expect("an answer");
        let from = self.clock.now();
        let in_flight = started["in_flight"].as_array().expect("a list");
        let in_flight = in_flight.iter().map(|id| id.as_str().expect("an id").to_owned()).collect();
        sleep(Duration::from_millis(random.random_range(0..300))).await;
        let mut said = Vec::new();
        for part in 0..2 {
            let content = json!({"type": "text", "text": format!("Petugas {admin}, bagian {part}")});
            let body =
                json!({"wa_user_id": phone, "origin": "officer", "admin_id": admin, "content": content});
            let sent = self.until(&[202], &[], "messages/send", body).await.expect("an answer");
            said.push(sent["message_id"].as_str().expect("an id").to_owned());
            self.says(number, "baik pak").await;
            sleep(Duration::from_millis(random.random_range(0..800))).await;
        }
        let until = self.clock.now();
        // 409: an earlier request to end it had come through.
        let end = json!({"admin_id": admin});
        self.until(&[204, 409], &[], &format!("takeover/{phone}/end"), end).await;
        Takeover { citizen: name(number), from, until, in_flight, said }
    }

    /// Asks again until the answer is one of `good`, as a person does whom the office cannot serve just now. Any other answer
    /// than these, `not_yet` and those of an outage is a fault.
    async fn until(&self, good: &[u16], not_yet: &[u16], path: &str, body: Value) -> Option<Value> {
        loop {
            let request = self
                .http
                .request(Method::POST, format!("{}/{path}", self.channel))
                .header("x-internal-api-key", INTERNAL_KEY)
                .timeout(PATIENCE)
                .json(&body);
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                let body = answer.bytes().await;
                if good.contains(&status)
                    && let Ok(body) = body
                {
                    return serde_json::from_slice(&body).ok();
                }
                assert!(
                    good.contains(&status) || not_yet.contains(&status) || [502, 503, 504].contains(&status),
                    "{path}: {status}"
                );
            }
            sleep(AGAIN).await;
        }
    }
}

fn name(number: usize) -> String {
    format!("warga{number}")
}

fn phone(number: usize) -> String {
    format!("6281{number:09}")
}
