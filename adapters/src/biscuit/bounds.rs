//! What is not even looked at. All of it is decided before a signature is verified or a check is run.

use biscuit_auth::format::schema::{Biscuit, Block, Expression, Op, Rule, SignedBlock, Term, op, op_binary, op_unary};
use biscuit_auth::format::schema::{Fact, Predicate, public_key, term};
use prost::Message;
use std::collections::HashMap;

/// Longest Biscuit, in bytes; a third more in base64, and so it fits into a header.
pub const MAX_BYTES: usize = 8 * 1024;
/// Most blocks, the first included.
const MAX_BLOCKS: usize = 16;
/// Most work in the checks of one candidate. A unit is about as much as comparing two values: in all, few milliseconds.
const MAX_WORK: u64 = 50_000;
/// Most work in the checks of all candidates together: the checks run once for each of them, and an agent may have many.
const MAX_WORK_IN_ALL: u64 = 500_000;

/// The envelope: of few blocks, all of them the holder's own and signed by Ed25519, in the one form that it is written
/// in. A signature by P-256 has a second form, and with it a block would have a second id, which nobody revoked.
pub fn envelope(bytes: &[u8]) -> Option<Biscuit> {
    let envelope = Biscuit::decode(bytes).ok()?;
    let ours = |block: &SignedBlock| {
        block.external_signature.is_none() && block.next_key.algorithm == public_key::Algorithm::Ed25519 as i32
    };
    let admitted = envelope.blocks.len() < MAX_BLOCKS
        && ours(&envelope.authority)
        && envelope.blocks.iter().all(ours)
        && envelope.encode_to_vec() == bytes;
    admitted.then_some(envelope)
}

/// The blocks, the first one first.
pub fn blocks(envelope: &Biscuit) -> Option<Vec<Block>> {
    let signed = std::iter::once(&envelope.authority).chain(&envelope.blocks);
    signed.map(|block| Block::decode(block.block.as_slice()).ok()).collect()
}

/// Whether the checks of these blocks can be run for so many candidates: they cost little, and hold nothing that nobody
/// can put a price on.
pub fn are_affordable(blocks: &[Block], candidates: usize) -> bool {
    let prices = Prices::of(blocks);
    let mut queries = blocks.iter().flat_map(|block| &block.checks).flat_map(|check| &check.queries);
    let work = queries.try_fold(0_u64, |sum, query| Some(sum.saturating_add(prices.query(query)?)));
    let few = |work: u64| work <= MAX_WORK && work.saturating_mul(count(candidates)) <= MAX_WORK_IN_ALL;
    // A rule makes facts, which make facts; without any, the number of facts is what it is.
    work.is_some_and(few) && blocks.iter().all(|block| block.rules.is_empty())
}

/// Whether a query of these blocks can ask for a fact of this name, which is none of those that every Biscuit knows. What
/// no block has among its texts no block can name.
pub fn can_name(blocks: &[Block], name: &str) -> bool {
    blocks.iter().flat_map(|block| &block.symbols).any(|symbol| symbol == name)
}

/// What the facts of a Biscuit make its checks cost.
struct Prices {
    /// How many facts there are by the symbol of their name.
    facts: HashMap<u64, u64>,
    total: u64,
    /// The size of the largest value in a fact.
    largest: u64,
    /// What a concatenation may copy.
    text: u64,
}

impl Prices {
    fn of(blocks: &[Block]) -> Self {
        let all = || blocks.iter().flat_map(|block| &block.facts);
        let mut facts: HashMap<u64, u64> = HashMap::new();
        for fact in all() {
            let count = facts.entry(fact.predicate.name).or_default();
            *count = count.saturating_add(1);
        }
        let terms = |fact: &'_ Fact| fact.predicate.terms.iter().map(|term| size(term, 0)).max().unwrap_or(1);
        let text: usize = blocks.iter().flat_map(|block| &block.symbols).map(String::len).sum();
        Self {
            total: facts.values().sum(),
            facts,
            largest: all().map(terms).max().unwrap_or(1),
            text: count(text).div_euclid(64).saturating_add(1),
        }
    }

    /// The joins of a query times what each of them costs; none for what may not be asked at all.
    fn query(&self, query: &Rule) -> Option<u64> {
        // A head with terms belongs to a rule.
        if !query.head.terms.is_empty() {
            return None;
        }
        // One more for the fact of that name that the server may add.
        let matching =
            |predicate: &Predicate| self.facts.get(&predicate.name).map_or(1, |facts| facts.saturating_add(1));
        let joins = query.body.iter().map(matching).fold(1, u64::saturating_mul);
        let look_ups = count(query.body.len()).saturating_mul(self.total).saturating_add(1);
        let mut prices = query.expressions.iter().map(|expression| self.expression(expression));
        let each = prices.try_fold(look_ups, |sum, price| Some(sum.saturating_add(price?)))?;
        Some(joins.saturating_mul(each))
    }

    /// Every operation may touch every value before it.
    fn expression(&self, expression: &Expression) -> Option<u64> {
        let (operations, values) = self.operations(&expression.ops)?;
        Some(operations.saturating_mul(values))
    }

    /// How many operations there are, and how large what they work on is.
    fn operations(&self, ops: &[Op]) -> Option<(u64, u64)> {
        ops.iter().map(|op| self.operation(op)).try_fold((0_u64, 0_u64), |(operations, values), found| {
            let (more_operations, more_values) = found?;
            Some((operations.saturating_add(more_operations), values.saturating_add(more_values)))
        })
    }

    fn operation(&self, operation: &Op) -> Option<(u64, u64)> {
        match operation.content.as_ref()? {
            op::Content::Value(term) => Some((1, size(term, self.largest))),
            op::Content::Unary(unary) => (unary.kind != op_unary::Kind::Ffi as i32).then_some((1, 0)),
            op::Content::Binary(binary) => match op_binary::Kind::from_i32(binary.kind)? {
                // A pattern costs more than its length tells, and so does what is asked of every element of a set.
                op_binary::Kind::Regex | op_binary::Kind::All | op_binary::Kind::Any | op_binary::Kind::Ffi => None,
                op_binary::Kind::Add => Some((1, self.text)),
                _ => Some((1, 0)),
            },
            // The right side of `&&` and `||`.
            op::Content::Closure(closure) if closure.params.is_empty() => self.operations(&closure.ops),
            op::Content::Closure(_) => None,
        }
    }
}

/// How many values a term is; a variable is as large as what it may stand for.
fn size(term: &Term, variable: u64) -> u64 {
    let sum = |terms: &[Term]| terms.iter().fold(1_u64, |sum, term| sum.saturating_add(size(term, variable)));
    match &term.content {
        Some(term::Content::Variable(_)) => variable.max(1),
        Some(term::Content::Set(set)) => sum(&set.set),
        Some(term::Content::Array(array)) => sum(&array.array),
        Some(term::Content::Map(map)) => {
            map.entries.iter().fold(1, |sum, entry| sum.saturating_add(size(&entry.value, variable)).saturating_add(1))
        }
        Some(term::Content::Bytes(bytes)) => count(bytes.len()).div_euclid(64).saturating_add(1),
        _ => 1,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
