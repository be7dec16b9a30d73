//! Form bodies and client authentication of the OAuth endpoints (RFC 6749 §2.3.1, §3.2).

use super::auth::{authorization, body_bytes, must_be};
use super::error::{Challenge, Code, Failure};
use agentidp_core::domain::secret::PresentedSecret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poem::Request;
use std::collections::BTreeMap;

/// The one parameter that may be repeated (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// The parameters of a form. One with an empty value counts as absent (RFC 6749 §3.2).
#[derive(Default)]
pub struct Form(BTreeMap<String, Vec<String>>);

/// How a client proves who it is.
pub enum Presented {
    Bearer(String),
    Client { id: String, secret: PresentedSecret, basic: bool },
}

impl Form {
    /// Reads the body of `request`.
    ///
    /// # Errors
    /// It is no form, not UTF-8, or a parameter is given twice.
    pub fn of(request: &Request) -> Result<Self, Failure> {
        must_be(request, "application", "x-www-form-urlencoded")?;
        let body = body_bytes(request);
        let mut form: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            form.entry(name).or_default().push(value);
        }
        if form.iter().any(|(name, values)| name != REPEATABLE && values.len() > 1) {
            return Err(Failure::new(Code::Validation, "a parameter is given more than once"));
        }
        Ok(Self(form))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The values of a parameter that may be repeated, empty ones among them.
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::new(Code::Validation, format!("the parameter `{name}` is required")))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)?.pop().filter(|value| !value.is_empty())
    }
}

/// `application/x-www-form-urlencoded` of one name or value; what is no UTF-8 is refused, not mended.
fn decode(part: &[u8]) -> Result<String, Failure> {
    let wrong = || Failure::new(Code::Validation, "the form is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    loop {
        match rest {
            [] => return String::from_utf8(bytes).map_err(|_| wrong()),
            [b'+', tail @ ..] => {
                bytes.push(b' ');
                rest = tail;
            }
            [b'%', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let text = std::str::from_utf8(&digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
                bytes.push(text.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or_else(wrong)?);
                rest = tail;
            }
            [b'%', ..] => return Err(wrong()),
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
}

/// How the client of `request` authenticates. Its secret leaves the form.
///
/// # Errors
/// Not at all, in two ways at once, or in a way that cannot be read.
pub fn presented(request: &Request, form: &mut Form) -> Result<Presented, Failure> {
    let (id, secret) = (form.take("client_id"), form.take("client_secret"));
    match authorization(request)? {
        Some(_) if secret.is_some() => Err(twice()),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match id {
            None => Ok(Presented::Bearer(token.to_owned())),
            Some(_) => Err(twice()),
        },
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("basic") => {
            let presented = basic(text).ok_or_else(|| invalid_client(true))?;
            // Some clients repeat their id in the body; another one is a contradiction.
            match (&presented, id) {
                (Presented::Client { id: named, .. }, Some(id)) if *named != id => Err(twice()),
                _ => Ok(presented),
            }
        }
        Some(_) => Err(invalid_client(false)),
        None => match (id, secret) {
            (Some(id), Some(secret)) => {
                Ok(Presented::Client { id, secret: PresentedSecret::new(secret), basic: false })
            }
            _ => Err(invalid_client(false)),
        },
    }
}

fn basic(text: &str) -> Option<Presented> {
    let pair = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let (id, secret) = (decode(id.as_bytes()).ok()?, decode(secret.as_bytes()).ok()?);
    (!id.is_empty() && !secret.is_empty()).then(|| Presented::Client {
        id,
        secret: PresentedSecret::new(secret),
        basic: true,
    })
}

fn twice() -> Failure {
    Failure::new(Code::Validation, "authenticate in one way only")
}

/// The one answer to every client that does not authenticate.
pub fn invalid_client(basic: bool) -> Failure {
    let challenge = if basic { Challenge::Basic } else { Challenge::Bearer };
    Failure { challenge: Some(challenge), ..Failure::new(Code::InvalidClient, "client authentication failed") }
}
