//! Identifiers: UUIDs, version 7 for those made here (RFC 9562), so that newer ids sort after older ones.

use super::text::Invalid;
use super::time::Timestamp;
use uuid::Uuid;

/// Makes a version 7 UUID of the millisecond `at` and ten random bytes.
pub fn uuid_v7(at: Timestamp, random: &[u8; 10]) -> Uuid {
    let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to be of this kind.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            /// Only the lower-case hyphenated form is an id; every other spelling of a UUID is refused.
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let id = Uuid::try_parse(text).map_err(|_| Invalid::new("must be a UUID"))?;
                if id.hyphenated().to_string() == text {
                    Ok(Self(id))
                } else {
                    Err(Invalid::new("must be a lower-case hyphenated UUID"))
                }
            }
        }
    };
}

uuid_id!(
    /// Names an agent; it is also the OAuth `client_id` and the `sub` of its tokens.
    AgentId
);
uuid_id!(
    /// Names one attempt to keep a new secret, by which what it wrote outside is found again.
    WriteId
);
uuid_id!(
    /// Names a credential; stays through rotations.
    CredentialId
);
uuid_id!(
    /// Names a token: the `jti` claim (RFC 7519 §4.1.7).
    TokenId
);
uuid_id!(
    /// Names an audit event.
    EventId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let text = "0198c0de-0000-7000-8000-00000000abcd";
        assert_eq!(text.parse::<AgentId>().unwrap().to_string(), text);
        for other in [
            "0198C0DE-0000-7000-8000-00000000ABCD",
            "0198c0de000070008000",
            "0198c0de00007000800000000000abcd",
            "{0198c0de-0000-7000-8000-00000000abcd}",
            "urn:uuid:0198c0de-0000-7000-8000-00000000abcd",
            " 0198c0de-0000-7000-8000-00000000abcd",
            "",
        ] {
            assert!(other.parse::<AgentId>().is_err(), "{other} was taken");
        }
    }

    #[test]
    fn version_7_ids_sort_by_time() {
        let early = uuid_v7(Timestamp::from_unix_millis(1_000), &[255; 10]);
        let late = uuid_v7(Timestamp::from_unix_millis(1_001), &[0; 10]);
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }
}
