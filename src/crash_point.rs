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
