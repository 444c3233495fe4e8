//! Named steps at which a test may break this process. In a build without the feature `failpoints` they are nothing.
//!
//! The variable `FAILPOINTS`, read once at the start, says what happens where, in the syntax of the crate `fail`:
//! `turn::before_commit=1*off->1*return` lets the step pass once and ends the process the second time, as a power cut
//! would; `1*panic` panics once; `sleep(200)` holds the step up.

/// Names a step.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        ::fail::fail_point!($name, |_| $crate::crash_point::end_at_once())
    };
}

/// Names a step that a test may make slow: `NAME=return(8000)` waits 8 s, `NAME=return(0-5)` up to 5 ms, by chance. Unlike
/// `sleep`, it holds up nobody else on the thread.
#[macro_export]
macro_rules! delay_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::crash_point::delay($name).await
    };
}

/// Names a step of the store whose answer a test may lose, as when the connection breaks after the commit: `NAME=return`.
#[macro_export]
macro_rules! lost_answer_point {
    ($name:literal) => {
        ::fail::fail_point!($name, |_| Err(::sqlx::Error::from(::std::io::Error::from(
            ::std::io::ErrorKind::ConnectionReset
        ))
        .into()))
    };
}

/// Waits for as long as the step is armed with.
#[cfg(feature = "failpoints")]
pub async fn delay(name: &'static str) {
    let Some(told) = fail::eval(name, |told| told.unwrap_or_default()) else { return };
    let (least, most) = told.split_once('-').unwrap_or((&told, &told));
    match (least.parse::<u64>(), most.parse::<u64>()) {
        (Ok(least), Ok(most)) if least <= most => {
            let wait = rand::random_range(least * 1000..=most * 1000);
            tokio::time::sleep(std::time::Duration::from_micros(wait)).await;
        }
        _ => tracing::error!(name, told, "a delay is milliseconds, as 8000 or 0-5"),
    }
}

/// Reads `FAILPOINTS`; holds for as long as the value lives.
#[cfg(feature = "failpoints")]
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// No destructor runs, no buffer is written, no connection is closed: SIGKILL.
#[cfg(feature = "failpoints")]
pub fn end_at_once<T>() -> T {
    use nix::sys::signal::{Signal, raise};
    // Should the signal not be taken, the process stands still here, and the test says so.
    let _ = raise(Signal::SIGKILL);
    loop {
        std::thread::park();
    }
}
