//! Where Vault is, and who the server is there.

use super::authorities;
use super::reader::Reader;
use super::url_rules::ServerUrl;
use agentidp_core::domain::vault::VaultMount;
use secrecy::SecretString;

const ADDRESS: &str = "VAULT_ADDR";
const TOKEN: &str = "VAULT_TOKEN";
const ROLE_ID: &str = "VAULT_ROLE_ID";
const SECRET_ID: &str = "VAULT_SECRET_ID";
const MOUNT: &str = "VAULT_MOUNT";
const AUTHORITIES: &str = "VAULT_CACERT";
const NAMESPACE: &str = "VAULT_NAMESPACE";

/// A Vault to keep secrets in.
#[derive(Debug, Clone)]
pub struct Vault {
    pub address: ServerUrl,
    pub namespace: Option<String>,
    pub mount: VaultMount,
    pub login: VaultLogin,
    /// Certificate authorities in PEM form that take the place of the system's.
    pub authorities: Option<Vec<u8>>,
}

/// How the server gets a token of Vault.
#[derive(Debug, Clone)]
pub enum VaultLogin {
    Token(SecretString),
    AppRole { role_id: String, secret_id: SecretString },
}

impl Vault {
    /// `None` without an address, or beside a mistake.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let address = reader.parse(ADDRESS, str::parse::<ServerUrl>);
        let mount = reader.parse(MOUNT, |text| text.parse::<VaultMount>().map_err(|error| error.to_string()));
        let authorities = reader.parse(AUTHORITIES, authorities::read);
        let namespace = reader.parse(NAMESPACE, header_value);
        let token = reader.parse_secret(TOKEN, |text| header_value(text).map(SecretString::from));
        let (role_id, secret_id) = (reader.text(ROLE_ID), reader.secret(SECRET_ID));
        let login = login(reader, address.is_some(), token, role_id, secret_id);
        if address.is_none() && !reader.has_mistake(ADDRESS) {
            let settings =
                [(MOUNT, mount.is_some()), (AUTHORITIES, authorities.is_some()), (NAMESPACE, namespace.is_some())];
            for (name, _) in settings.into_iter().filter(|(_, is_set)| *is_set) {
                reader.mistake(name, format!("is set without {ADDRESS}"));
            }
        }
        let mount = mount.or_else(|| "secret".parse().ok())?;
        Some(Self { address: address?, namespace, mount, login: login?, authorities })
    }
}

fn login(
    reader: &mut Reader<'_>,
    is_used: bool,
    token: Option<SecretString>,
    role_id: Option<String>,
    secret_id: Option<SecretString>,
) -> Option<VaultLogin> {
    // One that is wrong already is not missing as well.
    let is_wrong = [TOKEN, ROLE_ID, SECRET_ID, ADDRESS].iter().any(|name| reader.has_mistake(name));
    let (name, problem) = match (token, role_id, secret_id) {
        (Some(token), None, None) if is_used => return Some(VaultLogin::Token(token)),
        (None, Some(role_id), Some(secret_id)) if is_used => return Some(VaultLogin::AppRole { role_id, secret_id }),
        (None, None, None) if is_used => {
            (ADDRESS, format!("is set without a way to log in: set {TOKEN}, or {ROLE_ID} and {SECRET_ID}"))
        }
        (None, None, None) => return None,
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => (TOKEN, format!("is set beside {ROLE_ID}; set one of them")),
        (None, Some(_), None) => (SECRET_ID, format!("is required beside {ROLE_ID}")),
        (None, None, Some(_)) => (ROLE_ID, format!("is required beside {SECRET_ID}")),
        (Some(_), None, None) => (TOKEN, format!("is set without {ADDRESS}")),
        (None, Some(_), Some(_)) => (ROLE_ID, format!("is set without {ADDRESS}")),
    };
    if !is_wrong {
        reader.mistake(name, problem);
    }
    None
}

