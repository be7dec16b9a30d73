//! Reading.

use super::checks::{CANDIDATE, Checks};
use super::{BiscuitRing, MAX_BYTES, bounds, vocabulary};
use agentidp_core::ports::biscuits::{BiscuitReader, ReadBiscuit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::Biscuit;
use std::sync::Arc;

/// Longest text: base64 makes four characters of three bytes.
const MAX_TEXT: usize = MAX_BYTES.div_ceil(3).saturating_mul(4);

impl BiscuitReader for BiscuitRing {
    /// The decoder takes the padded spelling with zero tail bits, which is the one that libraries of Biscuit write, and
    /// no other. Signatures are verified strictly, so that a block has one id.
    fn read(&self, token: &str) -> Option<ReadBiscuit> {
        if token.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE.decode(token).ok().filter(|bytes| bytes.len() <= MAX_BYTES)?;
        let envelope = bounds::envelope(&bytes)?;
        let key = self.find(|key| Some(key.id) == envelope.root_key_id)?;
        let blocks = bounds::blocks(&envelope)?;
        let (claims, parent) = vocabulary::read(blocks.first()?, self.issuer())?;
        if !bounds::are_affordable(&blocks, claims.scopes.iter().count()) {
            return None;
        }
        let biscuit = Biscuit::from(&bytes, key.public).ok()?;
        Some(ReadBiscuit {
            parent,
            blocks: biscuit.revocation_identifiers().iter().map(hex::encode).collect(),
            checks: Arc::new(Checks {
                biscuit,
                scopes: claims.scopes.clone(),
                expires_at: claims.expires_at,
                see_candidate: bounds::can_name(&blocks, CANDIDATE),
            }),
            claims,
        })
    }

    fn key_set(&self) -> String {
        let keys = self.verifying();
        let entries: Vec<&str> = keys.iter().map(|key| key.entry.as_str()).collect();
        format!("{{\"keys\":[{}]}}", entries.join(","))
    }
}
