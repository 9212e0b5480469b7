//! The rounds that key generation and refresh share; `dkg` and `refresh` say what fills them.
//!
//! 1. to each: its point of our polynomial;
//! 2. to all: the commitment to our proof; to each: the commitment to a seed;
//! 3. only when everybody's commitments are here: to all: the proof; to each: the seed, and what sets up the two-party
//!    multiplication;
//! 4. to each: what we saw, compared.
//!
//! The library's `ProofCommitment` holds commitment and proof in one. Sent whole after round 1, it would open every
//! commitment as it is made, and the last to speak could choose the key. So the two travel apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use dkls23_core::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, ProofCommitment, TransmitInitMulPhase3to4,
    TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4,
};
use dkls23_core::protocols::{PartiesMessage, PartyIndex};
use dkls23_core::utilities::proofs::DLogProof;
use k256::{Scalar, Secp256k1};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::context::Context;
use crate::driver::{Machine, Step};
use crate::error::Fault;
use crate::share::ShareData;
use crate::transcript::Transcript;
use crate::wire::{send, Inbox, Incoming, Kinds, Outgoing};

/// By party.
pub(crate) type ByParty<T> = BTreeMap<PartyIndex, T>;

/// What the second phase makes: the proof with its commitment, seed commitments, a chain code's commitment.
pub(crate) type Second =
    (ProofCommitment<Secp256k1>, Vec<TransmitInitZeroSharePhase2to4>, Option<BroadcastDerivationPhase2to4>);

/// What the third phase makes: seeds, setups of the multiplication, the chain code.
pub(crate) type Third = (
    Vec<TransmitInitZeroSharePhase3to4>,
    Vec<TransmitInitMulPhase3to4<Secp256k1>>,
    Option<BroadcastDerivationPhase3to4>,
);

/// All that a party received, for the last phase. Those for all include our own, as the library wants them.
pub(crate) struct Received {
    pub(crate) proofs: Vec<ProofCommitment<Secp256k1>>,
    pub(crate) zero_commitments: Vec<TransmitInitZeroSharePhase2to4>,
    pub(crate) zero_seeds: Vec<TransmitInitZeroSharePhase3to4>,
    pub(crate) setups: Vec<TransmitInitMulPhase3to4<Secp256k1>>,
    pub(crate) chain_commitments: ByParty<BroadcastDerivationPhase2to4>,
    pub(crate) chain_codes: ByParty<BroadcastDerivationPhase3to4>,
}

impl Drop for Received {
    fn drop(&mut self) {
        for message in &mut self.zero_seeds {
            message.seed.zeroize();
            message.salt.zeroize();
        }
    }
}

/// The library's calls, phase by phase.
pub(crate) trait Phases: Send {
    /// Points of a fresh polynomial, by index from 1.
    fn first(&mut self) -> Zeroizing<Vec<Scalar>>;
    /// From all points of ours, our own included.
    fn second(&mut self, points: &[Scalar]) -> Result<Second, Fault>;
    /// After everybody committed.
    fn third(&mut self) -> Result<Third, Fault>;
    /// The new share.
    fn fourth(self, received: &Received) -> Result<ShareData, Fault>;
}

#[derive(Serialize, Deserialize)]
struct Commit {
    commitment: [u8; 32],
    chain_code: Option<BroadcastDerivationPhase2to4>,
}

#[derive(Serialize, Deserialize)]
struct Reveal {
    proof: DLogProof<Secp256k1>,
    chain_code: Option<BroadcastDerivationPhase3to4>,
}

#[derive(Serialize, Deserialize)]
struct Setup {
    seed: TransmitInitZeroSharePhase3to4,
    multiplication: TransmitInitMulPhase3to4<Secp256k1>,
}

enum Stage<P> {
    Fresh(P),
    Points(P, Zeroizing<Vec<Scalar>>),
    Commitments(P, Own),
    Reveals(P, Own, ByParty<Commit>, ByParty<TransmitInitZeroSharePhase2to4>),
    Confirming(Arc<ShareData>),
}

