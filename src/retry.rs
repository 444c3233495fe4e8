//! The house's policies of trying again; used with `backon`.

use std::time::Duration;

use backon::ExponentialBuilder;

/// For what must not be given up while the process lives: 50 ms to 5 s apart, with jitter, for about an hour.
pub fn until_it_works() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(720)
        .with_jitter()
}
