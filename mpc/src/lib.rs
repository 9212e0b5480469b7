//! Threshold ECDSA for Countersign: a thin binding over `dkls23`, with no cryptography of our own.
//!
//! What is bound, and nothing else: distributed key generation, signing, refresh, and keeping a share. Nothing here
//! can put a key together, deal one out, or run a step of a session twice. **The library behind it has had no
//! third-party audit.**
#![forbid(unsafe_code)]

mod codec;
mod context;
mod dkg;
mod driver;
mod error;
mod generation;
mod guard;
mod input;
mod python;
mod refresh;
mod share;
mod sign;
mod transcript;
mod wire;

use std::alloc::System;

use pyo3::prelude::*;
use zeroizing_alloc::ZeroAlloc;

/// Whatever is freed is overwritten first: the library wipes its long-lived states, but not each vector in between.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Threshold ECDSA on secp256k1 (DKLs23): key generation, signing and refresh as state machines over bytes.
#[pymodule]
fn countersign_mpc(module: &Bound<'_, PyModule>) -> PyResult<()> {
    guard::keep_panics_quiet();
    error::register(module)?;
    module.add_class::<python::Share>()?;
    module.add_class::<python::DkgSession>()?;
    module.add_class::<python::SignSession>()?;
    module.add_class::<python::RefreshSession>()?;
    module.add("MAX_MESSAGE", wire::MAX_MESSAGE)?;
    module.add("MAX_PARTIES", context::MAX_PARTIES)?;
    Ok(())
}
