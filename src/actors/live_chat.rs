//! The hub of live chat on a node that has the dashboard: looks for what has changed as soon as it is told so, or every
//! two seconds, and hands it to every browser that follows. It reads through the channel service's contract, once
//! for all of them, and only while somebody follows.
//!
//! Nothing depends on it: a follower that comes, or has fallen behind, reads its own gap. What the hub gives may come
//! twice; the version says which is newer.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::supervision;
use crate::bus::live_chat::{LiveChange, LiveChatListener};
use crate::metrics::Metrics;

/// How often followers are told how far they are; the look before goes back [`FULL_MARGIN`].
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// How far back an ordinary look goes: almost every commit is faster.
const MARGIN: Duration = Duration::from_secs(5);
/// How far back it goes for those that are not, and whoever comes back.
pub const FULL_MARGIN: Duration = Duration::from_secs(30);
/// For how long it is known what was given already: longer than any look goes back.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Updates that a follower may be behind before it has to read its gap.
const BEHIND: usize = 256;

/// How often the hub does what.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// It looks without being told.
    look: Duration,
    /// Between two looks at least, however often it is told.
    pause: Duration,
    heartbeat: Duration,
}

const PACE: Pace =
    Pace { look: Duration::from_secs(2), pause: Duration::from_millis(150), heartbeat: HEARTBEAT };

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Only where the present is.
    Now,
    /// What has changed since a cursor, and so much before it.
    Since { cursor: String, margin: Duration },
    /// Where a page ended.
    Page(String),
}

/// What has changed.
#[derive(Clone, Debug)]
pub struct Page {
    /// Of everything in it.
    pub version: i64,
    pub cursor: String,
    pub next: Option<String>,
    /// It is too long ago to be told.
    pub reload: bool,
    pub conversations: Vec<Thing>,
    pub messages: Vec<Thing>,
}

/// A conversation or a message as followers are shown it.
#[derive(Clone, Debug)]
pub struct Thing {
    pub id: Uuid,
    pub shown: Value,
}

/// The channel service does not answer; whoever noticed has logged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what has changed could not be read")]
pub struct Away;

/// Where changes are read.
pub trait ReadChanges: Send + Sync + 'static {
    /// One page.
    fn read(&self, ask: Ask) -> BoxFuture<'_, Result<Page, Away>>;
}

/// What followers are sent.
#[derive(Clone, Debug)]
pub struct Update {
    /// See [`words`].
    pub words: Arc<str>,
    /// Everything until there has been given with it.
    pub cursor: Option<Arc<str>>,
}

/// What followers are sent, as JSON.
pub mod words {
    use super::{Page, Thing, Value, json};

    /// Things that changed; `None` when there are none.
    pub fn changes(page: &Page) -> Option<String> {
        if page.conversations.is_empty() && page.messages.is_empty() {
            return None;
        }
        let shown = |things: &[Thing]| things.iter().map(|thing| thing.shown.clone()).collect::<Vec<Value>>();
        let words = json!({
            "type": "changes",
            "version": page.version,
            "conversations": shown(&page.conversations),
            "messages": shown(&page.messages),
        });
        Some(words.to_string())
    }

    /// Everything until there has been given.
    pub fn heartbeat(cursor: &str) -> String {
        json!({"type": "heartbeat", "cursor": cursor}).to_string()
    }

    /// The gap has been given; what comes now is live.
    pub fn ready(cursor: &str) -> String {
        json!({"type": "ready", "cursor": cursor}).to_string()
    }

    /// Too much has been missed: lists are to be loaded afresh.
    pub fn reload() -> String {
        json!({"type": "reload"}).to_string()
    }
}

/// The hub. Cheap to clone.
#[derive(Clone)]
pub struct LiveChat {
    inner: Arc<Inner>,
}

struct Inner {
    updates: broadcast::Sender<Update>,
    told: Notify,
    followed: Notify,
    /// Where the first follower's gap ended; empty while nobody follows.
    begin: Mutex<Option<String>>,
    closing: watch::Sender<bool>,
    metrics: Metrics,
    pace: Pace,
}

impl LiveChat {
    /// At rest until [`LiveChat::start`].
    pub fn new(metrics: &Metrics) -> Self {
        Self::at(PACE, metrics)
    }

    fn at(pace: Pace, metrics: &Metrics) -> Self {
        let inner = Inner {
            updates: broadcast::Sender::new(BEHIND),
            told: Notify::new(),
            followed: Notify::new(),
            begin: Mutex::default(),
            closing: watch::Sender::new(false),
            metrics: metrics.clone(),
            pace,
        };
        LiveChat { inner: Arc::new(inner) }
    }

