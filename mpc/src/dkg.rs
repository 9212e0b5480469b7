//! Key generation: what fills the rounds of `generation`.

use dkls23_core::protocols::{Parameters, PartyIndex};
use dkls23_core::DkgSession;
use k256::{Scalar, Secp256k1};
use zeroize::Zeroizing;

use crate::context::{Context, Protocol, SESSION_LENGTH};
use crate::error::Fault;
use crate::generation::{Generation, Phases, Received, Second, Third};
use crate::share::{parameters, ShareData};

/// The library's session.
pub(crate) struct Fresh(DkgSession<Secp256k1>);

/// One party's part in making a new key.
pub(crate) fn dkg(
    own: PartyIndex,
    threshold: u8,
    parties: u8,
    session: [u8; SESSION_LENGTH],
) -> Result<Generation<Fresh>, Fault> {
    let parameters: Parameters = parameters(threshold, parties).map_err(Fault::Parameter)?;
    if own.as_u8() > parties {
        return Err(Fault::Parameter(format!("party {own} is none of {parties}")));
    }
    let context = Context::whole(Protocol::Dkg, session, own, parties)?;
    Ok(Generation::new(context, Fresh(DkgSession::new(parameters, own, session.to_vec()))))
}

impl Phases for Fresh {
    fn first(&mut self) -> Zeroizing<Vec<Scalar>> {
        Zeroizing::new(self.0.phase1())
    }

    fn second(&mut self, points: &[Scalar]) -> Result<Second, Fault> {
        let (proof, seeds, chain_code) = self.0.phase2(points)?;
        Ok((proof, seeds, Some(chain_code)))
    }

    fn third(&mut self) -> Result<Third, Fault> {
        let (seeds, setups, chain_code) = self.0.phase3()?;
        Ok((seeds, setups, Some(chain_code)))
    }

    fn fourth(self, received: &Received) -> Result<ShareData, Fault> {
        let (party, package) = self.0.phase4(
            &received.proofs,
            &received.zero_commitments,
            &received.zero_seeds,
            &received.setups,
            &received.chain_commitments,
            &received.chain_codes,
            dkls23_secp256k1::compute_eth_address,
        )?;
        ShareData::new(party, package, 0)
    }
}
