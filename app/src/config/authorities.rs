//! Files of certificate authorities, for every service that is spoken to over TLS.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::Read;

/// No list of authorities is longer; a larger file is the wrong file.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Reads the authorities in a file in PEM form, and makes sure that each can be trusted: what is none would be found out
/// by the first connection, or passed over without a word.
///
/// # Errors
/// The problem, which names the file and quotes nothing of it.
pub(super) fn read(path: &str) -> Result<Vec<u8>, String> {
    let pem = content(path).and_then(|pem| prove(&pem).map(|()| pem));
    pem.map_err(|problem| format!("`{path}` {problem}"))
}

fn content(path: &str) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut pem = Vec::new();
    let length = file.take(FILE_LIMIT).read_to_end(&mut pem).map_err(|error| format!("cannot be read: {error}"))?;
    match length as u64 {
        0 => Err("is empty".to_owned()),
        FILE_LIMIT.. => Err("is too large to be a list of authorities".to_owned()),
        _ => Ok(pem),
    }
}

fn prove(pem: &[u8]) -> Result<(), String> {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate
            .map_err(|_| "is broken: what it holds between the PEM lines is not base64 to its end".to_owned())?;
        trusted.add(certificate).map_err(|_| "holds a certificate that is no X.509 certificate".to_owned())?;
    }
    if trusted.is_empty() { Err("holds no certificate in PEM form".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_mistake, serve};

    /// Every setting that names such a file: the variable, and the configuration around a path.
    type Setting = (&'static str, fn(&str) -> Vec<(&'static str, String)>);

    const SETTINGS: [Setting; 4] = [
        ("VAULT_CACERT", |path| {
            let vault = [("VAULT_ADDR", "https://vault.example.com"), ("VAULT_TOKEN", "sesame")];
            [&vault.map(|(name, value)| (name, value.to_owned()))[..], &[("VAULT_CACERT", path.to_owned())]].concat()
        }),
        ("REDIS_CACERT", |path| vec![("REDIS_URL", "rediss://redis".to_owned()), ("REDIS_CACERT", path.to_owned())]),
        ("DATABASE_URL", |path| vec![("DATABASE_URL", of_database(path))]),
        ("MIGRATION_DATABASE_URL", |path| vec![("MIGRATION_DATABASE_URL", of_database(path))]),
    ];

    fn of_database(path: &str) -> String {
        format!("postgres://db/a?sslmode=verify-full&sslrootcert={path}")
    }

    fn borrowed<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
        env.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn pem() -> String {
        rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn authorities_are_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem").display().to_string();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let (one, cut) = (pem(), pem().replacen("-----END CERTIFICATE-----", "", 1));
        let block = |content: &str| format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n");
        let wrong = [
            (String::new(), "is empty"),
            ("a certificate\n".to_owned(), "holds no certificate in PEM form"),
            ("-----BEGIN CERTIFICATE-----\n".to_owned(), "is broken"),
            (key, "holds no certificate in PEM form"),
            (block("not base64!"), "is broken"),
            (block("c2VzYW1l"), "holds a certificate that is no X.509 certificate"),
            (format!("{one}{}", block("c2VzYW1l")), "holds a certificate that is no X.509 certificate"),
            (format!("{one}{cut}"), "is broken"),
            (one.repeat(2_000), "is too large"),
        ];
        for (name, around) in SETTINGS {
            let refused = |path: &str, words: &str| {
                assert_mistake(&borrowed(&around(path)), name, &format!("`{path}` {words}"));
            };
            refused("/nowhere/ca.pem", "cannot be opened: No such file");
            refused(&folder.path().display().to_string(), "cannot be read: Is a directory");
            for (content, words) in &wrong {
                std::fs::write(&file, content).unwrap();
                refused(&file, words);
            }
            std::fs::write(&file, format!("# two of them\n{one}{}", pem())).unwrap();
            assert!(serve(&borrowed(&around(&file))).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_was_read_is_handed_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (path, pem) = (file.path().display().to_string(), pem());
        std::fs::write(&path, &pem).unwrap();
        let env: Vec<_> = SETTINGS.iter().flat_map(|(_, around)| around(&path)).collect();
        let config = serve(&borrowed(&env)).unwrap();
        assert_eq!(config.redis.unwrap().authorities.as_deref(), Some(pem.as_bytes()));
        assert_eq!(config.secrets.vault.unwrap().authorities.as_deref(), Some(pem.as_bytes()));
    }
}
