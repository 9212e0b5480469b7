//! What a party saw of a session, as hashes, so that two parties can tell whether they saw the same.
//!
//! Some values of key generation are bound by nothing until somebody signs (the nonce of a multiplication's public
//! gadget), and a broadcast may have been told to each differently. So generation ends with a round in which each
//! pair compares all broadcasts and all that went between the two.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::context::Context;

const TAG: &[u8] = b"countersign/mpc/transcript/1";

/// Hashes of whole messages, by round, sender and receiver (0: everybody).
#[derive(Default)]
pub(crate) struct Transcript(BTreeMap<(u8, u8, u8), [u8; 32]>);

impl Transcript {
    /// Remember a message that was sent or came.
    pub(crate) fn note(&mut self, round: u8, from: u8, to: u8, bytes: &[u8]) {
        self.0.insert((round, from, to), Sha256::digest(bytes).into());
    }

    /// What both of a pair should have seen: the same value on both sides, or they saw different things.
    pub(crate) fn of_pair(&self, context: &Context, peer: u8) -> [u8; 32] {
        let own = context.own.as_u8();
        let mut hash = Sha256::new();
        hash.update(TAG);
        hash.update([context.protocol as u8, own.min(peer), own.max(peer)]);
        hash.update(context.session);
        for (&(round, from, to), digest) in &self.0 {
            if to == 0 || (from == own && to == peer) || (from == peer && to == own) {
                hash.update([round, from, to]);
                hash.update(digest);
            }
        }
        hash.finalize().into()
    }
}
