//! One party's share: what it is, how it is kept, and what is checked each time that one is loaded.

use dkls23_core::protocols::{Parameters, Party, PartyIndex, PublicKeyPackage};
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::{AffinePoint, ProjectivePoint, Scalar, Secp256k1};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::codec;
use crate::context::{MAX_PARTIES, SESSION_LENGTH};
use crate::error::Fault;

/// Longer is no share of ours, in bytes.
pub(crate) const MAX_SHARE: usize = 1 << 21;

const MAGIC: [u8; 4] = *b"CSSH";
const VERSION: u8 = 1;
const HEADER_LENGTH: usize = 4 + 1 + 4;
const CHECKSUM_LENGTH: usize = 32;

/// The bounds of t and n: those of the library, and ours.
pub(crate) fn parameters(threshold: u8, parties: u8) -> Result<Parameters, String> {
    if parties > MAX_PARTIES {
        return Err(format!("at most {MAX_PARTIES} parties"));
    }
    Parameters::new(threshold, parties).map_err(|_| "the threshold is at least 2 and at most all parties".into())
}

/// A checked share.
pub(crate) struct ShareData {
    party: Party<Secp256k1>,
    package: PublicKeyPackage<Secp256k1>,
    session: [u8; SESSION_LENGTH],
    epoch: u32,
}

impl ShareData {
    /// Check a share, wherever it came from.
    ///
    /// The library keeps all fields public and trusts them. What it would find out only while signing, as a false
    /// accusation of somebody else or not at all, is refused here.
    pub(crate) fn new(
        party: Party<Secp256k1>,
        package: PublicKeyPackage<Secp256k1>,
        epoch: u32,
    ) -> Result<Self, Fault> {
        let Ok(session) = <[u8; SESSION_LENGTH]>::try_from(party.session_id.as_slice()) else {
            return Err(Fault::Share("the share's session has another length".into()));
        };
        let problem = group(&party, &package).or_else(|| secret(&party, &package)).or_else(|| pairs(&party));
        match problem {
            Some(what) => Err(Fault::Share(what.into())),
            None => Ok(Self { party, package, session, epoch }),
        }
    }

    /// Write it: header, checksum, content. The checksum finds accidents; who keeps shares encrypts them.
    pub(crate) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut start = Vec::with_capacity(HEADER_LENGTH + CHECKSUM_LENGTH);
        start.extend_from_slice(&MAGIC);
        start.push(VERSION);
        start.extend_from_slice(&self.epoch.to_be_bytes());
        start.extend_from_slice(&[0; CHECKSUM_LENGTH]);
        let mut bytes = codec::encode(&start, &(&self.party, &self.package)).map_err(|_| Fault::Internal)?;
        let checksum = checksum(&bytes).ok_or(Fault::Internal)?;
        bytes
            .get_mut(HEADER_LENGTH..HEADER_LENGTH + CHECKSUM_LENGTH)
            .ok_or(Fault::Internal)?
            .copy_from_slice(&checksum);
        Ok(bytes)
    }

    /// Read it, and check all of it again.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let refuse = |what: &str| Err(Fault::Share(what.into()));
        if bytes.len() > MAX_SHARE {
            return refuse("this is too long for a share");
        }
        let Some((start, content)) = bytes.split_at_checked(HEADER_LENGTH + CHECKSUM_LENGTH) else {
            return refuse("the share is cut off");
        };
        let [m0, m1, m2, m3, version, e0, e1, e2, e3, written @ ..] = start else {
            return refuse("the share is cut off");
        };
        if [*m0, *m1, *m2, *m3] != MAGIC || *version != VERSION {
            return refuse("this is no share, or of another version");
        }
        if checksum(bytes).is_none_or(|expected| written != expected) {
            return refuse("the share is damaged");
        }
        match codec::decode::<(Party<Secp256k1>, PublicKeyPackage<Secp256k1>)>(content) {
            Some((party, package)) => Self::new(party, package, u32::from_be_bytes([*e0, *e1, *e2, *e3])),
            None => refuse("the share does not decode"),
        }
    }

    pub(crate) fn party(&self) -> &Party<Secp256k1> {
        &self.party
    }

    pub(crate) fn package(&self) -> &PublicKeyPackage<Secp256k1> {
        &self.package
    }

    pub(crate) fn index(&self) -> PartyIndex {
        self.party.party_index
    }

    pub(crate) fn threshold(&self) -> u8 {
        self.party.parameters.threshold
    }

    pub(crate) fn parties(&self) -> u8 {
        self.party.parameters.share_count
    }

    pub(crate) fn session(&self) -> [u8; SESSION_LENGTH] {
        self.session
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn address(&self) -> &str {
        &self.party.address
    }

    /// The group's key, uncompressed (SEC 1): 65 bytes.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.party.pk.to_sec1_point(false).as_bytes().to_vec()
    }
}

