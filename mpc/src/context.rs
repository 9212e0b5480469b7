//! Who takes part in a session, and which one it is.

use dkls23_core::protocols::PartyIndex;

use crate::error::Fault;

/// More parties than anybody has failure domains for; it bounds the size of shares and messages.
pub(crate) const MAX_PARTIES: u8 = 16;

/// The length of a session's name.
pub(crate) const SESSION_LENGTH: usize = 32;

/// What the session is for. The numbers are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Protocol {
    /// Distributed key generation.
    Dkg = 1,
    /// Signing.
    Sign = 2,
    /// Complete refresh.
    Refresh = 3,
}

/// The fixed facts of a session, from one party's side.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) protocol: Protocol,
    pub(crate) session: [u8; SESSION_LENGTH],
    pub(crate) own: PartyIndex,
    /// The others, ascending.
    pub(crate) peers: Vec<PartyIndex>,
}

impl Context {
    /// Everybody of 1..=`parties` takes part.
    pub(crate) fn whole(
        protocol: Protocol,
        session: [u8; SESSION_LENGTH],
        own: PartyIndex,
        parties: u8,
    ) -> Result<Self, Fault> {
        let peers = (1..=parties).filter(|&index| index != own.as_u8()).map(party).collect::<Result<_, _>>()?;
        Ok(Self { protocol, session, own, peers })
    }
}

/// The library's type for an index.
pub(crate) fn party(index: u8) -> Result<PartyIndex, Fault> {
    PartyIndex::new(index).map_err(|_| Fault::Parameter("a party's index starts at 1".into()))
}
