//! Arguments from Python, read by hand: whatever comes, the answer is one of our errors.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyInt, PyTuple};
use zeroize::Zeroizing;

use crate::context::{party, MAX_PARTIES};
use crate::error::Fault;
use crate::share::MAX_SHARE;
use crate::wire::{Incoming, MAX_MESSAGE};

/// A round has at most two messages of each of the others; more are not even read.
const MAX_MESSAGES: usize = 2 * MAX_PARTIES as usize;

/// A whole number of one byte. `True` is none.
pub(crate) fn small(value: &Bound<'_, PyAny>) -> Option<u8> {
    if value.is_instance_of::<PyBool>() || !value.is_instance_of::<PyInt>() {
        return None;
    }
    value.extract().ok()
}

/// An argument that has to be a small number.
pub(crate) fn number(value: &Bound<'_, PyAny>, name: &str) -> Result<u8, Fault> {
    small(value).ok_or_else(|| Fault::Parameter(format!("{name} is not a number from 0 to 255")))
}

/// A party's index.
pub(crate) fn index(value: &Bound<'_, PyAny>) -> Result<dkls23_core::protocols::PartyIndex, Fault> {
    party(number(value, "a party's index")?)
}

/// The indices of others.
pub(crate) fn indices(value: &Bound<'_, PyAny>) -> Result<Vec<u8>, Fault> {
    let wrong = || Fault::Parameter("counterparties are a sequence of indices".into());
    let mut found = Vec::new();
    for item in value.try_iter().map_err(|_| wrong())? {
        found.push(number(&item.map_err(|_| wrong())?, "a counterparty")?);
        if found.len() > usize::from(MAX_PARTIES) {
            return Err(Fault::Parameter("too many counterparties".into()));
        }
    }
    Ok(found)
}

/// An argument of exactly 32 bytes.
pub(crate) fn word(value: &Bound<'_, PyAny>, name: &str) -> Result<[u8; 32], Fault> {
    let bytes = value.cast::<PyBytes>().ok().and_then(|bytes| bytes.as_bytes().try_into().ok());
    bytes.ok_or_else(|| Fault::Parameter(format!("{name} is not 32 bytes")))
}

/// The bytes of a share, as `bytes` or as a `bytearray`, which its owner can overwrite.
pub(crate) fn blob(value: &Bound<'_, PyAny>) -> Result<Zeroizing<Vec<u8>>, Fault> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        if bytes.as_bytes().len() <= MAX_SHARE {
            return Ok(Zeroizing::new(bytes.as_bytes().to_vec()));
        }
    } else if let Ok(bytes) = value.cast::<PyByteArray>() {
        if bytes.len() <= MAX_SHARE {
            return Ok(Zeroizing::new(bytes.to_vec()));
        }
    }
    Err(Fault::Share("a share is bytes, and not longer than 2 MiB".into()))
}

/// The messages of one round: pairs of sender and bytes.
pub(crate) fn messages(value: &Bound<'_, PyAny>) -> Result<Vec<Incoming>, Fault> {
    let wrong = |what: &str| Fault::Message { sender: None, what: what.into() };
    let mut found = Vec::new();
    for item in value.try_iter().map_err(|_| wrong("messages are a sequence of (sender, bytes)"))? {
        let item = item.map_err(|_| wrong("messages are a sequence of (sender, bytes)"))?;
        let pair = item.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
        let pair = pair.ok_or_else(|| wrong("a message is a pair of sender and bytes"))?;
        let sender = pair.get_item(0).ok().and_then(|sender| small(&sender));
        let from = sender.ok_or_else(|| wrong("a sender is a number from 0 to 255"))?;
        let bytes = pair.get_item(1).map_err(|_| Fault::message(from, "a message is bytes"))?;
        let bytes = bytes.cast::<PyBytes>().map_err(|_| Fault::message(from, "a message is bytes"))?.as_bytes();
        if bytes.len() > MAX_MESSAGE {
            return Err(Fault::message(from, "the message is longer than 1 MiB"));
        }
        if found.len() == MAX_MESSAGES {
            return Err(Fault::message(from, "these are more messages than a round has"));
        }
        found.push(Incoming { from, bytes: Zeroizing::new(bytes.to_vec()) });
    }
    Ok(found)
}
