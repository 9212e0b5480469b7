//! Around each piece of work: panics of the library become errors, and its stack is overwritten.

use std::hint::black_box;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};

use crate::error::Fault;

/// More stack than the library's calls take, in bytes; a thread has megabytes.
const STACK: usize = 1 << 17;

/// Run `work`; if it panics, the answer is an error. What it returns should be on the heap: it is moved through here.
///
/// Unwind safety: what `work` consumes is dropped with it, and nobody sees a half-changed state.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let outcome = below(work);
    scrub();
    outcome
}

#[inline(never)]
fn below<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Internal))
}

/// Overwrite where the work before had its frames. Rust moves values by copying them and leaves the copies behind.
#[inline(never)]
#[allow(clippy::large_stack_arrays)] // Being large is its purpose.
fn scrub() {
    let mut wall = [0_u8; STACK];
    black_box(&mut wall);
}

/// The default hook writes the panic's message to standard error, and nobody has read what it may quote.
pub(crate) fn keep_panics_quiet() {
    set_hook(Box::new(|_| {}));
}
