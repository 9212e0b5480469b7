//! The classes that Python sees. They hold no logic; while the library computes, Python's lock is free.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::dkg::{dkg, Fresh};
use crate::driver::{Driver, Machine};
use crate::error::Fault;
use crate::generation::Generation;
use crate::guard::guarded;
use crate::input;
use crate::refresh::{refresh, Renewal};
use crate::share::ShareData;
use crate::sign::Sign;
use crate::wire::Outgoing;

type Messages<'py> = Vec<(Option<u8>, Bound<'py, PyBytes>)>;

fn outgoing<'py>(py: Python<'py>, messages: &[Outgoing]) -> Messages<'py> {
    messages.iter().map(|message| (message.to, PyBytes::new(py, &message.bytes))).collect()
}

fn start<'py, M: Machine>(py: Python<'py>, driver: &Driver<M>) -> PyResult<Messages<'py>> {
    Ok(outgoing(py, &py.detach(|| guarded(|| driver.start()))?))
}

fn advance<'py, M: Machine>(driver: &Driver<M>, messages: &Bound<'py, PyAny>) -> PyResult<Messages<'py>> {
    let py = messages.py();
    let read = input::messages(messages);
    Ok(outgoing(py, &py.detach(|| guarded(|| driver.advance(read)))?))
}

/// One party's share of a key.
#[pyclass(frozen, module = "countersign_mpc")]
pub(crate) struct Share(Mutex<Option<Arc<ShareData>>>);

impl Share {
    fn of(data: Arc<ShareData>) -> Self {
        Self(Mutex::new(Some(data)))
    }

    fn get(&self) -> Result<Arc<ShareData>, Fault> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| Fault::Share("the share was wiped".into()))
    }
}

#[pymethods]
impl Share {
    /// Read a share and check all of it.
    ///
    /// Args:
    ///     blob: What `serialise` wrote.
    ///
    /// Raises:
    ///     ShareError: It is damaged, of another version, or contradicts itself.
    #[staticmethod]
    fn load(py: Python<'_>, blob: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = input::blob(blob)?;
        Ok(Self::of(py.detach(|| guarded(|| ShareData::decode(&bytes).map(Arc::new)))?))
    }

    /// Write it, in clear.
    ///
    /// Returns:
    ///     A `bytearray`, so that the caller can overwrite it once it is encrypted.
    ///
    /// Raises:
    ///     ShareError: The share was wiped.
    fn serialise<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let data = self.get()?;
        let bytes = py.detach(|| guarded(|| data.encode()))?;
        Ok(PyByteArray::new(py, &bytes))
    }

    /// Forget it. Sessions that run keep it until they end.
    fn wipe(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// This party's index, from 1.
    #[getter]
    fn index(&self) -> PyResult<u8> {
        Ok(self.get()?.index().as_u8())
    }

    /// How many sign.
    #[getter]
    fn threshold(&self) -> PyResult<u8> {
        Ok(self.get()?.threshold())
    }

    /// How many there are.
    #[getter]
    fn parties(&self) -> PyResult<u8> {
        Ok(self.get()?.parties())
    }

    /// How often the shares were refreshed.
    #[getter]
    fn epoch(&self) -> PyResult<u32> {
        Ok(self.get()?.epoch())
    }

    /// What only shares of the same generation or refresh have in common: 32 bytes.
    #[getter]
    fn session<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.get()?.session()))
    }

    /// The group's key, uncompressed (SEC 1): 65 bytes.
    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.get()?.public_key()))
    }

    /// The key's Ethereum address (EIP-55).
    #[getter]
    fn address(&self) -> PyResult<String> {
        Ok(self.get()?.address().to_owned())
    }

    fn __repr__(&self) -> String {
        match self.get() {
            Ok(data) => format!(
                "<Share {} of {}-of-{} {}, epoch {}>",
                data.index(),
                data.threshold(),
                data.parties(),
                data.address(),
                data.epoch()
            ),
            Err(_) => "<Share, wiped>".to_owned(),
        }
    }
}

/// One party's part in making a new key: four rounds, everybody takes part.
///
/// Args:
///     index: This party's, from 1 to `parties`.
///     threshold: How many will sign, at least 2.
///     parties: How many there are, at most `MAX_PARTIES`.
///     session: 32 bytes that name this session and no other, agreed by all.
///
/// Raises:
///     ParameterError: One of these is out of bounds.
#[pyclass(frozen, module = "countersign_mpc")]
pub(crate) struct DkgSession(Driver<Generation<Fresh>>);

#[pymethods]
impl DkgSession {
    #[new]
    #[pyo3(signature = (*, index, threshold, parties, session))]
    fn new(
        index: &Bound<'_, PyAny>,
        threshold: &Bound<'_, PyAny>,
        parties: &Bound<'_, PyAny>,
        session: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let threshold = input::number(threshold, "the threshold")?;
        let parties = input::number(parties, "the number of parties")?;
        let machine = dkg(input::index(index)?, threshold, parties, input::word(session, "the session")?)?;
        Ok(Self(Driver::new(machine)))
    }

