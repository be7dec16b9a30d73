//! Words that nobody would write, but that a request may hold or an owner be called.

/// In place of capabilities and scopes: broken, with other letters, with what JSON and Rego must escape.
pub const WORDS: [&str; 32] = [
    "",
    ":",
    "::",
    "*",
    ":*",
    "*:*",
    "*:read",
    "data",
    "data:",
    "data::read",
    "a:b:c",
    "data:*:x",
    "data:-x",
    "_data:x",
    "data:.",
    "agents:*:read",
    "admin:a l",
    " admin:all",
    "admin:all\n",
    "ADMIN:ALL",
    "admin\u{ff1a}all",
    "\u{430}dmin:all",
    "admin:all\u{0}",
    "\u{feff}admin:all",
    "data:re\u{301}ad",
    "data:r\u{e9}ad",
    "\u{1f511}:\u{1f511}",
    "\u{1f511}:*",
    "data:\u{2028}",
    "\"data\":\\read",
    "<data>:&read",
    "${data}:{read}",
];
/// Some are written as others look.
pub const OWNERS: [&str; 10] = [
    super::ask::TEAM,
    super::ask::STRANGERS,
    super::ask::STRANGERS,
    "TEAM-A",
    "*",
    "team-\u{e4}",
    "team-a\u{308}",
    "team \"a\" \\ <b>",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{1f512}",
];
/// As often as an owner may be long.
pub const LONG_OWNER: &str = "\u{f6}";
pub const OPERATIONS: [&str; 8] =
    ["noSuchOperation", "", "getagent", "scopes", "listAgents ", "issueToken\u{0}", "exchangeToken", "op\u{e9}ration"];
/// Lengths of words about the longest that a scope may have.
pub const LENGTHS: [usize; 4] = [63, 64, 65, 4_000];

/// A word that could be a scope but for its length.
pub fn long_word(length: usize) -> String {
    format!("{:x<length$}", "data:")
}

/// Capabilities that `data:*` covers, each another one.
pub fn many(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("data:{number}"))
}
