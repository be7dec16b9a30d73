//! The claims on the wire. The same shape is written and read, and every member is required and of one type.

use agentidp_core::domain::time::Timestamp;
use agentidp_core::domain::token::Claims;
use serde::{Deserialize, Serialize};

/// The last second that a [`Timestamp`] can hold.
const LAST_SECOND: i64 = 253_402_300_799;

/// `deny_unknown_fields` also refuses what is given twice; a new claim is therefore read by a release before one writes
/// it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    iss: String,
    sub: String,
    client_id: String,
    aud: Audience,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    scope: String,
    owner: String,
    cred: String,
    #[serde(rename = "gen")]
    generation: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Writes claims, in JSON.
pub fn write(claims: &Claims) -> Option<Vec<u8>> {
    let aud = match claims.audience.as_slice() {
        [one] => Audience::One(one.clone()),
        several => Audience::Several(several.to_vec()),
    };
    let wire = Wire {
        iss: claims.issuer.clone(),
        sub: claims.subject.to_string(),
        client_id: claims.subject.to_string(),
        aud,
        iat: claims.issued_at.unix_seconds(),
        nbf: claims.not_before.unix_seconds(),
        exp: claims.expires_at.unix_seconds(),
        jti: claims.id.to_string(),
        scope: claims.scopes.to_string(),
        owner: claims.owner.to_string(),
        cred: claims.credential.to_string(),
        generation: claims.generation,
    };
    serde_json::to_vec(&wire).ok()
}

/// Reads the claims of a token of `issuer`.
pub fn read(json: &[u8], issuer: &str) -> Option<Claims> {
    // serde would read an array as the members in their order, and JSON has white space around it.
    if json.first() != Some(&b'{') || json.last() != Some(&b'}') {
        return None;
    }
    let wire: Wire = serde_json::from_slice(json).ok()?;
    if wire.iss != issuer || wire.sub != wire.client_id || wire.generation < 0 {
        return None;
    }
    Some(Claims {
        issued_at: second(wire.iat)?,
        not_before: second(wire.nbf)?,
        expires_at: second(wire.exp)?,
        issuer: wire.iss,
        subject: wire.sub.parse().ok()?,
        audience: audience(wire.aud)?,
        id: wire.jti.parse().ok()?,
        scopes: agentidp_core::domain::scope::ScopeSet::parse(&wire.scope).ok()?,
        owner: wire.owner.parse().ok()?,
        credential: wire.cred.parse().ok()?,
        generation: wire.generation,
    })
}

fn second(value: i64) -> Option<Timestamp> {
    (0..=LAST_SECOND).contains(&value).then(|| Timestamp::from_unix_seconds(value))
}

fn audience(aud: Audience) -> Option<Vec<String>> {
    let audience = match aud {
        Audience::One(one) => vec![one],
        Audience::Several(several) => several,
    };
    (!audience.is_empty() && audience.iter().all(|uri| !uri.is_empty())).then_some(audience)
}
