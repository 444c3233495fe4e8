//! What the stand-in knows, all in memory and bounded, behind one lock that is never held across an await.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Settings;
use super::behaviour::Behaviour;
use super::faults::Faults;
use super::limits::TokenBucket;
use super::media::MediaStore;
use super::people::{Chat, ChatMessage, Citizen, People};
use super::record::{Event, Record};
use super::validate_template::Template;
use super::webhooks::Lanes;

/// How many webhooks are on the wire at once.
const CONCURRENT_WEBHOOKS: usize = 64;

/// Everything the handlers and the background tasks share.
pub(super) struct Shared {
    pub settings: Settings,
    /// Where media are downloaded from, as told to callers.
    pub public_url: String,
    pub world: Mutex<World>,
    /// Highest index of the log, for readers who wait.
    pub record_tip: watch::Sender<u64>,
    /// Ids of citizens whose phone looks different now.
    pub changes: broadcast::Sender<String>,
    pub stopping: CancellationToken,
    pub tasks: TaskTracker,
    pub runtime: tokio::runtime::Handle,
    pub http: reqwest::Client,
    pub on_the_wire: Semaphore,
}

pub(super) struct World {
    pub people: People,
    /// Where the message with this id is: citizen and phone number id.
    pub places: HashMap<String, (String, String)>,
    pub record: Record,
    pub faults: Faults,
    pub behaviour: Behaviour,
    pub media: MediaStore,
    pub templates: Vec<Template>,
    pub webhook_url: Option<String>,
    pub number_buckets: HashMap<String, TokenBucket>,
    pub lanes: Lanes,
    /// Ends the deliveries and statuses under way when the world is reset.
    pub generation: CancellationToken,
    /// Actions of citizens that the phone page must hear of once the lock is free.
    changed: VecDeque<String>,
}

impl Shared {
    pub fn new(
        settings: Settings,
        public_url: String,
        runtime: tokio::runtime::Handle,
        http: reqwest::Client,
    ) -> Self {
        let stopping = CancellationToken::new();
        let world = World::new(&settings, &stopping, true);
        Shared {
            settings,
            public_url,
            world: Mutex::new(world),
            record_tip: watch::Sender::new(0),
            changes: broadcast::Sender::new(256),
            stopping,
            tasks: TaskTracker::new(),
            runtime,
            http,
            on_the_wire: Semaphore::new(CONCURRENT_WEBHOOKS),
        }
    }

    pub fn now(&self) -> Timestamp {
        (self.settings.now)()
    }

    /// Does `action` under the lock, then tells whoever waits for news.
    pub fn with_world<T>(&self, action: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let result = action(&mut world);
        let tip = world.record.last_index();
        let changed = std::mem::take(&mut world.changed);
        drop(world);
        self.record_tip.send_if_modified(|known| {
            let grew = tip > *known;
            *known = tip.max(*known);
            grew
        });
        for citizen in changed {
            // Nobody listening is no failure: the page may not be open.
            let _listeners = self.changes.send(citizen);
        }
        result
    }

    /// A panic under the lock leaves data that is still good enough for a stand-in.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything as at the start; the log's index goes on.
    pub fn reset(&self, with_samples: bool) {
        self.with_world(|world| {
            world.generation.cancel();
            let mut fresh = World::new(&self.settings, &self.stopping, with_samples);
            std::mem::swap(&mut fresh.record, &mut world.record);
            fresh.record.clear();
            *world = fresh;
            world.changed("*");
        });
    }
}

impl World {
    fn new(settings: &Settings, stopping: &CancellationToken, with_samples: bool) -> Self {
        World {
            people: if with_samples { People::samples() } else { People::default() },
            places: HashMap::new(),
            record: Record::default(),
            faults: Faults::default(),
            behaviour: settings.behaviour.clone(),
            media: MediaStore::default(),
            templates: Vec::new(),
            webhook_url: settings.webhook_url.clone(),
            number_buckets: HashMap::new(),
            lanes: Lanes::default(),
            generation: stopping.child_token(),
            changed: VecDeque::new(),
        }
    }

    pub fn changed(&mut self, citizen: &str) {
        if !self.changed.iter().any(|known| known == citizen) {
            self.changed.push_back(citizen.to_owned());
        }
    }

    pub fn log(&mut self, at: Timestamp, event: Event) -> u64 {
        self.record.append(at, event)
    }

    pub fn chat(&mut self, citizen: &str, number: &str) -> Option<&mut Chat> {
        let citizen = self.people.get_mut(citizen)?;
        Some(citizen.chats.entry(number.to_owned()).or_default())
    }

    pub fn add_message(&mut self, citizen: &str, number: &str, message: ChatMessage) {
        let wamid = message.wamid.clone();
        let Some(chat) = self.chat(citizen, number) else { return };
        let forgotten = chat.push(message);
        if let Some(forgotten) = forgotten {
            self.places.remove(&forgotten);
        }
        self.places.insert(wamid, (citizen.to_owned(), number.to_owned()));
        self.changed(citizen);
    }

    /// The message, whose it is, and through which number it went.
    pub fn message(&mut self, wamid: &str) -> Option<(&Citizen, String, ChatMessage)> {
        let (citizen, number) = self.places.get(wamid)?.clone();
        let message = self.chat(&citizen, &number)?.message(wamid)?.clone();
        Some((self.people.get(&citizen)?, number, message))
    }

    /// Changes a message in place.
    pub fn update_message(&mut self, wamid: &str, update: impl FnOnce(&mut ChatMessage)) {
        let Some((citizen, number)) = self.places.get(wamid).cloned() else { return };
        if let Some(message) = self.chat(&citizen, &number).and_then(|chat| chat.message(wamid)) {
            update(message);
            self.changed(&citizen);
        }
    }
}

/// A message id like Meta's: Base64 of hexadecimal digits, which never yields a `+` or `/`.
pub(super) fn new_wamid() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    format!("wamid.HBgN{}", STANDARD_NO_PAD.encode(uuid::Uuid::new_v4().simple().to_string().to_uppercase()))
}
