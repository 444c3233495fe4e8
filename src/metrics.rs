//! What a node counts and measures, in Prometheus's words; names carry their unit. Labels never carry ids or text.

use std::time::Duration;

use prometheus::{
    Counter, Encoder, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, histogram_opts, opts,
};
use serde_json::Value;
use strum::IntoEnumIterator;

use crate::bus::calls::WorkQueue;
use crate::bus::events::ROUTING_KEYS;
use crate::store::outboxes::Outbox;
use crate::whatsapp::errors::ErrorClass;

/// Seconds: from a fast query to a slow model.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Rows: from one message to a full transaction.
const ROWS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];
/// What Meta counts messages as.
const PRICE_CATEGORIES: [&str; 7] = [
    "authentication",
    "authentication_international",
    "marketing",
    "marketing_lite",
    "referral_conversion",
    "service",
    "utility",
];
const PRICE_TYPES: [&str; 3] = ["regular", "free_customer_service", "free_entry_point"];

/// All metrics of one node. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    /// Rows written by the intake (`kind`: message, status, duplicate, parked).
    pub intake_rows: IntCounterVec,
    /// Seconds of one intake transaction.
    pub intake_commit_seconds: HistogramVec,
    /// Rows of one intake transaction.
    pub intake_batch_rows: HistogramVec,
    /// Merges of people (`outcome`: merged, settled, waiting, failed).
    pub merges: IntCounterVec,
    /// Webhooks refused because the queue was full or the commit failed.
    pub intake_refused: IntCounterVec,
    /// Wake-ups of conversations (`source`: hint, remote, sweep, restart).
    pub wakes: IntCounterVec,
    /// Turns (`outcome`: committed, restarted, cancelled, failed, parked).
    pub turns: IntCounterVec,
    /// Actors that ended (`actor`, `cause`: finished, stopped, panicked).
    pub actors_ended: IntCounterVec,
    /// Conversations begun anew (`cause`: panicked, frozen, finished, aborted).
    pub conversation_restarts: IntCounterVec,
    /// Conversations in memory.
    pub active_conversations: IntGauge,
    /// Conversations that are parked now, of this node's partitions.
    pub parked_now: IntGauge,
    /// Seconds that the oldest message has waited for the bot, of this node's partitions.
    pub inbox_oldest_pending_seconds: Gauge,
    /// Seconds that the oldest message has waited to be sent, of this node's partitions.
    pub outbox_oldest_pending_seconds: Gauge,
    /// Conversations parked for people to look at.
    pub parked_conversations: IntCounter,
    /// Calls that send a message (`class`: sent, or the class of the error as the facts name it).
    pub sends: IntCounterVec,
    /// Sends whose outcome was not known when the call ended.
    pub sends_ambiguous: IntCounter,
    /// How these ended (`end`: status, repeated).
    pub sends_ambiguous_ended: IntCounterVec,
    /// Messages that Meta took (`kind`, `origin`).
    pub messages_sent: IntCounterVec,
    /// Messages by what Meta says they cost (`category`, `type`, `billable`).
    messages_priced: IntCounterVec,
    /// Messages that failed for good (`class`).
    dead_letters: IntCounterVec,
    /// Messages kept back by a closed window (`outcome`: refused, failed, template).
    pub window_closed: IntCounterVec,
    /// The office's numbers that have been used, by circuit (`state`).
    pub numbers: IntGaugeVec,
    /// Numbers that stopped sending until the operator acts (`class`).
    pub number_alerts: IntCounterVec,
    /// Messages that waited because their person had got so many just before.
    pub pair_waits: IntCounter,
    /// Bot rows cancelled by a takeover.
    pub takeover_cancelled: IntCounter,
    /// Calls to the case actor (`call`; `outcome`: answered, refused, unavailable).
    pub case_calls: IntCounterVec,
    /// Calls of models (`outcome`: answered, or how it failed).
    pub ai_calls: IntCounterVec,
    /// Seconds of one call of a model.
    pub ai_call_seconds: HistogramVec,
    /// Tokens that models took (`direction`: input, output).
    pub ai_tokens: IntCounterVec,
    /// What they cost, in the currency of the prices that are set.
    pub ai_cost: Counter,
    /// Questions to models that the builtin answered instead (`reason`).
    pub ai_fallbacks: IntCounterVec,
    /// Models that are left alone after failures.
    pub ai_circuits_opened: IntCounter,
    /// Attempts to fetch a file from Meta (`outcome`: stored, retried, refused, failed, not_wanted).
    pub media_downloads: IntCounterVec,
    /// Bytes stored (`direction`: in, upload).
    pub media_bytes: IntCounterVec,
    /// Seconds from the claim of a file to its record.
    pub media_download_seconds: HistogramVec,
    /// Files that wait to be fetched, on all nodes.
    pub media_pending: IntGauge,
    /// Seconds that the oldest of them has waited.
    pub media_oldest_pending_seconds: Gauge,
    /// Files deleted from the media store.
    pub media_deleted: IntCounter,
    /// Events that were published (`routing_key`).
    events_published: IntCounterVec,
    /// Batches of events that a subscriber did not take (`outbox`).
    pub events_refused: IntCounterVec,
    /// Seconds that the first event of an outbox has waited to be published (`outbox`), on all nodes.
    pub events_oldest_pending_seconds: GaugeVec,
    /// Messages that no queue wanted and the broker gave back (`kind`: event, call, hint).
    pub bus_returned: IntCounterVec,
    /// Messages that could never be dealt with (`queue`).
    pub bus_dead_lettered: IntCounterVec,
    /// Hints to other nodes (`outcome`: sent, dropped).
    pub bus_hints: IntCounterVec,
    /// Changes announced to dashboards (`outcome`: sent, dropped).
    pub bus_announcements: IntCounterVec,
    /// Browsers that follow live chat on this node.
    pub live_chat_sockets: IntGauge,
    /// Looks for changes in vain (the channel service was away).
    pub live_chat_failed_looks: IntCounter,
    /// Partitions owned by this node.
    pub partitions_owned: IntGauge,
    /// Partitions that changed hands (`direction`: taken, handed_over, lost).
    pub partition_moves: IntCounterVec,
    /// Nodes that are up, as this one sees them.
    pub cluster_nodes: IntGauge,
}

