//! The one way to make an HTTP client: time-outs, no redirects, our name in the user agent.

use std::time::Duration;

/// A builder with the house's rules; `timeout` bounds a whole call.
pub fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .pool_idle_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("GovConnect/", env!("CARGO_PKG_VERSION")))
}
