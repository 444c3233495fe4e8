//! A whole office: a fresh database, a stand-in for Meta in this process, and its nodes as child processes that can be
//! killed and started again. Tests speak as citizens and officers; [`super::checker`] judges what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Duration;

use govconnect::clock::Clock;
use govconnect::simulator::{self, Behaviour, Simulator};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::checker;
use super::dashboard::FIRST_PASSWORD;
use super::database::TestDatabase;
use super::node_process::NodeProcess;
use super::nodes::{Nodes, Shape};
use super::service::{Answer, send};

pub const APP_SECRET: &str = "an app secret for tests";
pub const VERIFY_TOKEN: &str = "a verify token for tests";
const ACCESS_TOKEN: &str = "an access token for tests";
pub const INTERNAL_KEY: &str = "an internal key for tests 0123456789";
pub const NUMBER: &str = "109876543210001";
/// What every test citizen complains about.
pub const BROKEN_ROAD: &str = "Saya mau lapor jalan rusak di Jl. Melati No. 15, banyak lubang";

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

pub struct Office {
    // Dropped first: they work on all the rest.
    pub nodes: Nodes,
    pub database: TestDatabase,
    pub http: reqwest::Client,
    simulator: Simulator,
    settings: BTreeMap<String, String>,
    /// What citizens wrote; all of it must arrive.
    said: Mutex<BTreeSet<String>>,
}

/// A call that Meta's stand-in took, or refused.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Our id of the message.
    pub opaque: String,
    pub text: String,
    /// Its place in the log.
    pub index: u64,
    /// Meta was made to report it as failed afterwards.
    pub fails_later: bool,
}

impl Office {
    /// Opens with the node up.
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// The same with further settings, as `("CONVERSATION__QUIET_MS", "300")`; `FAILPOINTS` is one of them.
    pub async fn open_with(settings: &[(&str, &str)]) -> Self {
        let mut office = Self::closed(settings).await;
        office.start().await;
        office
    }

    /// Everything but the node.
    pub async fn closed(settings: &[(&str, &str)]) -> Self {
        Self::closed_on(TestDatabase::with_connections(4).await, settings).await
    }

    /// Everything but the node, on a given database.
    pub async fn closed_on(database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::closed_as(Shape::from_environment(), database, settings).await
    }

    /// Opens with all its nodes up.
    pub async fn open_as(shape: Shape, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::with_connections(4).await;
        let mut office = Self::closed_as(shape, database, settings).await;
        office.start().await;
        office
    }

    /// Everything but the nodes.
    pub async fn closed_as(shape: Shape, database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        Self::closed_of(Nodes::new(&shape).await, database, settings).await
    }