fn checksum(bytes: &[u8]) -> Option<[u8; CHECKSUM_LENGTH]> {
    let mut hash = Sha256::new();
    hash.update(bytes.get(..HEADER_LENGTH)?);
    hash.update(bytes.get(HEADER_LENGTH + CHECKSUM_LENGTH..)?);
    Some(hash.finalize().into())
}

/// What all parties share: t, n, the key, everybody's public share.
fn group(party: &Party<Secp256k1>, package: &PublicKeyPackage<Secp256k1>) -> Option<&'static str> {
    let Parameters { threshold, share_count } = party.parameters;
    if parameters(threshold, share_count).is_err() {
        return Some("the share's threshold and number of parties are out of bounds");
    }
    if package.threshold() != threshold || package.share_count() != share_count {
        return Some("the share and its public part name different thresholds");
    }
    if party.party_index.as_u8() > share_count {
        return Some("the share's index is none of the parties");
    }
    if party.pk == AffinePoint::IDENTITY || party.pk == AffinePoint::GENERATOR {
        return Some("the share's public key is trivial");
    }
    if *package.verifying_key() != party.pk {
        return Some("the share and its public part name different keys");
    }
    let known = |index: &u8| {
        let share = PartyIndex::new(*index).ok().and_then(|index| package.verifying_share(index));
        share.is_some_and(|point| *point != AffinePoint::IDENTITY)
    };
    if !(1..=share_count).all(|index| known(&index)) || (share_count + 1..=u8::MAX).any(|index| known(&index)) {
        return Some("the public shares are not one for each party");
    }
    if party.address != dkls23_secp256k1::compute_eth_address(&party.pk) {
        return Some("the share's address is not that of its key");
    }
    None
}

/// Our own part of the key.
fn secret(party: &Party<Secp256k1>, package: &PublicKeyPackage<Secp256k1>) -> Option<&'static str> {
    let derivation = &party.derivation_data;
    if party.poly_point == Scalar::ZERO || party.poly_point == Scalar::ONE {
        return Some("the secret is trivial");
    }
    let public = (ProjectivePoint::GENERATOR * party.poly_point).to_affine();
    if package.verifying_share(party.party_index) != Some(&public) {
        return Some("the secret does not belong to this party's public share");
    }
    if derivation.poly_point != party.poly_point || derivation.pk != party.pk {
        return Some("the share and its derivation data disagree");
    }
    if derivation.depth != 0 || derivation.child_number != 0 || derivation.parent_fingerprint != [0; 4] {
        return Some("this is the share of a derived key");
    }
    None
}

/// What we hold with each of the others.
fn pairs(party: &Party<Secp256k1>) -> Option<&'static str> {
    let own = party.party_index;
    let others = || (1..=party.parameters.share_count).filter(|&index| index != own.as_u8());
    if !party.mul_senders.keys().map(PartyIndex::as_u8).eq(others())
        || !party.mul_receivers.keys().map(PartyIndex::as_u8).eq(others())
    {
        return Some("the multiplication states are not one for each other party");
    }
    if party.mul_senders.values().any(|state| state.check_state().is_err())
        || party.mul_receivers.values().any(|state| state.check_state(None).is_err())
    {
        return Some("a multiplication state is malformed");
    }
    let seeds = &party.zero_share.seeds;
    if !seeds.iter().map(|seed| seed.index_counterparty.as_u8()).eq(others())
        || seeds.iter().any(|seed| seed.lowest_index != (own < seed.index_counterparty))
    {
        return Some("the seeds are not one for each other party");
    }
    None
}