/// What is sent as the value of a header.
fn header_value(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("must be visible ASCII characters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_mistake, mistakes, serve};
    use super::*;
    use crate::config::SecretsBackend;
    use secrecy::ExposeSecret;

    const HERE: (&str, &str) = (ADDRESS, "http://127.0.0.1:8200");
    const KEY: (&str, &str) = (TOKEN, "sesame");

    #[test]
    fn an_address_chooses_vault_for_new_credentials() {
        let secrets = serve(&[HERE, KEY]).unwrap().secrets;
        assert_eq!(secrets.backend, SecretsBackend::Vault);
        let vault = secrets.vault.unwrap();
        assert_eq!((vault.address.url().as_str(), vault.mount.as_str()), ("http://127.0.0.1:8200/", "secret"));
        assert!(vault.namespace.is_none() && vault.authorities.is_none());
        assert!(matches!(vault.login, VaultLogin::Token(token) if token.expose_secret() == "sesame"));
    }

    #[test]
    fn another_backend_of_new_credentials_keeps_vault_for_the_old_ones() {
        let secrets = serve(&[HERE, KEY, ("SECRETS_BACKEND", "digest")]).unwrap().secrets;
        assert!(secrets.backend == SecretsBackend::Digest && secrets.vault.is_some());
    }

    #[test]
    fn a_role_logs_in_as_well() {
        let env = [HERE, (ROLE_ID, "role"), (SECRET_ID, "sesame"), (MOUNT, "team/kv"), (NAMESPACE, "a/b")];
        let vault = serve(&env).unwrap().secrets.vault.unwrap();
        assert_eq!((vault.mount.as_str(), vault.namespace.as_deref()), ("team/kv", Some("a/b")));
        let VaultLogin::AppRole { role_id, secret_id } = vault.login else { panic!("a role") };
        assert_eq!((role_id.as_str(), secret_id.expose_secret()), ("role", "sesame"));
    }

    #[test]
    fn ways_to_log_in_that_are_none() {
        assert_mistake(&[HERE], ADDRESS, "without a way to log in: set VAULT_TOKEN, or VAULT_ROLE_ID");
        assert_mistake(&[HERE, (ROLE_ID, "role")], SECRET_ID, "is required beside VAULT_ROLE_ID");
        assert_mistake(&[HERE, (SECRET_ID, "id")], ROLE_ID, "is required beside VAULT_SECRET_ID");
        assert_mistake(&[HERE, KEY, (ROLE_ID, "role")], TOKEN, "set one of them");
        assert_mistake(&[HERE, KEY, (SECRET_ID, "id")], TOKEN, "set one of them");
        assert_mistake(&[HERE, ("VAULT_TOKEN_FILE", "/nowhere")], "VAULT_TOKEN_FILE", "cannot be opened");
        assert_mistake(&[HERE, (TOKEN, "two\nlines")], TOKEN, "visible ASCII");
    }

    #[test]
    fn nothing_of_vault_is_ignored_for_want_of_its_address() {
        for setting in [KEY, (MOUNT, "kv"), (NAMESPACE, "a")] {
            assert_mistake(&[setting], setting.0, "is set without VAULT_ADDR");
        }
        assert_mistake(&[(ROLE_ID, "role"), (SECRET_ID, "id")], ROLE_ID, "is set without VAULT_ADDR");
        assert_mistake(&[("SECRETS_BACKEND", "vault")], ADDRESS, "is required with SECRETS_BACKEND=vault");
    }

    #[test]
    fn secrets_are_sent_to_their_server_only() {
        for (address, words) in [
            ("vault:8200", "must begin with `https:`"),
            ("http://vault.example.com:8200", "loopback"),
            ("https://me:sesame@vault.example.com", "user or a password"),
            ("https://vault.example.com/ui", "scheme, host and port alone"),
            ("https://vault.example.com?a=b", "query"),
        ] {
            let found = mistakes(serve(&[(ADDRESS, address), KEY]));
            assert_eq!((found.len(), found[0].0.as_str()), (1, ADDRESS), "{found:?}");
            assert!(found[0].1.contains(words) && !found[0].1.contains("sesame"), "{found:?}");
        }
        for address in ["https://vault.example.com:8200", "http://localhost:8200", "http://[::1]:8200/"] {
            assert!(serve(&[(ADDRESS, address), KEY]).unwrap().secrets.vault.is_some());
        }
    }

    #[test]
    fn what_would_lead_a_request_elsewhere_is_refused() {
        assert_mistake(&[HERE, KEY, (MOUNT, "../sys")], MOUNT, "segments");
        assert_mistake(&[HERE, KEY, (MOUNT, "secret/")], MOUNT, "segments");
        assert_mistake(&[HERE, KEY, (NAMESPACE, "a b")], NAMESPACE, "visible ASCII");
    }

    #[test]
    fn debug_shows_no_secret() {
        for login in [&[KEY][..], &[(ROLE_ID, "role"), (SECRET_ID, "sesame")]] {
            let config = serve(&[&[HERE], login].concat()).unwrap();
            assert!(!format!("{config:?}").contains("sesame"));
        }
    }
}