/// What we said to all.
struct Own {
    proof: ProofCommitment<Secp256k1>,
    chain_commitment: Option<BroadcastDerivationPhase2to4>,
    chain_code: Option<BroadcastDerivationPhase3to4>,
}

/// What lasts through all rounds.
struct Ground {
    context: Context,
    transcript: Transcript,
}

/// Key generation or refresh, from one party's side.
pub(crate) struct Generation<P> {
    ground: Ground,
    stage: Stage<P>,
}

impl<P: Phases> Generation<P> {
    /// Ready to start.
    pub(crate) fn new(context: Context, phases: P) -> Self {
        Self { ground: Ground { context, transcript: Transcript::default() }, stage: Stage::Fresh(phases) }
    }
}

impl<P: Phases> Machine for Generation<P> {
    type Output = Arc<ShareData>;

    fn start(self) -> Result<Step<Self>, Fault> {
        match self.stage {
            Stage::Fresh(phases) => self.ground.deal(phases),
            _ => Err(Fault::Internal),
        }
    }

    fn advance(self, messages: Vec<Incoming>) -> Result<Step<Self>, Fault> {
        match self.stage {
            Stage::Points(phases, own) => self.ground.commit(phases, &own, messages),
            Stage::Commitments(phases, own) => self.ground.reveal(phases, own, messages),
            Stage::Reveals(phases, own, commits, seeds) => self.ground.finish(phases, own, commits, seeds, messages),
            Stage::Confirming(share) => self.ground.confirm(share, messages),
            Stage::Fresh(_) => Err(Fault::Internal),
        }
    }
}

impl Ground {
    fn send<T: Serialize>(&mut self, round: u8, to: Option<PartyIndex>, value: &T) -> Result<Outgoing, Fault> {
        send(&self.context, &mut self.transcript, round, to, value)
    }

    fn collect(&mut self, round: u8, kinds: Kinds, messages: Vec<Incoming>) -> Result<Inbox, Fault> {
        Inbox::collect(&self.context, &mut self.transcript, round, kinds, messages)
    }

    fn deal<P: Phases>(mut self, mut phases: P) -> Result<Step<Generation<P>>, Fault> {
        let points = phases.first();
        let mut out = Vec::new();
        for peer in self.context.peers.clone() {
            let point = points.get(usize::from(peer.as_u8()) - 1).ok_or(Fault::Internal)?;
            out.push(self.send(1, Some(peer), point)?);
        }
        Ok(self.next(Stage::Points(phases, points), out))
    }

    fn commit<P: Phases>(
        mut self,
        mut phases: P,
        own: &[Scalar],
        messages: Vec<Incoming>,
    ) -> Result<Step<Generation<P>>, Fault> {
        let mut received = self.collect(1, Kinds::Direct, messages)?.directs::<Scalar>()?;
        let mut points = Zeroizing::new(Vec::with_capacity(received.len() + 1));
        points.extend(own.get(usize::from(self.context.own.as_u8()) - 1));
        points.extend(received.values());
        received.values_mut().for_each(Zeroize::zeroize);
        let (proof, seeds, chain_code) = phases.second(&points)?;
        let commit = Commit { commitment: proof.commitment, chain_code };
        let mut out = vec![self.send(2, None, &commit)?];
        for seed in &seeds {
            out.push(self.send(2, Some(seed.parties.receiver), seed)?);
        }
        let own = Own { proof, chain_commitment: commit.chain_code, chain_code: None };
        Ok(self.next(Stage::Commitments(phases, own), out))
    }

