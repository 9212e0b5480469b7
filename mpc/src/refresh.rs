//! Refresh: new shares of the same key, everything rebuilt. What fills the rounds of `generation`.

use std::collections::BTreeMap;
use std::sync::Arc;

use dkls23_core::protocols::dkg::{KeepInitMulPhase3to4, KeepInitZeroSharePhase2to3, KeepInitZeroSharePhase3to4};
use dkls23_core::protocols::PartyIndex;
use k256::{Scalar, Secp256k1};
use zeroize::{Zeroize, Zeroizing};

use crate::context::{Context, Protocol, SESSION_LENGTH};
use crate::error::Fault;
use crate::generation::{Generation, Phases, Received, Second, Third};
use crate::share::ShareData;

/// What the library keeps between the phases of a complete refresh.
pub(crate) struct Renewal {
    old: Arc<ShareData>,
    session: [u8; SESSION_LENGTH],
    correction: Zeroizing<Scalar>,
    seeds: BTreeMap<PartyIndex, KeepInitZeroSharePhase2to3>,
    seeds_sent: BTreeMap<PartyIndex, KeepInitZeroSharePhase3to4>,
    setups: BTreeMap<PartyIndex, KeepInitMulPhase3to4<Secp256k1>>,
}

/// One party's part in renewing all shares. Everybody has to take part.
pub(crate) fn refresh(old: Arc<ShareData>, session: [u8; SESSION_LENGTH]) -> Result<Generation<Renewal>, Fault> {
    if old.session() == session {
        return Err(Fault::Parameter("a refresh needs a session of its own".into()));
    }
    let context = Context::whole(Protocol::Refresh, session, old.index(), old.parties())?;
    let renewal = Renewal {
        old,
        session,
        correction: Zeroizing::new(Scalar::ZERO),
        seeds: BTreeMap::new(),
        seeds_sent: BTreeMap::new(),
        setups: BTreeMap::new(),
    };
    Ok(Generation::new(context, renewal))
}

impl Phases for Renewal {
    fn first(&mut self) -> Zeroizing<Vec<Scalar>> {
        Zeroizing::new(self.old.party().refresh_complete_phase1())
    }

    fn second(&mut self, points: &[Scalar]) -> Result<Second, Fault> {
        let (correction, proof, keep, seeds) = self.old.party().refresh_complete_phase2(&self.session, points);
        self.correction = Zeroizing::new(correction);
        self.seeds = keep;
        Ok((proof, seeds, None))
    }

    fn third(&mut self) -> Result<Third, Fault> {
        let (keep, seeds, setups_kept, setups) = self.old.party().refresh_complete_phase3(&self.session, &self.seeds);
        self.seeds_sent = keep;
        self.setups = setups_kept;
        Ok((seeds, setups, None))
    }

    fn fourth(self, received: &Received) -> Result<ShareData, Fault> {
        let party = self.old.party().refresh_complete_phase4(
            &self.session,
            &self.correction,
            &received.proofs,
            &self.seeds_sent,
            &received.zero_commitments,
            &received.zero_seeds,
            &self.setups,
            &received.setups,
        )?;
        let package = self
            .old
            .package()
            .refresh(&self.session, &received.proofs)
            .map_err(|reason| Fault::abort("polynomial", format!("the public shares do not follow: {reason}")))?;
        let epoch = self.old.epoch().checked_add(1).ok_or_else(|| Fault::Share("no epoch is left".into()))?;
        ShareData::new(party, package, epoch)
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        for kept in self.seeds.values_mut() {
            kept.seed.zeroize();
            kept.salt.zeroize();
        }
        for kept in self.seeds_sent.values_mut() {
            kept.seed.zeroize();
        }
        for kept in self.setups.values_mut() {
            kept.ot_sender.s.zeroize();
            kept.ot_receiver.seed.zeroize();
            kept.nonce.zeroize();
            kept.vec_r.zeroize();
            kept.correlation.zeroize();
        }
    }
}
