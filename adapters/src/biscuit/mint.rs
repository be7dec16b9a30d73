//! Minting.

use super::{BiscuitRing, MAX_BYTES, bounds, vocabulary};
use agentidp_core::domain::ids::TokenId;
use agentidp_core::domain::token::Claims;
use agentidp_core::ports::biscuits::BiscuitMinter;
use agentidp_core::ports::tokens::{SignError, TokenText};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

impl BiscuitMinter for BiscuitRing {
    fn mint(&self, claims: &Claims, parent: TokenId) -> Result<TokenText, SignError> {
        let wrong = |what: &str| SignError(what.to_owned());
        let key = self.signing().ok_or_else(|| wrong("no root key is active"))?;
        let minted = vocabulary::write(claims, parent).and_then(|block| block.root_key_id(key.id).build(&key.pair));
        let bytes = minted.and_then(|biscuit| biscuit.to_vec()).map_err(|error| SignError(error.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(wrong("the Biscuit is too long"));
        }
        // What this ring would not read is not issued.
        let first = bounds::envelope(&bytes).and_then(|envelope| bounds::blocks(&envelope));
        let first = first.filter(|blocks| bounds::are_affordable(blocks, claims.scopes.iter().count()));
        let read = first.and_then(|blocks| vocabulary::read(blocks.first()?, self.issuer()));
        read.ok_or_else(|| wrong("the claims are not those of a Biscuit"))?;
        Ok(TokenText(URL_SAFE.encode(bytes)))
    }
}