    /// Looks at `source` until it is closed.
    pub fn start(&self, source: Arc<dyn ReadChanges>) -> JoinHandle<()> {
        let hub = self.clone();
        supervision::keep_running("live_chat", &self.inner.metrics, move || hub.clone().run(source.clone()))
    }

    /// From now on updates come to this follower; it reads its gap next, and says with [`LiveChat::begin`] how far
    /// that went.
    pub fn follow(&self) -> broadcast::Receiver<Update> {
        self.inner.updates.subscribe()
    }

    /// A follower has read everything until `cursor`.
    pub fn begin(&self, cursor: &str) {
        self.beginning().get_or_insert_with(|| cursor.to_owned());
        self.inner.followed.notify_one();
    }

    /// Ends all followers, so that none of them holds up a stop.
    pub fn close(&self) {
        self.inner.closing.send_replace(true);
    }

    /// Returns once the hub is closed.
    pub async fn closed(&self) {
        // The sender is this value's own, so there is no error.
        drop(self.inner.closing.subscribe().wait_for(|closing| *closing).await);
    }

    fn beginning(&self) -> MutexGuard<'_, Option<String>> {
        self.inner.begin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, source: Arc<dyn ReadChanges>) {
        tokio::select! {
            () = self.closed() => {}
            () = self.look_for_ever(source.as_ref()) => {}
        }
    }

    async fn look_for_ever(&self, source: &dyn ReadChanges) {
        loop {
            let mut looking = Looking::from(self.first_follower().await);
            while !self.is_left() {
                let told = tokio::select! {
                    () = self.inner.told.notified() => true,
                    () = sleep_until(looking.last + self.inner.pace.look) => false,
                };
                if told {
                    sleep_until(looking.last + self.inner.pace.pause).await;
                }
                self.look(source, &mut looking).await;
            }
        }
    }

    async fn first_follower(&self) -> String {
        loop {
            if let Some(cursor) = self.beginning().clone() {
                return cursor;
            }
            self.inner.followed.notified().await;
        }
    }

    /// Whether nobody follows any more. Whoever comes meanwhile has subscribed before they begin, so either they are
    /// counted here, or their beginning comes after this.
    fn is_left(&self) -> bool {
        let mut begin = self.beginning();
        let left = self.inner.updates.receiver_count() == 0;
        if left {
            *begin = None;
        }
        left
    }

    async fn look(&self, source: &dyn ReadChanges, looking: &mut Looking) {
        let now = Instant::now();
        looking.last = now;
        let full = now >= looking.heartbeat + self.inner.pace.heartbeat;
        let margin = if full { FULL_MARGIN } else { MARGIN };
        match self.give_all(source, looking, margin).await {
            Ok(cursor) => looking.cursor = cursor,
            Err(Away) => self.inner.metrics.live_chat_failed_looks.inc(),
        }
        if full {
            looking.heartbeat = now;
            looking.given.retain(|_, (_, at)| now < *at + REMEMBERED);
            self.say(words::heartbeat(&looking.cursor), Some(&looking.cursor));
        }
    }

    /// Gives what is new to followers; answers with how far that went.
    async fn give_all(
        &self,
        source: &dyn ReadChanges,
        looking: &mut Looking,
        margin: Duration,
    ) -> Result<String, Away> {
        let mut page = source.read(Ask::Since { cursor: looking.cursor.clone(), margin }).await?;
        // What commits while pages are read is in the next look.
        let cursor = page.cursor.clone();
        loop {
            if page.reload {
                self.say(words::reload(), None);
            }
            let next = page.next.take();
            page.conversations.retain(|thing| looking.is_new(thing));
            page.messages.retain(|thing| looking.is_new(thing));
            if let Some(words) = words::changes(&page) {
                self.say(words, None);
            }
            match next {
                Some(next) => page = source.read(Ask::Page(next)).await?,
                None => return Ok(cursor),
            }
        }
    }

    fn say(&self, words: String, cursor: Option<&str>) {
        // An error means that the last follower has just gone.
        drop(self.inner.updates.send(Update { words: words.into(), cursor: cursor.map(Arc::from) }));
    }
}

impl LiveChatListener for LiveChat {
    fn changed(&self, _: Vec<LiveChange>) {
        self.inner.told.notify_one();
    }
}

/// What the hub remembers while it looks.
struct Looking {
    cursor: String,
    last: Instant,
    heartbeat: Instant,
    /// What was given, by id: what it was like, and when.
    given: HashMap<Uuid, (u64, Instant)>,
}

impl From<String> for Looking {
    fn from(cursor: String) -> Self {
        let now = Instant::now();
        Looking { cursor, last: now, heartbeat: now, given: HashMap::new() }
    }
}

