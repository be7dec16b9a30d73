//! The functions that a policy may call: those whose answer is the same each time, because decisions are made again, and
//! whose work and answer are no larger than their arguments, because limits are looked at between steps and not within.

use regorus::rvm::Instruction;
use regorus::rvm::program::Program;

#[rustfmt::skip]
const ALLOWED: [&str; 82] = [
    "__builtin_sets.intersection", "__builtin_sets.union", "abs", "array.concat", "array.reverse", "array.slice",
    "base64.decode", "base64.encode", "base64.is_valid", "base64url.decode", "base64url.encode",
    "base64url.encode_no_pad", "bits.and", "bits.negate", "bits.or", "bits.xor", "ceil", "concat", "contains", "count",
    "endswith", "floor", "format_int", "glob.match", "glob.quote_meta", "hex.decode", "hex.encode", "indexof", "indexof_n",
    "intersection", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "json.filter",
    "json.is_valid", "json.marshal", "json.remove", "json.unmarshal", "lower", "max", "min", "object.filter", "object.get",
    "object.keys", "object.remove", "object.subset", "object.union", "object.union_n", "product", "regex.is_valid",
    "regex.match", "regex.split", "round", "semver.compare", "semver.is_valid", "sort", "split", "startswith",
    "strings.any_prefix_match", "strings.any_suffix_match", "strings.reverse", "substring", "sum", "time.clock",
    "time.date", "time.diff", "time.parse_rfc3339_ns", "time.weekday", "to_number", "trim", "trim_left", "trim_prefix",
    "trim_right", "trim_space", "trim_suffix", "type_name", "union", "upper",
];

/// What to write in place of some that are not among them.
const INSTEAD: [(&str, &str); 3] =
    [("rand.intn", "nothing that changes from call to call"), ("sprintf", "concat"), ("time.now_ns", "input.time")];

/// The first call of a function that is not among them, as a sentence with its place.
pub(super) fn misuse(program: &Program) -> Option<String> {
    program.instructions.iter().enumerate().find_map(|(at, instruction)| {
        let Instruction::BuiltinCall { params_index } = instruction else { return None };
        let call = program.instruction_data.get_builtin_call_params(*params_index)?;
        let name = program.get_builtin_info(call.builtin_index)?.name.as_str();
        let place = super::program::place(program, at).unwrap_or_default();
        let instead = INSTEAD.into_iter().find(|(known, _)| *known == name);
        let instead = instead.map(|(_, instead)| format!("; use {instead}")).unwrap_or_default();
        (!ALLOWED.contains(&name)).then(|| format!("{place}: a policy may not call `{name}`{instead}"))
    })
}