    /// The same with nodes made by the test.
    pub async fn closed_of(nodes: Nodes, database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let clock = Clock::system();
        let simulator = simulator::start(simulator::Settings {
            bind: "127.0.0.1:0".into(),
            public_url: None,
            app_secret: APP_SECRET.into(),
            verify_token: VERIFY_TOKEN.into(),
            access_token: ACCESS_TOKEN.into(),
            phone_number_ids: vec![NUMBER.into()],
            webhook_url: None,
            behaviour: Behaviour {
                webhook_retry_first_ms: 50,
                webhook_retry_longest_ms: 400,
                ..Behaviour::immediate()
            },
            now: std::sync::Arc::new(move || clock.now()),
        })
        .await
        .expect("the simulator starts");
        let of_several = nodes.settings();
        let mut office = Office {
            nodes,
            settings: BTreeMap::new(),
            // Connections are given up before a server closes them, or a request would now and then meet that moment.
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .pool_idle_timeout(Duration::from_secs(2))
                .build()
                .expect("a client"),
            database,
            simulator,
            said: Mutex::new(BTreeSet::new()),
        };
        let (database_url, graph_url) = (office.database.url(), office.simulator.url());
        for (key, value) in [
            ("DATABASE__URL", database_url.as_str()),
            ("DATABASE__MAX_CONNECTIONS", "8"),
            ("WHATSAPP__GRAPH_URL", graph_url.as_str()),
            ("WHATSAPP__APP_SECRET", APP_SECRET),
            ("WHATSAPP__VERIFY_TOKEN", VERIFY_TOKEN),
            ("WHATSAPP__ACCESS_TOKEN", ACCESS_TOKEN),
            ("WHATSAPP__PHONE_NUMBER_ID", NUMBER),
            ("WHATSAPP__SEND_PER_S", "1000"),
            ("WHATSAPP__PAIR_BURST", "100000"),
            ("INTERNAL__API_KEYS", INTERNAL_KEY),
            ("DASHBOARD__SESSION_KEY", "a session key for tests, long enough"),
            ("DASHBOARD__FIRST_PASSWORD", FIRST_PASSWORD),
            ("CONVERSATION__QUIET_MS", "200"),
            ("CONVERSATION__GREETING_QUIET_MS", "300"),
            ("CONVERSATION__MAX_WAIT_MS", "5000"),
            ("CONVERSATION__SWEEP_MS", "1000"),
            ("LOG__FORMAT", "text"),
            ("LOG__LEVEL", "info,govconnect=debug"),
        ] {
            office.set(key, value);
        }
        for role in ["CHANNEL", "AI", "CASE", "NOTIFICATION", "DASHBOARD"] {
            office.set(&format!("{role}__BIND"), "127.0.0.1:0");
        }
        for (key, value) in &of_several {
            office.set(key, value);
        }
        for (key, value) in settings {
            office.set(key, value);
        }
        office
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = if key == "FAILPOINTS" { key.to_owned() } else { format!("GOVCONNECT_{key}") };
        self.settings.insert(key, value.to_owned());
    }

    /// The next start breaks nowhere.
    pub fn disarm(&mut self) {
        self.settings.remove("FAILPOINTS");
    }

    /// Nothing is set any more but what the nodes are told one by one ([`Nodes::set`]).
    pub fn forget_settings(&mut self) {
        self.settings.clear();
    }

    /// Of the first node.
    pub fn log_path(&self) -> PathBuf {
        self.nodes.log_path(0)
    }

    /// Starts what does not run and tells Meta where it is.
    pub async fn start(&mut self) {
        self.nodes.start(&self.settings).await;
        self.reachable_by_meta();
    }

    /// Tells Meta where to deliver; [`Self::start`] does it.
    pub fn reachable_by_meta(&self) {
        self.simulator.set_webhook_url(Some(self.webhook()));
    }

    /// Starts one of several nodes, which was killed, stopped or added.
    pub async fn start_node(&mut self, number: usize) {
        self.nodes.spawn(number, &self.settings);
        self.nodes.up(number).await;
    }

