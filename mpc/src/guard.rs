//! Panics of the library become errors of ours.

use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};

use crate::error::Fault;

/// Run `work`; if it panics, the answer is an error.
///
/// Unwind safety: what `work` touched is owned by it and dropped with it, so nobody sees a half-changed state.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Internal))
}

/// The default hook writes the panic's message to standard error, and nobody has read what it may quote.
pub(crate) fn keep_panics_quiet() {
    set_hook(Box::new(|_| {}));
}
