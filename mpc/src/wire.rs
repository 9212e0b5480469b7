//! Messages: a header that says which session, round, sender and receiver they belong to, then one value.
//!
//! The header authenticates nothing: envelopes around it do. It keeps an honest mix-up (a late message, another
//! session, a wrong receiver) from reaching the protocol, where it would look like cheating.

use std::collections::BTreeMap;

use dkls23_core::protocols::PartyIndex;
use serde::{de::DeserializeOwned, Serialize};
use zeroize::Zeroizing;

use crate::codec;
use crate::context::{Context, SESSION_LENGTH};
use crate::error::Fault;
use crate::transcript::Transcript;

/// Longer messages are refused unread, in bytes.
pub(crate) const MAX_MESSAGE: usize = 1 << 20;

const MAGIC: [u8; 3] = *b"CSM";
const VERSION: u8 = 1;
const HEADER_LENGTH: usize = 8 + SESSION_LENGTH;
/// The receiver of a message that is the same for all.
const EVERYBODY: u8 = 0;

/// One message to send: to one party, or the same to every other.
pub(crate) struct Outgoing {
    pub(crate) to: Option<u8>,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// One message that came, and who is said to have sent it.
pub(crate) struct Incoming {
    pub(crate) from: u8,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// What a round consists of, from each of the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Broadcast,
    Direct,
    Both,
}

/// A round's messages, complete and each for us; their values are not yet read.
pub(crate) struct Inbox {
    broadcast: BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>,
    direct: BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>,
}

fn header(context: &Context, round: u8, from: u8, to: u8) -> Vec<u8> {
    let [a, b, c] = MAGIC;
    let mut bytes = vec![a, b, c, VERSION, context.protocol as u8, round, from, to];
    bytes.extend_from_slice(&context.session);
    bytes
}

/// Write a message of ours and note it in the transcript.
pub(crate) fn send<T: Serialize>(
    context: &Context,
    transcript: &mut Transcript,
    round: u8,
    to: Option<PartyIndex>,
    value: &T,
) -> Result<Outgoing, Fault> {
    let to = to.map(u8::from);
    let own = context.own.as_u8();
    let start = header(context, round, own, to.unwrap_or(EVERYBODY));
    let bytes = codec::encode(&start, value).map_err(|_| Fault::Internal)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(Fault::Internal);
    }
    transcript.note(round, own, to.unwrap_or(EVERYBODY), &bytes);
    Ok(Outgoing { to, bytes })
}

impl Inbox {
    /// Sort a round's messages: exactly one of each kind from each of the others, and nothing else.
    pub(crate) fn collect(
        context: &Context,
        transcript: &mut Transcript,
        round: u8,
        kinds: Kinds,
        messages: Vec<Incoming>,
    ) -> Result<Self, Fault> {
        let mut inbox = Self { broadcast: BTreeMap::new(), direct: BTreeMap::new() };
        for message in messages {
            inbox.take(context, transcript, round, kinds, message)?;
        }
        for peer in &context.peers {
            let broadcast = kinds == Kinds::Direct || inbox.broadcast.contains_key(peer);
            let direct = kinds == Kinds::Broadcast || inbox.direct.contains_key(peer);
            if !broadcast || !direct {
                return Err(Fault::message(peer.as_u8(), "a message of this party is missing in this round"));
            }
        }
        Ok(inbox)
    }

    fn take(
        &mut self,
        context: &Context,
        transcript: &mut Transcript,
        round: u8,
        kinds: Kinds,
        message: Incoming,
    ) -> Result<(), Fault> {
        let from = message.from;
        let Some(&peer) = context.peers.iter().find(|peer| peer.as_u8() == from) else {
            return Err(Fault::message(from, "this sender has no part in this session"));
        };
        let refuse = |what: &str| Err(Fault::message(from, what));
        if message.bytes.len() > MAX_MESSAGE {
            return refuse("the message is longer than 1 MiB");
        }
        let Some(start) = message.bytes.get(..HEADER_LENGTH) else {
            return refuse("the message is cut off");
        };
        let own = context.own.as_u8();
        let (slot, to) = if start == header(context, round, from, EVERYBODY) && kinds != Kinds::Direct {
            (&mut self.broadcast, EVERYBODY)
        } else if start == header(context, round, from, own) && kinds != Kinds::Broadcast {
            (&mut self.direct, own)
        } else {
            return refuse("the message is not of this session, round, sender and receiver");
        };
        if slot.contains_key(&peer) {
            return refuse("the sender sent this twice");
        }
        transcript.note(round, from, to, &message.bytes);
        slot.insert(peer, message.bytes);
        Ok(())
    }

    /// Read everybody's broadcast.
    pub(crate) fn broadcasts<T: Serialize + DeserializeOwned>(&self) -> Result<BTreeMap<PartyIndex, T>, Fault> {
        read(&self.broadcast)
    }

    /// Read everybody's message to us.
    pub(crate) fn directs<T: Serialize + DeserializeOwned>(&self) -> Result<BTreeMap<PartyIndex, T>, Fault> {
        read(&self.direct)
    }
}

fn read<T: Serialize + DeserializeOwned>(
    messages: &BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>,
) -> Result<BTreeMap<PartyIndex, T>, Fault> {
    let mut values = BTreeMap::new();
    for (&from, bytes) in messages {
        let value = bytes.get(HEADER_LENGTH..).and_then(codec::decode);
        values.insert(from, value.ok_or_else(|| Fault::message(from.as_u8(), "the message does not decode"))?);
    }
    Ok(values)
}