    /// The binary with the settings of the first node, for a command other than `serve`.
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        self.command_at(0, arguments)
    }

    /// The same with the settings of any node.
    pub fn command_at(&self, number: usize, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_govconnect"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.nodes.environment(number, &self.settings))
            .current_dir(self.nodes.folder(number))
            .kill_on_drop(true);
        command
    }

    /// Another node on the same database with a data folder of its own; it is not yet up, and Meta does not know it.
    pub fn second_node(&self) -> (NodeProcess, TempDir) {
        let data_dir = tempfile::tempdir().expect("a folder");
        let log = data_dir.path().join("node.log");
        let mut settings = self.settings.clone();
        settings.insert("GOVCONNECT_DATA_DIR".into(), data_dir.path().to_str().expect("UTF-8").into());
        let settings: Vec<_> = settings.into_iter().collect();
        (NodeProcess::spawn(data_dir.path(), &log, &settings), data_dir)
    }

    pub async fn kill(&mut self) {
        self.nodes.kill_all().await;
    }

    /// Waits for the node to end by itself, as it does at an armed step.
    pub async fn node_ends(&mut self) -> ExitStatus {
        self.nodes.ended().await
    }

    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        self.nodes.terminate_all().await
    }

    pub fn node(&self) -> &NodeProcess {
        self.nodes.process(0)
    }

    /// Starts again after a kill, as if the ten seconds of the dead node's leases had passed.
    pub async fn restart(&mut self) {
        self.let_leases_run_out().await;
        self.start().await;
    }

    pub async fn let_leases_run_out(&self) {
        sqlx::query("UPDATE gc_channel.partition_leases SET expires_at = 'epoch'")
            .execute(&self.database.pool)
            .await
            .expect("the leases run out");
    }

    /// As if a minute had passed since every send whose outcome is not known.
    pub async fn let_a_minute_pass_for_unanswered_sends(&self) {
        // Within a real minute Meta's statuses of what it took arrive, also those it has to deliver again.
        eventually("Meta has told of everything it took", async || {
            let sent = self.accepted(None).await;
            let taken: Vec<uuid::Uuid> = sent.iter().filter_map(|sent| sent.opaque.parse().ok()).collect();
            let untold: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM gc_channel.messages
                 WHERE message_id = ANY($1) AND status IN ('queued', 'sending', 'unknown')",
            )
            .bind(&taken)
            .fetch_one(&self.database.pool)
            .await
            .expect("the database answers");
            (untold == 0).then_some(())
        })
        .await;
        sqlx::query(
            "UPDATE gc_channel.messages SET claimed_at = claimed_at - interval '61 seconds'
             WHERE direction = 'out' AND status IN ('sending', 'unknown')",
        )
        .execute(&self.database.pool)
        .await
        .expect("a minute passes");
    }

    pub fn url(&self, service: &str, path: &str) -> String {
        self.nodes.url(service, path)
    }

    pub fn webhook(&self) -> String {
        self.url("channel", "/webhook/whatsapp")
    }

    /// A request to a service with the internal key.
    pub async fn internal(&self, method: Method, service: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request =
            self.http.request(method, self.url(service, path)).header("x-internal-api-key", INTERNAL_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        send(request).await
    }

    pub async fn get(&self, service: &str, path: &str) -> Value {
        self.internal(Method::GET, service, path, None).await.success(200)
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.internal(Method::POST, "channel", path, Some(body)).await
    }

    /// The value of a metric without labels, or the sum over its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.http.get(self.url("channel", "/metrics")).send().await.expect("metrics");
        let text = text.text().await.expect("text");
        let values = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }

    /// Scripts the stand-in.
    pub async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/control/{path}", self.simulator.url());
        let response = self.http.post(url).json(&body).send().await.expect("the simulator answers");
        let status = response.status();
        let answer: Value = response.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// Everything works again.
    pub async fn clear_faults(&self) {
        let cleared =
            self.http.delete(self.simulator_url("/control/faults")).send().await.expect("an answer");
        assert!(cleared.status().is_success(), "{cleared:?}");
    }

    pub fn simulator_url(&self, path: &str) -> String {
        format!("{}{path}", self.simulator.url())
    }

    /// The node's folder.
    pub fn data_dir(&self) -> &std::path::Path {
        self.nodes.folder(0)
    }

    pub async fn fault(&self, fault: Value) {
        self.control("faults", fault).await;
    }

    /// Introduces somebody with a phone number of their own.
    pub async fn citizen(&self, id: &str) {
        let digits = id.bytes().fold(7_u64, |sum, byte| (sum * 131 + u64::from(byte)) % 1_000_000_007);
        let phone = format!("62{digits:011}");
        self.control("citizens", json!({"id": id, "name": format!("Warga {id}"), "phone": phone})).await;
    }

    pub async fn says(&self, citizen: &str, text: &str) -> String {
        self.says_kind(citizen, json!({"text": {"body": text}})).await
    }

    /// Says something that Meta stamps with another time, as after an outage.
    pub async fn says_at(&self, citizen: &str, text: &str, at: jiff::Timestamp) {
        let said = json!({"message": {"text": {"body": text}}, "timestamp": at});
        let said = self.control(&format!("citizens/{citizen}/messages"), said).await;
        self.said.lock().expect("the lock").insert(said["wamid"].as_str().expect("a wamid").to_owned());
    }

    pub async fn says_kind(&self, citizen: &str, message: Value) -> String {
        let said = self.control(&format!("citizens/{citizen}/messages"), json!({ "message": message })).await;
        let wamid = said["wamid"].as_str().expect("a wamid").to_owned();
        self.said.lock().expect("the lock").insert(wamid.clone());
        wamid
    }

    /// The log's entries that match.
    pub async fn log(&self, query: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut after = 0;
        loop {
            let page = self.log_page(&format!("{query}&limit=10000&after={after}")).await;
            let found = page["entries"].as_array().expect("entries");
            entries.extend(found.iter().cloned());
            after = page["next"].as_u64().expect("next");
            if found.len() < 10_000 {
                return entries;
            }
        }
    }

    /// One page of the log.
    pub async fn log_page(&self, query: &str) -> Value {
        let url = format!("{}/control/log?{query}", self.simulator.url());
        self.http.get(url).send().await.expect("the log").json().await.expect("JSON")
    }

    /// What the database says is still to be done, for a test that waited in vain.
    async fn unfinished(&self) -> String {
        sqlx::query_scalar(
            "SELECT json_build_object(
                 'messages', (SELECT json_agg(json_build_object('id', message_id, 'direction', direction, 'status', status,
                     'conversation', conversation_id, 'received_at', received_at, 'error', error, 'next', next_attempt_at))
                   FROM gc_channel.messages
                   WHERE (direction = 'in' AND processed_at IS NULL) OR status IN ('queued', 'sending', 'unknown', 'failed')),
                 'calls', (SELECT json_agg(to_jsonb(c)) FROM gc_channel.calls c WHERE answered_at IS NULL),
                 'conversations', (SELECT json_agg(json_build_object('id', conversation_id, 'mode', mode, 'parked', parked_reason,
                     'failed_turns', failed_turns, 'retry_at', retry_at)) FROM gc_channel.conversations),
                 'now', now())::text",
        )
        .fetch_one(&self.database.pool)
        .await
        .unwrap_or_else(|error| error.to_string())
    }

    /// Entries that match `query` and `accept`, once there are `count`.
    pub async fn wait_for_log(
        &self,
        query: &str,
        count: usize,
        accept: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let mut entries: Vec<Value> = Vec::new();
        let mut after = 0;
        let until = Instant::now() + PATIENCE;
        while entries.len() < count {
            if Instant::now() >= until {
                panic!(
                    "the log never had {count} of {query}, only {entries:#?}; unfinished: {}",
                    self.unfinished().await
                );
            }
            let page = self.log_page(&format!("{query}&after={after}&wait_ms=2000")).await;
            after = page["next"].as_u64().expect("next");
            let found = page["entries"].as_array().expect("entries");
            entries.extend(found.iter().filter(|entry| accept(entry)).cloned());
        }
        entries
    }

    /// Waits until a citizen got something with `words` in it.
    pub async fn replied_with(&self, citizen: &str, words: &str) {
        let says_it = |entry: &Value| entry["wamid"].is_string() && Sent::of(entry).text.contains(words);
        let query = format!("kind=graph&person={citizen}");
        self.wait_for_log(&query, 1, says_it).await;
    }

    /// What a citizen got, once it is at least so much.
    pub async fn replies(&self, citizen: &str, count: usize) -> Vec<Sent> {
        let query = format!("kind=graph&person={citizen}");
        let entries = self.wait_for_log(&query, count, |entry| entry["wamid"].is_string()).await;
        entries.iter().map(Sent::of).collect()
    }

    /// Everything that was accepted for a citizen so far, or for all.
    pub async fn accepted(&self, citizen: Option<&str>) -> Vec<Sent> {
        let person = citizen.map(|id| format!("&person={id}")).unwrap_or_default();
        let entries = self.log(&format!("kind=graph{person}")).await;
        entries.iter().filter(|entry| entry["wamid"].is_string()).map(Sent::of).collect()
    }

    /// The id of a citizen's conversation, once it is there.
    pub async fn conversation(&self, citizen: &str) -> String {
        eventually("the conversation exists", async || {
            sqlx::query_scalar::<_, String>(
                "SELECT c.conversation_id::text FROM gc_channel.conversations c
                 JOIN gc_channel.user_profiles p USING (person_id) WHERE p.display_name = $1",
            )
            .bind(format!("Warga {citizen}"))
            .fetch_optional(&self.database.pool)
            .await
            .expect("the database answers")
        })
        .await
    }

    /// A number from the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.expect("the database answers")
    }

    /// Waits until a number from the database is as expected.
    pub async fn until_count(&self, sql: &'static str, expected: i64) {
        eventually(sql, async || (self.count(sql).await == expected).then_some(())).await;
    }

    /// Waits until a message to a citizen is known to have been claimed by a node that is gone.
    pub async fn is_claimed_still(&self, citizen: &str) {
        let id = self.conversation(citizen).await;
        eventually("the claim is known to be abandoned", async || {
            sqlx::query_scalar::<_, bool>(
                "SELECT true FROM gc_channel.messages WHERE conversation_id = $1::uuid AND status = 'unknown'",
            )
            .bind(&id)
            .fetch_optional(&self.database.pool)
            .await
            .expect("the database answers")
        })
        .await;
    }

    /// Waits until nothing is owed: everything that was said has arrived and is processed, every reply is sent and told
    /// of, every call is answered.
    pub async fn is_quiet(&self) {
        eventually("everything is settled", async || {
            // In this order: what arrives between the two looks is owed in the second.
            (self.not_arrived().await == 0 && self.count(checker::OPEN_WORK).await == 0).then_some(())
        })
        .await;
    }

    /// What citizens wrote without this office's help must arrive as well.
    pub fn expect_to_hear(&self, wamids: impl IntoIterator<Item = String>) {
        self.said.lock().expect("the lock").extend(wamids);
    }

    async fn not_arrived(&self) -> i64 {
        let said: Vec<String> = self.said.lock().expect("the lock").iter().cloned().collect();
        sqlx::query_scalar(
            "SELECT count(*) FROM unnest($1::text[]) AS said (wamid)
             WHERE NOT EXISTS (SELECT FROM gc_channel.messages m WHERE m.wamid = said.wamid)",
        )
        .bind(&said)
        .fetch_one(&self.database.pool)
        .await
        .expect("the database answers")
    }

    /// Waits until all is quiet and asserts the invariants.
    pub async fn check(&self) {
        self.is_quiet().await;
        let faults = checker::violations(self).await;
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// Ends all of it.
    pub async fn close(mut self) {
        self.nodes.kill_all().await;
        self.simulator.stop().await;
    }
}

impl Sent {
    fn of(entry: &Value) -> Self {
        let text = ["/body/text/body", "/body/interactive/body/text"]
            .iter()
            .find_map(|path| entry.pointer(path)?.as_str())
            .unwrap_or_default();
        Sent {
            opaque: entry["opaque"].as_str().unwrap_or_default().to_owned(),
            text: text.to_owned(),
            index: entry["index"].as_u64().expect("an index"),
            fails_later: entry["fault"] == "failed_status",
        }
    }
}

/// Asks again and again, until there is an answer or the deadline has passed.
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// The same with a patience of its own.
pub async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