impl Metrics {
    /// Registers everything afresh.
    ///
    /// # Errors
    /// Only when two metrics share a name: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("govconnect".into()), None)?;
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let counters = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let histogram = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<HistogramVec> {
            let options: HistogramOpts = histogram_opts!(name, help, SECONDS.to_vec());
            let histogram = HistogramVec::new(options, labels)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let single = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::with_opts(opts!(name, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let intake_batch_rows = HistogramVec::new(
            histogram_opts!("intake_batch_rows", "Rows of one intake transaction", ROWS.to_vec()),
            &[],
        )?;
        registry.register(Box::new(intake_batch_rows.clone()))?;
        let active_conversations =
            IntGauge::new("conversations_active", "Conversations with an actor in memory")?;
        registry.register(Box::new(active_conversations.clone()))?;
        let numbers =
            IntGaugeVec::new(Opts::new("numbers", "Numbers by the state of their circuit"), &["state"])?;
        registry.register(Box::new(numbers.clone()))?;
        let level = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let seconds = |name: &str, help: &str| -> prometheus::Result<Gauge> {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let events_oldest_pending_seconds = GaugeVec::new(
            Opts::new("events_oldest_pending_seconds", "Age of the first event that waits to be published"),
            &["outbox"],
        )?;
        registry.register(Box::new(events_oldest_pending_seconds.clone()))?;
        let ai_cost = Counter::new("ai_cost_total", "What models cost, in the currency of the prices")?;
        registry.register(Box::new(ai_cost.clone()))?;
        let metrics = Metrics {
            ai_calls: counters("ai_calls_total", "Calls of models", &["outcome"])?,
            ai_call_seconds: histogram("ai_call_seconds", "Time of one call of a model", &[])?,
            ai_tokens: counters("ai_tokens_total", "Tokens that models took", &["direction"])?,
            ai_cost,
            ai_fallbacks: counters(
                "ai_fallbacks_total",
                "Questions to models that the builtin answered instead",
                &["reason"],
            )?,
            ai_circuits_opened: single("ai_circuits_opened_total", "Models left alone after failures")?,
            events_published: counters("events_published_total", "Events published", &["routing_key"])?,
            events_refused: counters(
                "events_refused_total",
                "Batches of events that a subscriber did not take",
                &["outbox"],
            )?,
            bus_returned: counters("bus_returned_total", "Messages that no queue wanted", &["kind"])?,
            bus_dead_lettered: counters(
                "bus_dead_lettered_total",
                "Messages that could never be dealt with",
                &["queue"],
            )?,
            bus_hints: counters("bus_hints_total", "Hints to other nodes", &["outcome"])?,
            bus_announcements: counters(
                "bus_announcements_total",
                "Changes announced to dashboards",
                &["outcome"],
            )?,
            live_chat_sockets: level("live_chat_sockets", "Browsers that follow live chat")?,
            live_chat_failed_looks: single("live_chat_failed_looks_total", "Looks for changes in vain")?,
            events_oldest_pending_seconds,
            sends_ambiguous: single("sends_ambiguous_total", "Sends whose outcome was not known")?,
            sends_ambiguous_ended: counters(
                "sends_ambiguous_ended_total",
                "How sends whose outcome was not known ended",
                &["end"],
            )?,
            messages_sent: counters("messages_sent_total", "Messages that Meta took", &["kind", "origin"])?,
            messages_priced: counters(
                "messages_priced_total",
                "Messages by what they cost",
                &["category", "type", "billable"],
            )?,
            dead_letters: counters("dead_letters_total", "Messages that failed for good", &["class"])?,
            window_closed: counters(
                "window_closed_total",
                "Messages kept back by a closed 24 h window",
                &["outcome"],
            )?,
            numbers,
            number_alerts: counters(
                "number_alerts_total",
                "Numbers that stopped sending until the operator acts",
                &["class"],
            )?,
            pair_waits: single("pair_waits_total", "Messages that waited for the pace of their person")?,
            parked_now: level("conversations_parked", "Conversations that are parked now")?,
            inbox_oldest_pending_seconds: seconds(
                "inbox_oldest_pending_seconds",
                "Age of the oldest message that the bot has not dealt with",
            )?,
            outbox_oldest_pending_seconds: seconds(
                "outbox_oldest_pending_seconds",
                "Age of the oldest message that waits to be sent",
            )?,
            media_downloads: counters("media_downloads_total", "Attempts to fetch a file", &["outcome"])?,
            media_bytes: counters("media_bytes_total", "Bytes of files stored", &["direction"])?,
            media_download_seconds: histogram("media_download_seconds", "Time to fetch a file", &[])?,
            media_deleted: single("media_deleted_total", "Files deleted from the media store")?,
            media_pending: level("media_pending", "Files that wait to be fetched from Meta")?,
            media_oldest_pending_seconds: seconds(
                "media_oldest_pending_seconds",
                "Age of the oldest file that waits to be fetched",
            )?,
            http_requests: counters(
                "http_requests_total",
                "HTTP requests",
                &["service", "method", "route", "status"],
            )?,
            http_seconds: histogram("http_request_seconds", "Time to answer", &["service", "route"])?,
            intake_rows: counters("intake_rows_total", "Rows taken in", &["kind"])?,
            intake_commit_seconds: histogram("intake_commit_seconds", "Time of one intake transaction", &[])?,
            intake_batch_rows,
            merges: counters("merges_total", "Merges of people carried out or tried", &["outcome"])?,
            intake_refused: counters("intake_refused_total", "Webhooks answered 503", &["reason"])?,
            wakes: counters("wakes_total", "Wake-ups of conversations", &["source"])?,
            turns: counters("turns_total", "Turns", &["outcome"])?,
            actors_ended: counters("actors_ended_total", "Actors that ended", &["actor", "cause"])?,
            conversation_restarts: counters(
                "conversation_restarts_total",
                "Conversations begun anew",
                &["cause"],
            )?,
            parked_conversations: single(
                "conversations_parked_total",
                "Conversations parked for people to look at",
            )?,
            sends: counters("sends_total", "Calls that send a message to Meta", &["class"])?,
            case_calls: counters("case_calls_total", "Calls to the case actor", &["call", "outcome"])?,
            takeover_cancelled: single("takeover_cancelled_total", "Bot messages cancelled by a takeover")?,
            active_conversations,
            partitions_owned: level("partitions_owned", "Partitions this node owns")?,
            partition_moves: counters(
                "partition_moves_total",
                "Partitions that changed hands",
                &["direction"],
            )?,
            cluster_nodes: level("cluster_nodes", "Nodes that are up, as this one sees them")?,
            registry,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// What can happen is shown from the start, so that an alert can tell "never" from "not there".
    fn begin_at_zero(&self) {
        for (counter, values) in [
            (&self.intake_rows, &["message", "echo", "status", "duplicate", "parked"][..]),
            (&self.intake_refused, &["full", "not_committed", "closed"]),
            (&self.wakes, &["hint", "remote", "sweep", "restart"]),
            (&self.partition_moves, &["taken", "handed_over", "lost"]),
            (
                &self.turns,
                &["committed", "restarted", "cancelled", "failed", "stale", "handed_over", "drained"],
            ),
            (&self.merges, &["merged", "settled", "waiting", "failed"]),
            (&self.conversation_restarts, &["panicked", "frozen", "finished", "aborted"]),
            (&self.sends, &["sent", "ambiguous", "not_reached"]),
            (&self.sends_ambiguous_ended, &["status", "repeated"]),
            (&self.window_closed, &["refused", "failed", "template"]),
            (&self.number_alerts, &["operator", "spam_limit"]),
            (&self.media_downloads, &["stored", "retried", "refused", "failed", "not_wanted"]),
            (&self.media_bytes, &["in", "upload"]),
            (&self.events_published, &ROUTING_KEYS),
            (
                &self.ai_calls,
                &[
                    "answered",
                    "rate_limited",
                    "server_failed",
                    "refused",
                    "unreachable",
                    "timed_out",
                    "cut",
                    "malformed",
                    "truncated",
                    "blocked",
                ],
            ),
            (&self.ai_tokens, &["input", "output"]),
            (&self.ai_fallbacks, &["circuit_open", "deadline", "budget"]),
        ] {
            for value in values {
                counter.with_label_values(&[value]);
            }
        }
        for class in ErrorClass::iter() {
            let class: &str = class.into();
            self.sends.with_label_values(&[class]);
            self.dead_letters.with_label_values(&[class]);
        }
        for state in ["closed", "open", "half_open"] {
            self.numbers.with_label_values(&[state]);
        }
        for kind in ["event", "call", "hint"] {
            self.bus_returned.with_label_values(&[kind]);
        }
        for queue in WorkQueue::iter() {
            let queue: &str = queue.into();
            self.bus_dead_lettered.with_label_values(&[queue]);
        }
        for outcome in ["sent", "dropped"] {
            self.bus_hints.with_label_values(&[outcome]);
            self.bus_announcements.with_label_values(&[outcome]);
        }
        for outbox in Outbox::iter() {
            self.events_refused.with_label_values(&[outbox.service()]);
            self.events_oldest_pending_seconds.with_label_values(&[outbox.service()]);
        }
        for histogram in [
            &self.intake_commit_seconds,
            &self.intake_batch_rows,
            &self.media_download_seconds,
            &self.ai_call_seconds,
        ] {
            histogram.with_label_values(&[] as &[&str]);
        }
    }

    /// One HTTP request answered. `route` is the pattern, so there are few of them.
    pub fn observe_http(&self, service: &str, method: &str, route: &str, status: u16, elapsed: Duration) {
        self.http_requests.with_label_values(&[service, method, route, &status.to_string()]).inc();
        self.http_seconds.with_label_values(&[service, route]).observe(elapsed.as_secs_f64());
    }

    /// One message that Meta has priced. Words that are not known count as `other`, so there are few of them.
    pub fn count_price(&self, pricing: &Value) {
        let word = |key: &str, known: &[&'static str]| match pricing[key].as_str() {
            None => "unknown",
            Some(word) => known.iter().find(|known| **known == word).copied().unwrap_or("other"),
        };
        let billable = match pricing["billable"].as_bool() {
            Some(true) => "true",
            Some(false) => "false",
            None => "unknown",
        };
        let category = word("category", &PRICE_CATEGORIES);
        self.messages_priced.with_label_values(&[category, word("type", &PRICE_TYPES), billable]).inc();
    }

    /// One event that was published; a routing key that is none of ours counts as `other`.
    pub fn count_event(&self, routing_key: &str) {
        let known = ROUTING_KEYS.iter().find(|known| **known == routing_key);
        self.events_published.with_label_values(&[known.copied().unwrap_or("other")]).inc();
    }

    /// One message that failed for good, by the class of its error.
    pub fn count_dead_letter(&self, error: &Value) {
        self.dead_letters.with_label_values(&[error["class"].as_str().unwrap_or("unknown")]).inc();
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
