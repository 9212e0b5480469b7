//! What can go wrong, in words that Python can act on.

use dkls23_core::protocols::{Abort, AbortKind, AbortReason, PartyIndex};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(countersign_mpc, MpcError, PyException, "Base of every error of this module.");
create_exception!(countersign_mpc, ParameterError, MpcError, "An argument of a session is not acceptable.");
create_exception!(countersign_mpc, SessionError, MpcError, "The session is not at this step, is over, or is in use.");
create_exception!(countersign_mpc, MessageError, MpcError, "A message is not acceptable; `sender` is who sent it.");
create_exception!(
    countersign_mpc,
    AbortError,
    MpcError,
    "The protocol refused: `reason`, `culprits` as far as it can name them, and whether to `ban` them."
);
create_exception!(countersign_mpc, ShareError, MpcError, "A share, or the bytes of one, is not acceptable.");
create_exception!(countersign_mpc, InternalError, MpcError, "The library broke down. Nothing was signed.");

/// A refusal, before Python hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The caller's mistake, at the start of a session.
    Parameter(String),
    /// The wrong moment.
    Session(&'static str),
    /// Bytes of a peer that are not a message of this round.
    Message { sender: Option<u8>, what: String },
    /// The protocol's own refusal.
    Abort { reason: &'static str, culprits: Vec<u8>, ban: bool, what: String },
    /// A share that is none.
    Share(String),
    /// A panic.
    Internal,
}

impl Fault {
    /// A message that is no message of this round.
    pub(crate) fn message(sender: u8, what: impl Into<String>) -> Self {
        Self::Message { sender: Some(sender), what: what.into() }
    }

    /// A refusal of ours, which names nobody.
    pub(crate) fn abort(reason: &'static str, what: impl Into<String>) -> Self {
        Self::Abort { reason, culprits: Vec::new(), ban: false, what: what.into() }
    }
}

impl From<Abort> for Fault {
    fn from(abort: Abort) -> Self {
        let (reason, blamed) = name(&abort.reason);
        let mut culprits: Vec<u8> = blamed.filter(|&index| index != abort.index).map(u8::from).into_iter().collect();
        let ban = match abort.kind {
            AbortKind::Recoverable => false,
            AbortKind::BanCounterparty(index) => {
                culprits = vec![index.as_u8()];
                true
            }
        };
        Self::Abort { reason, culprits, ban, what: abort.description() }
    }
}

/// The reason's stable name, and whom it blames. A fault in our own state blames nobody.
fn name(reason: &AbortReason) -> (&'static str, Option<PartyIndex>) {
    match *reason {
        AbortReason::ProofVerificationFailed { counterparty } => ("proof", Some(counterparty)),
        AbortReason::CommitmentMismatch { counterparty } | AbortReason::ZeroShareDecommitFailed { counterparty } => {
            ("commitment", Some(counterparty))
        }
        AbortReason::ChainCodeCommitmentFailed { party } => ("commitment", Some(party)),
        AbortReason::TrivialInstancePoint { counterparty } => ("trivial-point", Some(counterparty)),
        AbortReason::OtConsistencyCheckFailed { counterparty } => ("transfer", Some(counterparty)),
        AbortReason::MultiplicationVerificationFailed { counterparty, .. }
        | AbortReason::GammaUInconsistency { counterparty } => ("multiplication", Some(counterparty)),
        AbortReason::SessionBindingMismatch { counterparty } => ("session-mismatch", Some(counterparty)),
        AbortReason::PolynomialInconsistency => ("polynomial", None),
        AbortReason::TrivialPublicKey | AbortReason::TrivialKeyShare => ("trivial-key", None),
        AbortReason::SignatureVerificationFailed | AbortReason::ZeroDenominator => ("signature", None),
        AbortReason::InvalidLocalState { .. } | AbortReason::MissingMulState { .. } => ("local-state", None),
        _ => ("protocol", None),
    }
}

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Parameter(what) => ParameterError::new_err(what),
            Fault::Session(what) => SessionError::new_err(what),
            Fault::Share(what) => ShareError::new_err(what),
            Fault::Internal => InternalError::new_err("the threshold library broke down"),
            Fault::Message { sender, what } => {
                with_facts(MessageError::new_err(what), |error| error.setattr("sender", sender))
            }
            Fault::Abort { reason, culprits, ban, what } => with_facts(AbortError::new_err(what), |error| {
                error.setattr("reason", reason)?;
                error.setattr("culprits", pyo3::types::PyTuple::new(error.py(), culprits)?)?;
                error.setattr("ban", ban)
            }),
        }
    }
}

fn with_facts(error: PyErr, set: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) -> PyErr {
    Python::attach(|py| match set(error.value(py).as_any()) {
        Ok(()) => error,
        Err(failed) => failed,
    })
}

/// Add the exceptions, with what they carry when nobody set it.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("MpcError", py.get_type::<MpcError>())?;
    module.add("ParameterError", py.get_type::<ParameterError>())?;
    module.add("SessionError", py.get_type::<SessionError>())?;
    module.add("ShareError", py.get_type::<ShareError>())?;
    module.add("InternalError", py.get_type::<InternalError>())?;
    let message = py.get_type::<MessageError>();
    message.setattr("sender", py.None())?;
    module.add("MessageError", message)?;
    let abort = py.get_type::<AbortError>();
    abort.setattr("reason", "protocol")?;
    abort.setattr("culprits", pyo3::types::PyTuple::empty(py))?;
    abort.setattr("ban", false)?;
    module.add("AbortError", abort)
}
