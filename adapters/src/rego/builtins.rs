//! Functions that no policy may call: a decision must come out the same when it is made again, and be as small as its
//! policy and its input.

use regorus::rvm::Instruction;
use regorus::rvm::program::Program;

const CHANGES: &str = "its answer changes from call to call, so that no decision could be made again";
const GROWS: &str = "its answer is as large as a number says, which no limit meets in time";

const REFUSED: [(&str, &str); 5] = [
    ("bits.lsh", GROWS),
    ("numbers.range", GROWS),
    ("numbers.range_step", GROWS),
    ("rand.intn", CHANGES),
    ("time.now_ns", "it is not the time of the request, which is input.time"),
];

/// A function that may not be called, where it is called, and why not.
pub(super) struct Misuse {
    /// As `file:line:column`.
    pub(super) place: String,
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

/// The first call of such a function, if there is one.
pub(super) fn misuse(program: &Program) -> Option<Misuse> {
    program.instructions.iter().enumerate().find_map(|(at, instruction)| {
        let Instruction::BuiltinCall { params_index } = instruction else { return None };
        let call = program.instruction_data.get_builtin_call_params(*params_index)?;
        let called = program.get_builtin_info(call.builtin_index)?;
        let (name, why) = REFUSED.into_iter().find(|(name, _)| *name == called.name)?;
        Some(Misuse { place: super::program::place(program, at).unwrap_or_default(), name, why })
    })
}
