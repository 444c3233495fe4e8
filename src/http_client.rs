//! The one way to make an HTTP client: time-outs, no redirects, our name in the user agent.

use std::time::Duration;

/// A connection is given up when it was idle for this long: sooner than servers close theirs (ours after 5 s). A request that
/// meets that moment is lost without an answer, and for a message that means a minute of not knowing.
const IDLE: Duration = Duration::from_secs(4);

/// A builder with the house's rules; `timeout` bounds a whole call.
pub fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("GovConnect/", env!("CARGO_PKG_VERSION")))
}