impl Looking {
    /// Whether followers have not been given it as it is. Ids of messages and conversations never meet.
    fn is_new(&mut self, thing: &Thing) -> bool {
        let mut hasher = DefaultHasher::new();
        thing.shown.to_string().hash(&mut hasher);
        let (is, now) = (hasher.finish(), Instant::now());
        self.given.insert(thing.id, (is, now)).is_none_or(|(was, _)| was != is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one thing that counts up, when it is not away.
    #[derive(Default)]
    struct Source {
        count: Mutex<u32>,
        away: Mutex<bool>,
        asked: Mutex<Vec<Ask>>,
    }

    impl ReadChanges for Source {
        fn read(&self, ask: Ask) -> BoxFuture<'_, Result<Page, Away>> {
            Box::pin(async move {
                if *self.away.lock().unwrap() {
                    return Err(Away);
                }
                self.asked.lock().unwrap().push(ask);
                let count = *self.count.lock().unwrap();
                Ok(Page {
                    version: i64::from(count),
                    cursor: format!("c{count}"),
                    next: None,
                    reload: false,
                    conversations: Vec::new(),
                    messages: vec![Thing { id: Uuid::nil(), shown: json!(count) }],
                })
            })
        }
    }

    /// It looks by itself once in the time of ten.
    const QUICK: Pace = Pace {
        look: Duration::from_millis(100),
        pause: Duration::from_millis(1),
        heartbeat: Duration::from_millis(250),
    };
    /// It never looks unless it is told.
    const TOLD_ONLY: Pace = Pace { look: Duration::from_secs(3600), ..QUICK };

    fn started(pace: Pace) -> (LiveChat, Arc<Source>) {
        let hub = LiveChat::at(pace, &Metrics::new().unwrap());
        let source = Arc::new(Source::default());
        drop(hub.start(source.clone()));
        (hub, source)
    }

    async fn next(follower: &mut broadcast::Receiver<Update>) -> Value {
        let update = tokio::time::timeout(Duration::from_secs(20), follower.recv()).await;
        serde_json::from_str(&update.expect("something is told").unwrap().words).unwrap()
    }

    #[tokio::test]
    async fn it_looks_when_it_is_told_and_what_is_as_it_was_is_not_given_twice() {
        let (hub, source) = started(TOLD_ONLY);
        let mut follower = hub.follow();
        hub.begin("c0");
        hub.changed(Vec::new());
        assert_eq!(next(&mut follower).await["messages"], json!([0]));
        // Looked at again without a change: only the next change is told.
        let looks = source.asked.lock().unwrap().len();
        while source.asked.lock().unwrap().len() == looks {
            hub.changed(Vec::new());
            tokio::task::yield_now().await;
        }
        *source.count.lock().unwrap() = 1;
        hub.changed(Vec::new());
        assert_eq!(next(&mut follower).await["messages"], json!([1]));
    }

    #[tokio::test]
    async fn it_looks_by_itself_too_and_further_back_before_each_heartbeat() {
        let (hub, source) = started(QUICK);
        let mut follower = hub.follow();
        hub.begin("c0");
        assert_eq!(next(&mut follower).await["messages"], json!([0]));
        *source.count.lock().unwrap() = 1;
        let mut told = Vec::new();
        while told.last() != Some(&json!({"type": "heartbeat", "cursor": "c1"})) {
            told.push(next(&mut follower).await);
        }
        let changes: Vec<&Value> = told.iter().filter(|told| told["type"] == "changes").collect();
        assert_eq!(changes.len(), 1, "{told:?}");
        let asked = source.asked.lock().unwrap().clone();
        let margin = |ask: &Ask| match ask {
            Ask::Since { margin, .. } => *margin,
            other => panic!("{other:?}"),
        };
        assert_eq!(margin(&asked[0]), MARGIN);
        assert!(asked.iter().any(|ask| margin(ask) == FULL_MARGIN), "{asked:?}");
    }

    #[tokio::test]
    async fn while_the_channel_is_away_the_cursor_stands_still_and_the_next_first_follower_begins_anew() {
        let (hub, source) = started(QUICK);
        *source.away.lock().unwrap() = true;
        let mut follower = hub.follow();
        hub.begin("c0");
        assert_eq!(next(&mut follower).await, json!({"type": "heartbeat", "cursor": "c0"}));
        assert!(hub.inner.metrics.live_chat_failed_looks.get() >= 2);
        *source.away.lock().unwrap() = false;
        while next(&mut follower).await["messages"] != json!([0]) {}
        drop(follower);
        while hub.beginning().is_some() {
            hub.changed(Vec::new());
            tokio::task::yield_now().await;
        }
        source.asked.lock().unwrap().clear();
        let mut follower = hub.follow();
        hub.begin("c7");
        next(&mut follower).await;
        let first = source.asked.lock().unwrap().first().cloned();
        assert_eq!(first, Some(Ask::Since { cursor: "c7".into(), margin: MARGIN }));
        hub.close();
        hub.closed().await;
    }
}