    fn reveal<P: Phases>(
        mut self,
        mut phases: P,
        mut own: Own,
        messages: Vec<Incoming>,
    ) -> Result<Step<Generation<P>>, Fault> {
        let inbox = self.collect(2, Kinds::Both, messages)?;
        let commits = inbox.broadcasts::<Commit>()?;
        for (&from, commit) in &commits {
            let named = commit.chain_code.as_ref().map(|code| code.sender_index);
            belongs(from, named == own.chain_commitment.as_ref().map(|_| from))?;
        }
        let seeds = inbox.directs::<TransmitInitZeroSharePhase2to4>()?;
        for (&from, seed) in &seeds {
            self.addressed(from, &seed.parties)?;
        }
        let (revealed, setups, chain_code) = phases.third()?;
        own.chain_code.clone_from(&chain_code);
        let reveal = Reveal { proof: own.proof.proof.clone(), chain_code };
        let mut out = vec![self.send(3, None, &reveal)?];
        for (seed, multiplication) in revealed.into_iter().zip(setups) {
            let to = seed.parties.receiver;
            if multiplication.parties.receiver != to {
                return Err(Fault::Internal);
            }
            let mut setup = Setup { seed, multiplication };
            out.push(self.send(3, Some(to), &setup)?);
            setup.seed.seed.zeroize();
            setup.seed.salt.zeroize();
        }
        Ok(self.next(Stage::Reveals(phases, own, commits, seeds), out))
    }

    fn finish<P: Phases>(
        mut self,
        phases: P,
        own: Own,
        commits: ByParty<Commit>,
        seeds: ByParty<TransmitInitZeroSharePhase2to4>,
        messages: Vec<Incoming>,
    ) -> Result<Step<Generation<P>>, Fault> {
        let inbox = self.collect(3, Kinds::Both, messages)?;
        let mut reveals = inbox.broadcasts::<Reveal>()?;
        let us = self.context.own;
        let mut received = Received {
            proofs: vec![own.proof],
            zero_commitments: seeds.into_values().collect(),
            zero_seeds: Vec::new(),
            setups: Vec::new(),
            chain_commitments: own.chain_commitment.map(|code| (us, code)).into_iter().collect(),
            chain_codes: own.chain_code.map(|code| (us, code)).into_iter().collect(),
        };
        for (from, commit) in commits {
            let reveal = reveals.remove(&from).ok_or(Fault::Internal)?;
            let named = reveal.chain_code.as_ref().map(|code| code.sender_index);
            belongs(from, named == commit.chain_code.as_ref().map(|_| from))?;
            received.proofs.push(ProofCommitment { index: from, proof: reveal.proof, commitment: commit.commitment });
            received.chain_commitments.extend(commit.chain_code.map(|code| (from, code)));
            received.chain_codes.extend(reveal.chain_code.map(|code| (from, code)));
        }
        for (from, setup) in inbox.directs::<Setup>()? {
            self.addressed(from, &setup.seed.parties)?;
            self.addressed(from, &setup.multiplication.parties)?;
            received.zero_seeds.push(setup.seed);
            received.setups.push(setup.multiplication);
        }
        let share = phases.fourth(&received)?;
        let mut out = Vec::new();
        for &peer in &self.context.peers {
            let seen = self.transcript.of_pair(&self.context, peer.as_u8());
            // Not noted: what is compared ends before the comparison.
            out.push(send(&self.context, &mut Transcript::default(), 4, Some(peer), &seen)?);
        }
        Ok(self.next(Stage::Confirming(Arc::new(share)), out))
    }

    fn confirm<P: Phases>(
        self,
        share: Arc<ShareData>,
        messages: Vec<Incoming>,
    ) -> Result<Step<Generation<P>>, Fault> {
        let inbox = Inbox::collect(&self.context, &mut Transcript::default(), 4, Kinds::Direct, messages)?;
        for (from, seen) in inbox.directs::<[u8; 32]>()? {
            if seen != self.transcript.of_pair(&self.context, from.as_u8()) {
                return Err(Fault::abort("transcript", format!("party {from} and we saw different messages")));
            }
        }
        Ok(Step::Done(share))
    }

    fn next<P: Phases>(self, stage: Stage<P>, messages: Vec<Outgoing>) -> Step<Generation<P>> {
        Step::Send(Generation { ground: self, stage }, messages)
    }

    fn addressed(&self, from: PartyIndex, parties: &PartiesMessage) -> Result<(), Fault> {
        belongs(from, parties.sender == from && parties.receiver == self.context.own)
    }
}

fn belongs(from: PartyIndex, holds: bool) -> Result<(), Fault> {
    if holds {
        return Ok(());
    }
    Err(Fault::message(from.as_u8(), "the message's content names other parties than its header"))
}
