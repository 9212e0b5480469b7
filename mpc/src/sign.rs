//! Signing: t parties, three rounds, one signature or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use dkls23_core::protocols::signing::{
    Broadcast3to4, KeepPhase1to2, KeepPhase2to3, SignData, TransmitPhase1to2, TransmitPhase2to3, UniqueKeep1to2,
    UniqueKeep2to3,
};
use dkls23_core::protocols::{PartiesMessage, PartyIndex};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use k256::Secp256k1;

use crate::context::{party, Context, Protocol, SESSION_LENGTH};
use crate::driver::{Machine, Step};
use crate::error::Fault;
use crate::share::ShareData;
use crate::transcript::Transcript;
use crate::wire::{send, Inbox, Incoming, Kinds, Outgoing};

/// r, s and recovery id.
pub(crate) const SIGNATURE_LENGTH: usize = 65;

/// What the library hands from phase to phase. Each is consumed by the next and never written down.
enum Stage {
    Fresh,
    Masked(UniqueKeep1to2<Secp256k1>, BTreeMap<PartyIndex, KeepPhase1to2<Secp256k1>>),
    Multiplied(UniqueKeep2to3<Secp256k1>, BTreeMap<PartyIndex, KeepPhase2to3<Secp256k1>>),
    Combining(String, Broadcast3to4<Secp256k1>),
}

struct Ground {
    context: Context,
    share: Arc<ShareData>,
    data: SignData,
}

/// One party's part in one signature.
pub(crate) struct Sign {
    ground: Ground,
    stage: Stage,
}

impl Sign {
    /// Ready to start. `session` names this attempt and no other; the caller keeps what was used.
    pub(crate) fn new(
        share: Arc<ShareData>,
        session: [u8; SESSION_LENGTH],
        mut counterparties: Vec<u8>,
        message_hash: [u8; 32],
    ) -> Result<Self, Fault> {
        let refuse = |what: String| Err(Fault::Parameter(what));
        counterparties.sort_unstable();
        if counterparties.iter().zip(counterparties.iter().skip(1)).any(|(one, next)| one == next) {
            return refuse("a counterparty is named twice".into());
        }
        if counterparties.contains(&share.index().as_u8()) {
            return refuse("a party is no counterparty of itself".into());
        }
        if counterparties.iter().any(|&index| index == 0 || index > share.parties()) {
            return refuse("a counterparty is none of the parties".into());
        }
        if counterparties.len() + 1 != usize::from(share.threshold()) {
            return refuse(format!("a signature takes exactly {} counterparties", share.threshold() - 1));
        }
        let peers: Vec<PartyIndex> = counterparties.into_iter().map(party).collect::<Result<_, _>>()?;
        let data = SignData { sign_id: session.to_vec(), counterparties: peers.clone(), message_hash };
        let context = Context { protocol: Protocol::Sign, session, own: share.index(), peers };
        Ok(Self { ground: Ground { context, share, data }, stage: Stage::Fresh })
    }
}

impl Machine for Sign {
    type Output = [u8; SIGNATURE_LENGTH];

    fn start(self) -> Result<Step<Self>, Fault> {
        let ground = self.ground;
        let (unique, kept, messages) = ground.share.party().sign_phase1(&ground.data)?;
        let out = messages.iter().map(|message| ground.send(1, Some(message.parties.receiver), message));
        let out = out.collect::<Result<_, _>>()?;
        Ok(ground.next(Stage::Masked(unique, kept), out))
    }

    fn advance(self, messages: Vec<Incoming>) -> Result<Step<Self>, Fault> {
        match self.stage {
            Stage::Masked(unique, kept) => self.ground.multiply(unique, kept, messages),
            Stage::Multiplied(unique, kept) => self.ground.open(unique, kept, messages),
            Stage::Combining(r, own) => self.ground.combine(&r, own, messages).map(Step::Done),
            Stage::Fresh => Err(Fault::Internal),
        }
    }
}

