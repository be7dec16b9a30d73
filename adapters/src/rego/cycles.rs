//! Rules that need themselves. Rego forbids them; regorus finds them only while it runs, a function that calls itself
//! not even then before the stack ends, and with it the process.

use regorus::rvm::Instruction;
use regorus::rvm::program::Program;
use std::collections::{BTreeMap, BTreeSet};

type Calls = BTreeMap<u16, BTreeSet<u16>>;

/// The names along a circle of rules, if there is one.
pub(super) fn circle(program: &Program) -> Option<String> {
    let mut calls = calls(program);
    // What calls nothing that is left cannot be in a circle; when nothing more can go, the rest leads into one.
    while let Some(done) = calls.iter().find(|(_, called)| !called.iter().any(|rule| calls.contains_key(rule))) {
        let done = *done.0;
        calls.remove(&done);
    }
    let mut path = vec![*calls.keys().next()?];
    while let Some(next) = path.last().and_then(|rule| calls.get(rule)?.iter().find(|rule| calls.contains_key(rule))) {
        let start = path.iter().position(|rule| rule == next);
        path.push(*next);
        if let Some(start) = start {
            let names = path.iter().skip(start).filter_map(|rule| program.rule_infos.get(usize::from(*rule)));
            return Some(names.map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(" -> "));
        }
    }
    None
}

/// Which rule calls which. The instructions of a rule follow its `RuleInit`, one for each of its bodies.
fn calls(program: &Program) -> Calls {
    let mut calls = Calls::new();
    let mut caller = None;
    for instruction in &program.instructions {
        let called = match instruction {
            Instruction::RuleInit { rule_index, .. } => {
                caller = Some(*rule_index);
                calls.entry(*rule_index).or_default();
                None
            }
            Instruction::CallRule { rule_index, .. } => Some(*rule_index),
            Instruction::FunctionCall { params_index } => {
                program.instruction_data.get_function_call_params(*params_index).map(|call| call.func_rule_index)
            }
            _ => None,
        };
        if let (Some(caller), Some(called)) = (caller, called) {
            calls.entry(caller).or_default().insert(called);
        }
    }
    calls
}
