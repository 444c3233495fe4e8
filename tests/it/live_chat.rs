//! Live chat: what happens anywhere is seen everywhere, and whoever was away is given what they missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use govconnect::actors::live_chat::LiveChat;
use govconnect::bus::Receivers;
use govconnect::bus::live_chat::{LiveChange, LiveChangeKind, LiveChatListener};
use govconnect::clock::Clock;
use govconnect::http::dashboard::ServiceUrls;
use govconnect::store::channel::live_chat::{Since, changes};
use govconnect::{passwords, store};
use jiff::SignedDuration;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::bus::Running;
use crate::channel_store::{conversation, message, take_in};
use crate::support::broker::TestBroker;
use crate::support::dashboard::{Browser, Dashboard, OWN_PASSWORD, start_beside};
use crate::support::database::TestDatabase;
use crate::support::office::{INTERNAL_KEY, Office, eventually};

const PATIENCE: Duration = Duration::from_secs(40);

/// A dashboard beside the office's channel service, as one on another node.
async fn dashboard(office: &Office) -> Dashboard {
    let url = |service| office.url(service, "").parse().unwrap();
    let services =
        ServiceUrls { channel: url("channel"), case: url("case"), internal_key: INTERNAL_KEY.into() };
    start_beside(&office.database.pool, Clock::system(), services, "127.0.0.1:0").await
}

/// An officer, signed in.
async fn officer(office: &Office, dashboard: &Dashboard) -> Browser {
    let hash = passwords::hash(&SecretString::from(OWN_PASSWORD)).await.unwrap();
    sqlx::query("UPDATE gc_dashboard.admin_users SET password_hash = $1, must_change_password = false")
        .bind(hash)
        .execute(&office.database.pool)
        .await
        .unwrap();
    let mut browser = Browser::new(dashboard);
    assert_eq!(browser.sign_in("admin", OWN_PASSWORD).await.status, StatusCode::OK);
    browser
}

/// A browser's page that shows conversations: keeps of each id what has the highest version.
struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    things: BTreeMap<String, (i64, Value)>,
    /// Where to come back with.
    cursor: String,
}

impl Screen {
    async fn connect(
        dashboard: &Dashboard,
        cookie: Option<&str>,
        origin: &str,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, StatusCode> {
        let url = format!("{}/api/live-chat/socket", dashboard.base.replace("http://", "ws://"));
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(refused)) => Err(StatusCode::from_u16(refused.status().as_u16()).unwrap()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens it, and waits until the gap is given.
    async fn open(dashboard: &Dashboard, browser: &Browser, since: Option<&str>) -> Self {
        let socket = Self::connect(dashboard, browser.cookie.as_deref(), &dashboard.base).await.unwrap();
        let mut screen = Screen { socket, things: BTreeMap::new(), cursor: String::new() };
        screen.say(json!({ "since": since })).await;
        while screen.hear().await["type"] != "ready" {}
        screen
    }

    async fn say(&mut self, words: Value) {
        self.socket.send(Message::text(words.to_string())).await.unwrap();
    }

    /// The next thing that it is told.
    async fn hear(&mut self) -> Value {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.expect("something is told");
            let Message::Text(text) = frame.unwrap().unwrap() else { continue };
            let told: Value = serde_json::from_str(&text).unwrap();
            if let Some(cursor) = told["cursor"].as_str() {
                self.cursor = cursor.to_owned();
            }
            for (list, id) in [("conversations", "conversation_id"), ("messages", "message_id")] {
                for thing in told[list].as_array().into_iter().flatten() {
                    let version = told["version"].as_i64().unwrap();
                    let known = self.things.entry(thing[id].as_str().unwrap().to_owned()).or_default();
                    if version >= known.0 {
                        *known = (version, thing.clone());
                    }
                }
            }
            return told;
        }
    }

    /// Waits until something is shown that is so.
    async fn shows(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some((_, thing)) = self.things.values().find(|(_, thing)| is_so(thing)) {
                return thing.clone();
            }
            assert!(Instant::now() < until, "it was never shown: {:#?}", self.things);
            self.hear().await;
        }
    }

