//! Which trace a message belongs to, as the W3C's `traceparent` header says it, so that whoever looks at one later can
//! join what several services did.

use std::fmt;

use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Traceparent;
}

/// The trace that the work which asks belongs to, if it was said ([`Traceparent::scope`]).
pub fn current() -> Option<Traceparent> {
    CURRENT.try_with(Clone::clone).ok()
}

/// A `traceparent` (<https://www.w3.org/TR/trace-context/#traceparent-header>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traceparent(String);

impl Traceparent {
    /// The trace that begins with the message of that id. The same however often the message is sent, so a repetition
    /// joins the trace of the first.
    pub fn beginning_with(message: Uuid) -> Self {
        let trace = message.simple().to_string();
        // The last half of an id is its random one.
        let (_, span) = trace.split_at(16);
        Traceparent(format!("00-{trace}-{span}-01"))
    }

    /// Does `work` as part of this trace: what it asks of others carries it along. Does not reach into tasks that the work
    /// spawns, nor into other actors.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// One that somebody else sent; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let says_something = |part: &str| part.bytes().any(|byte| byte != b'0');
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags] = parts[..] else { return None };
        let fits = version == "00"
            && hex(trace, 32)
            && says_something(trace)
            && hex(span, 16)
            && says_something(span)
            && hex(flags, 2);
        fits.then(|| Traceparent(text.to_owned()))
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_begins_a_trace_that_others_can_read() {
        let begun = Traceparent::beginning_with(Uuid::now_v7());
        assert_eq!(Traceparent::parse(&begun.to_string()), Some(begun));
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(Traceparent::parse(good).is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert!(Traceparent::parse(bad).is_none(), "{bad}");
        }
    }
}
