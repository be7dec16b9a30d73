//! Where AWS Secrets Manager is. Credentials, and what is not set here, the AWS SDK finds in its own chain.

use super::error::Mistake;
use super::reader::Reader;
use super::url_rules::ServerUrl;

const REGION: &str = "AWS_REGION";
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const PREFIX: &str = "AWS_SECRETS_PREFIX";

/// The settings of AWS Secrets Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    pub region: Option<String>,
    /// Another address than that of AWS.
    pub endpoint: Option<ServerUrl>,
    /// What the names of new secrets begin with.
    pub prefix: String,
}

impl Aws {
    /// `None` where nothing says that there is one. `chosen`: new secrets are kept there.
    pub(super) fn read(reader: &mut Reader<'_>, chosen: bool) -> Option<Self> {
        let region = reader.parse(REGION, |text| {
            let fits = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if fits { Ok(text.to_owned()) } else { Err(format!("`{text}` is no region")) }
        });
        let endpoint = reader.parse(ENDPOINT, str::parse::<ServerUrl>);
        let prefix = reader.parse(PREFIX, prefix);
        let used = chosen || region.is_some() || endpoint.is_some();
        if prefix.is_some() && !used {
            reader.mistake(PREFIX, format!("is set without {REGION} or SECRETS_BACKEND=aws-secretsmanager"));
        }
        // Whether there is a region the SDK knows, from its profile or the machine.
        used.then(|| Self { region, endpoint, prefix: prefix.unwrap_or_else(|| "agentidp/".to_owned()) })
    }

    /// Something is wrong with the region.
    pub fn region_mistake(problem: impl Into<String>) -> Mistake {
        Mistake { name: REGION.to_owned(), problem: problem.into() }
    }
}

/// What AWS takes in a name, with room for the two ids that follow.
fn prefix(text: &str) -> Result<String, String> {
    let takes = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if text.len() <= 256 && text.bytes().all(takes) {
        Ok(text.to_owned())
    } else {
        Err("may have 256 letters, digits and `/_+=.@-`".to_owned())
    }
}