    /// Return the first messages.
    ///
    /// Returns:
    ///     Pairs of receiver (`None`: the same bytes to all others) and bytes.
    ///
    /// Raises:
    ///     SessionError: It was started before.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Messages<'py>> {
        start(py, &self.0)
    }

    /// Take all messages of one round, return those of the next.
    ///
    /// Args:
    ///     messages: Pairs of sender and bytes, in any order: all that each other party sent to us or to all.
    ///
    /// Returns:
    ///     Pairs of receiver and bytes; empty after the last round.
    ///
    /// Raises:
    ///     MessageError: Something is no message of this round, or one is missing. The session is over.
    ///     AbortError: The protocol refused. The session is over.
    ///     SessionError: The session was not started, or is over.
    ///     InternalError: The library broke down. The session is over.
    fn advance<'py>(&self, messages: &Bound<'py, PyAny>) -> PyResult<Messages<'py>> {
        advance(&self.0, messages)
    }

    /// Whether a result waits.
    #[getter]
    fn done(&self) -> bool {
        self.0.done()
    }

    /// Hand over the share, once.
    ///
    /// Raises:
    ///     SessionError: The session is not finished, or has handed it over.
    fn result(&self) -> PyResult<Share> {
        Ok(Share::of(self.0.result()?))
    }
}

/// One party's part in renewing all shares of a key, which stays: four rounds, everybody takes part.
///
/// Args:
///     share: This party's present share.
///     session: 32 bytes that name this session and no other, agreed by all.
///
/// Raises:
///     ParameterError: The session's name is not acceptable.
///     ShareError: The share was wiped.
#[pyclass(frozen, module = "countersign_mpc")]
pub(crate) struct RefreshSession(Driver<Generation<Renewal>>);

#[pymethods]
impl RefreshSession {
    #[new]
    #[pyo3(signature = (share, *, session))]
    fn new(share: &Share, session: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Driver::new(refresh(share.get()?, input::word(session, "the session")?)?)))
    }

    /// Return the first messages.
    ///
    /// Returns:
    ///     Pairs of receiver (`None`: the same bytes to all others) and bytes.
    ///
    /// Raises:
    ///     SessionError: It was started before.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Messages<'py>> {
        start(py, &self.0)
    }

    /// Take all messages of one round, return those of the next.
    ///
    /// Args:
    ///     messages: Pairs of sender and bytes, in any order: all that each other party sent to us or to all.
    ///
    /// Returns:
    ///     Pairs of receiver and bytes; empty after the last round.
    ///
    /// Raises:
    ///     MessageError: Something is no message of this round, or one is missing. The session is over.
    ///     AbortError: The protocol refused. The session is over.
    ///     SessionError: The session was not started, or is over.
    ///     InternalError: The library broke down. The session is over.
    fn advance<'py>(&self, messages: &Bound<'py, PyAny>) -> PyResult<Messages<'py>> {
        advance(&self.0, messages)
    }

    /// Whether a result waits.
    #[getter]
    fn done(&self) -> bool {
        self.0.done()
    }

    /// Hand over the new share, once. The old one still signs with other old ones until all are wiped.
    ///
    /// Raises:
    ///     SessionError: The session is not finished, or has handed it over.
    fn result(&self) -> PyResult<Share> {
        Ok(Share::of(self.0.result()?))
    }
}

/// One party's part in one signature: three rounds, exactly `threshold` parties.
///
/// Args:
///     share: This party's share.
///     session: 32 bytes that name this attempt and no other, agreed by all who sign.
///     counterparties: The indices of the others, one fewer than the threshold.
///     message_hash: The 32 bytes to sign.
///
/// Raises:
///     ParameterError: One of these is not acceptable.
///     ShareError: The share was wiped.
#[pyclass(frozen, module = "countersign_mpc")]
pub(crate) struct SignSession(Driver<Sign>);

#[pymethods]
impl SignSession {
    #[new]
    #[pyo3(signature = (share, *, session, counterparties, message_hash))]
    fn new(
        share: &Share,
        session: &Bound<'_, PyAny>,
        counterparties: &Bound<'_, PyAny>,
        message_hash: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let machine = Sign::new(
            share.get()?,
            input::word(session, "the session")?,
            input::indices(counterparties)?,
            input::word(message_hash, "the message hash")?,
        )?;
        Ok(Self(Driver::new(machine)))
    }

    /// Return the first messages.
    ///
    /// Returns:
    ///     Pairs of receiver (`None`: the same bytes to all others) and bytes.
    ///
    /// Raises:
    ///     SessionError: It was started before.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Messages<'py>> {
        start(py, &self.0)
    }

    /// Take all messages of one round, return those of the next.
    ///
    /// Args:
    ///     messages: Pairs of sender and bytes, in any order: all that each other party sent to us or to all.
    ///
    /// Returns:
    ///     Pairs of receiver and bytes; empty after the last round.
    ///
    /// Raises:
    ///     MessageError: Something is no message of this round, or one is missing. The session is over.
    ///     AbortError: The protocol refused. The session is over.
    ///     SessionError: The session was not started, or is over.
    ///     InternalError: The library broke down. The session is over.
    fn advance<'py>(&self, messages: &Bound<'py, PyAny>) -> PyResult<Messages<'py>> {
        advance(&self.0, messages)
    }

    /// Whether a result waits.
    #[getter]
    fn done(&self) -> bool {
        self.0.done()
    }

    /// Hand over the signature, once: r, s (low) and recovery id (0 or 1), 65 bytes, checked against the group's key.
    ///
    /// Raises:
    ///     SessionError: The session is not finished, or has handed it over.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.result()?))
    }
}