    /// Messages and how far they have come.
    fn messages(&self) -> BTreeMap<String, Option<String>> {
        let message = |(id, (_, thing)): (&String, &(i64, Value))| {
            thing.get("message_id")?;
            Some((id.clone(), thing["status"].as_str().map(str::to_owned)))
        };
        self.things.iter().filter_map(message).collect()
    }

    /// How it is closed.
    async fn closed(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("it is closed") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The hub, and how often it was told.
struct Counted(LiveChat, Arc<AtomicU32>);

impl LiveChatListener for Counted {
    fn changed(&self, changes: Vec<LiveChange>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.changed(changes);
    }
}

async fn stored(pool: &PgPool) -> BTreeMap<String, Option<String>> {
    let rows: Vec<(Uuid, Option<String>)> =
        sqlx::query_as("SELECT message_id, status FROM gc_channel.messages").fetch_all(pool).await.unwrap();
    rows.into_iter().map(|(id, status)| (id.to_string(), status)).collect()
}

#[actix_rt::test]
async fn what_happens_at_one_node_is_seen_at_another_and_a_gap_is_filled_wherever_it_is_come_back_to() {
    let office = Office::open().await;
    let broker = TestBroker::create().await;
    let (here, there) = (dashboard(&office).await, dashboard(&office).await);
    let told = Arc::new(AtomicU32::new(0));
    let [teller, _listener] = [&here, &there].map(|dashboard| {
        let hub: Arc<dyn LiveChatListener> = Arc::new(Counted(dashboard.live_chat.clone(), told.clone()));
        Running::over(&broker, Receivers { live_chat: Some(hub), ..Receivers::default() })
    });
    let browser = officer(&office, &here).await;
    office.citizen("rupa").await;

    let mut screen = Screen::open(&there, &browser, None).await;
    let (began, cursor) = (screen.cursor.clone(), screen.cursor.clone());
    assert!(screen.things.is_empty(), "the first time nothing is given");
    office.says("rupa", "selamat pagi semuanya").await;
    let id = office.conversation("rupa").await;
    eventually("both nodes are told", async || {
        let conversation_id = id.parse().unwrap();
        teller.bus.announce(&[LiveChange { conversation_id, kind: LiveChangeKind::Messages }]);
        (told.load(Ordering::SeqCst) >= 2).then_some(())
    })
    .await;
    let shown = screen.shows(|thing| thing["text"] == "selamat pagi semuanya").await;
    assert_eq!((&shown["conversation_id"], &shown["direction"]), (&json!(id), &json!("in")));
    screen.shows(|thing| thing["conversation_id"] == json!(id) && thing["mode"] == "bot").await;
    screen.shows(|thing| thing["origin"] == "bot" && thing["status"] == "delivered").await;

    // Cut off, while more is said than goes on a page.
    drop(screen);
    for n in 0..5 {
        office.says("rupa", &format!("pesan {n}")).await;
        office.replies("rupa", n + 2).await;
    }
    office.is_quiet().await;
    office.post(&format!("/internal/takeover/{id}/start"), json!({"admin_id": "rina"})).await.success(200);
    eventually("all is delivered", async || {
        let stored = stored(&office.database.pool).await;
        stored.values().flatten().all(|status| status == "delivered").then_some(())
    })
    .await;
    let screen = Screen::open(&here, &browser, Some(&cursor)).await;
    assert_eq!(screen.messages(), stored(&office.database.pool).await, "the gap, all of it, as it is now");
    assert_eq!(screen.things[&id].1["mode"], "human");
    assert!(screen.cursor > began);

    // By pages it is the same.
    let mut pages: BTreeMap<String, i64> = BTreeMap::new();
    let mut query = format!("since={}", cursor.replace('+', "%2B"));
    loop {
        let page = office.get("channel", &format!("/internal/live-chat/changes?limit=3&{query}")).await;
        for item in page["messages"].as_array().unwrap() {
            let version = page["version"].as_i64().unwrap();
            let before = pages.insert(item["message_id"].as_str().unwrap().into(), version);
            assert!(before <= Some(version));
        }
        match page["next"].as_str() {
            Some(next) => query = format!("page={next}"),
            None => break,
        }
    }
    assert_eq!(pages.len(), screen.messages().len());
    office.close().await;
}

#[actix_rt::test]
async fn without_a_bus_changes_come_within_seconds_and_only_to_whom_they_may() {
    let office = Office::open().await;
    let dashboard = dashboard(&office).await;
    let mut browser = officer(&office, &dashboard).await;
    let cookie = browser.cookie.clone();
    for (cookie, origin, status) in [
        (None, dashboard.base.as_str(), StatusCode::UNAUTHORIZED),
        (cookie.as_deref(), "https://evil.example", StatusCode::FORBIDDEN),
    ] {
        let refused = Screen::connect(&dashboard, cookie, origin).await.map(drop);
        assert_eq!(refused, Err(status), "{origin}");
    }
    let plain = browser.get("/api/live-chat/socket").await;
    assert_eq!(plain.status, StatusCode::BAD_REQUEST, "{}", plain.body);
    for words in [json!({"since": "kemarin"}), json!({"sejak": null}), json!(1)] {
        let socket = Screen::connect(&dashboard, cookie.as_deref(), &dashboard.base).await.unwrap();
        let mut screen = Screen { socket, things: BTreeMap::new(), cursor: String::new() };
        screen.say(words.clone()).await;
        assert_eq!(screen.closed().await, 1008, "{words}");
    }

    let mut screen = Screen::open(&dashboard, &browser, None).await;
    office.citizen("sepi").await;
    office.says("sepi", "ada orang?").await;
    let began = Instant::now();
    screen.shows(|thing| thing["text"] == "ada orang?").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let long_ago = Screen::open(&dashboard, &browser, Some("2020-01-01T00:00:00Z")).await;
    assert!(long_ago.things.is_empty());

    // The session ends, and with it whoever follows.
    assert_eq!(browser.send(Method::DELETE, "/api/session", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(screen.closed().await, 1008);
    // A stop does not wait for browsers.
    let browser = officer(&office, &dashboard).await;
    let mut screen = Screen::open(&dashboard, &browser, None).await;
    dashboard.live_chat.close();
    assert_eq!(screen.closed().await, 1012);
    office.close().await;
}

#[tokio::test]
async fn what_commits_late_is_given_by_the_margin_and_versions_grow_with_every_commit() {
    let database = TestDatabase::create().await;
    let pool = &database.pool;
    let id = conversation(pool).await;
    let empty = changes(pool, Since::Now, 10).await.unwrap();
    assert!(empty.messages.is_empty());

    // A message that got its id before the one that is read first, and is committed after it.
    let mut late = pool.begin().await.unwrap();
    let late_id: Uuid = sqlx::query_scalar(
        "INSERT INTO gc_channel.messages
             (message_id, conversation_id, partition, direction, kind, content, sent_at, origin, status)
         SELECT $1, conversation_id, partition, 'out', 'text', '{}', now(), 'bot', 'queued'
         FROM gc_channel.conversations WHERE conversation_id = $2 RETURNING message_id",
    )
    .bind(Uuid::now_v7())
    .bind(id.0)
    .fetch_one(&mut *late)
    .await
    .unwrap();
    take_in(pool, vec![message("wamid.LATER", Some("6281"), None)]).await;
    let margin = SignedDuration::from_secs(30);
    let first = changes(pool, Since::Time { at: empty.at, margin }, 100).await.unwrap();
    assert!(first.version > empty.version, "{} {}", first.version, empty.version);
    assert_eq!(first.messages.len(), 2, "the one of before, by the margin, and the new one");
    late.commit().await.unwrap();
    let second = changes(pool, Since::Time { at: first.at, margin }, 100).await.unwrap();
    assert!(second.version > first.version, "{} {}", second.version, first.version);
    assert!(second.messages.iter().any(|message| message.message_id.0 == late_id));
    assert_eq!(second.conversations.len(), 1);
    // Never less; more only when another database of the server has committed something.
    let third = changes(pool, Since::Time { at: first.at, margin }, 100).await.unwrap();
    assert!(third.version >= second.version);
    let long_ago = first.at - store::channel::live_chat::LONGEST_GAP - SignedDuration::from_hours(1);
    assert!(changes(pool, Since::Time { at: long_ago, margin }, 100).await.unwrap().too_long_ago);
}