impl Ground {
    fn multiply(
        self,
        unique: UniqueKeep1to2<Secp256k1>,
        kept: BTreeMap<PartyIndex, KeepPhase1to2<Secp256k1>>,
        messages: Vec<Incoming>,
    ) -> Result<Step<Sign>, Fault> {
        let inbox = self.collect(1, Kinds::Direct, messages)?;
        let mut received = Vec::new();
        for (from, message) in inbox.directs::<TransmitPhase1to2>()? {
            self.addressed(from, &message.parties)?;
            received.push(message);
        }
        let (unique, kept, messages) = self.share.party().sign_phase2(&self.data, unique, kept, &received)?;
        let out = messages.iter().map(|message| self.send(2, Some(message.parties.receiver), message));
        let out = out.collect::<Result<_, _>>()?;
        Ok(self.next(Stage::Multiplied(unique, kept), out))
    }

    fn open(
        self,
        unique: UniqueKeep2to3<Secp256k1>,
        kept: BTreeMap<PartyIndex, KeepPhase2to3<Secp256k1>>,
        messages: Vec<Incoming>,
    ) -> Result<Step<Sign>, Fault> {
        let inbox = self.collect(2, Kinds::Direct, messages)?;
        let mut received = Vec::new();
        for (from, message) in inbox.directs::<TransmitPhase2to3<Secp256k1>>()? {
            self.addressed(from, &message.parties)?;
            received.push(message);
        }
        let (r, own) = self.share.party().sign_phase3(&self.data, unique, kept, &received)?;
        let out = vec![self.send(3, None, &own)?];
        Ok(self.next(Stage::Combining(r, own), out))
    }

    fn combine(
        &self,
        r: &str,
        own: Broadcast3to4<Secp256k1>,
        messages: Vec<Incoming>,
    ) -> Result<[u8; SIGNATURE_LENGTH], Fault> {
        let inbox = self.collect(3, Kinds::Broadcast, messages)?;
        let mut parts = vec![own];
        parts.extend(inbox.broadcasts::<Broadcast3to4<Secp256k1>>()?.into_values());
        // `true`: the low s, as EIP-2 asks.
        let (s, recovery_id) = self.share.party().sign_phase4(&self.data, r, &parts, true)?;
        self.checked(r, &s, recovery_id)
            .ok_or_else(|| Fault::abort("signature", "what came out is no signature of this key over this hash"))
    }

    /// Check what came out with another implementation than the one that made it: range, low s, key, recovery id.
    fn checked(&self, r: &str, s: &str, recovery_id: u8) -> Option<[u8; SIGNATURE_LENGTH]> {
        let signature: Signature = format!("{r}{s}").parse().ok()?;
        let key = VerifyingKey::from_affine(self.share.party().pk).ok()?;
        let hash = &self.data.message_hash;
        key.verify_prehash(hash, &signature).ok()?;
        // Ids 2 and 3 (r beyond the curve's order) have no place in an Ethereum signature. Nobody will ever see one.
        let id = RecoveryId::from_byte(recovery_id).filter(|id| !id.is_x_reduced())?;
        let recovered = VerifyingKey::recover_from_prehash(hash, &signature, id).ok()?;
        if recovered != key || signature.normalize_s() != signature {
            return None;
        }
        let mut bytes = [0; SIGNATURE_LENGTH];
        let (last, rest) = bytes.split_last_mut()?;
        rest.copy_from_slice(&signature.to_bytes());
        *last = recovery_id;
        Some(bytes)
    }

    fn collect(&self, round: u8, kinds: Kinds, messages: Vec<Incoming>) -> Result<Inbox, Fault> {
        Inbox::collect(&self.context, &mut Transcript::default(), round, kinds, messages)
    }

    fn send<T: serde::Serialize>(&self, round: u8, to: Option<PartyIndex>, value: &T) -> Result<Outgoing, Fault> {
        send(&self.context, &mut Transcript::default(), round, to, value)
    }

    fn addressed(&self, from: PartyIndex, parties: &PartiesMessage) -> Result<(), Fault> {
        if parties.sender == from && parties.receiver == self.context.own {
            return Ok(());
        }
        Err(Fault::message(from.as_u8(), "the message's content names other parties than its header"))
    }

    fn next(self, stage: Stage, messages: Vec<Outgoing>) -> Step<Sign> {
        Step::Send(Sign { ground: self, stage }, messages)
    }
}
