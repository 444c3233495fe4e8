//! The append-only log of everything that crossed the wire: Graph calls in, webhook attempts out. Tests judge
//! races by it, so an entry is written in the same critical section as the effect it tells of.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// How many entries are kept; older ones are forgotten, which a reader sees by `oldest`.
const MOST_ENTRIES: usize = 50_000;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    /// Grows by one an entry, also across a reset.
    pub index: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Event {
    /// A call of the Graph API.
    Graph(Box<GraphCall>),
    /// One attempt to deliver a webhook.
    Webhook(Box<WebhookAttempt>),
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct GraphCall {
    /// `text`, `interactive`, …, `read`, `media_upload`, …; `invalid` for a body that could not be read.
    pub call: String,
    pub phone_number_id: Option<String>,
    pub recipient: Option<String>,
    pub citizen: Option<String>,
    pub body: Value,
    /// HTTP status of the answer; absent if none was given.
    pub status: Option<u16>,
    pub answer: Option<Value>,
    /// `biz_opaque_callback_data`.
    pub opaque: Option<String>,
    /// The message that was accepted. Present exactly when the citizen gets it.
    pub wamid: Option<String>,
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct WebhookAttempt {
    pub delivery: u64,
    pub attempt: u32,
    pub citizen: Option<String>,
    pub wamids: Vec<String>,
    /// Type of the message, `status`, `batch` or `raw`.
    pub update: String,
    /// For a status: `sent`, `delivered`, ….
    pub state: Option<String>,
    /// HTTP status of the answer; absent if none came.
    pub status: Option<u16>,
    pub error: Option<String>,
    pub ms: u64,
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub kind: Option<String>,
    pub call: Option<String>,
    /// A recipient as called, or a citizen's id.
    pub person: Option<String>,
    pub wamid: Option<String>,
    pub opaque: Option<String>,
}

impl Filter {
    fn agrees(&self, entry: &Entry) -> bool {
        let Filter { kind, call, person, wamid, opaque } = self;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        match &entry.event {
            Event::Graph(graph) => {
                is(kind, Some("graph"))
                    && is(call, Some(&graph.call))
                    && (is(person, graph.recipient.as_deref()) || is(person, graph.citizen.as_deref()))
                    && is(wamid, graph.wamid.as_deref())
                    && is(opaque, graph.opaque.as_deref())
            }
            Event::Webhook(attempt) => {
                is(kind, Some("webhook"))
                    && is(call, Some(&attempt.update))
                    && is(person, attempt.citizen.as_deref())
                    && wamid.as_ref().is_none_or(|wanted| attempt.wamids.contains(wanted))
                    && opaque.is_none()
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Record {
    last_index: u64,
    entries: VecDeque<Entry>,
}

/// A page of the log.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub entries: Vec<Entry>,
    /// Give this as `after` to go on.
    pub next: u64,
    /// The oldest index still kept.
    pub oldest: u64,
}

impl Record {
    pub fn append(&mut self, at: Timestamp, event: Event) -> u64 {
        self.last_index += 1;
        if self.entries.len() == MOST_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { index: self.last_index, at, event });
        self.last_index
    }

    /// Forgets the entries, not how far they were counted.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    pub fn page(&self, after: u64, filter: &Filter, limit: usize) -> Page {
        let start = self.entries.partition_point(|entry| entry.index <= after);
        let mut matching = self.entries.range(start..).filter(|entry| filter.agrees(entry));
        let entries: Vec<Entry> = matching.by_ref().take(limit).cloned().collect();
        // Whatever was looked at and did not match need not be looked at again, unless the page is full.
        let full = entries.len() == limit;
        let next = match entries.last() {
            Some(last) if full => last.index,
            _ => self.last_index.max(after),
        };
        let oldest = self.entries.front().map_or(self.last_index + 1, |entry| entry.index);
        Page { entries, next, oldest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(call: &str) -> Event {
        Event::Graph(Box::new(GraphCall { call: call.to_owned(), ..GraphCall::default() }))
    }

    #[test]
    fn a_reader_that_goes_on_from_next_sees_every_entry_once() {
        let mut record = Record::default();
        for number in 0..7 {
            record.append(Timestamp::UNIX_EPOCH, graph(if number % 2 == 0 { "text" } else { "read" }));
        }
        let filter = Filter { call: Some("text".into()), ..Filter::default() };
        let first = record.page(0, &filter, 2);
        assert_eq!(first.entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 3]);
        let second = record.page(first.next, &filter, 10);
        assert_eq!(second.entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [5, 7]);
        assert!(record.page(second.next, &filter, 10).entries.is_empty());
    }

    #[test]
    fn the_oldest_entries_go_first_and_the_index_goes_on() {
        let mut record = Record::default();
        for _ in 0..MOST_ENTRIES + 5 {
            record.append(Timestamp::UNIX_EPOCH, graph("text"));
        }
        assert_eq!(record.page(0, &Filter::default(), 1).oldest, 6);
        record.clear();
        assert_eq!(record.append(Timestamp::UNIX_EPOCH, graph("text")), MOST_ENTRIES as u64 + 6);
    }
}
