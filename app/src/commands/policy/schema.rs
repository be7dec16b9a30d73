//! `agentidp policy schema`: what a policy is given, as JSON Schema.

use crate::commands::{CommandError, output};
use crate::http::dto::audit::json;
use agentidp_core::ports::policy::PolicyInput;
use clap::Args;

#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    pub fn run(self) -> Result<(), CommandError> {
        let schema = json(&PolicyInput::schema());
        output::line(&serde_json::to_string_pretty(&schema).map_err(CommandError::failed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::policy::input::read;
    use agentidp_core::contract::policy::generated;
    use jsonschema::{Draft, Validator};
    use serde_json::{Value, json as value};

    fn validator() -> Validator {
        let schema = json(&PolicyInput::schema());
        jsonschema::options().with_draft(Draft::Draft7).should_validate_formats(true).build(&schema).unwrap()
    }

    fn input() -> Value {
        let mut input = generated(1, 1).next().unwrap();
        input.resource = Some(input.caller.clone());
        json(&input.to_json())
    }

    #[test]
    fn every_input_is_as_the_schema_says() {
        let schema = validator();
        for input in generated(0x5C4E, 2_000) {
            let input = json(&input.to_json());
            let mistakes: Vec<String> = schema.iter_errors(&input).map(|error| error.to_string()).collect();
            assert!(mistakes.is_empty(), "{mistakes:?} in {input}");
        }
    }

    #[test]
    fn a_member_that_it_does_not_name_is_refused() {
        let schema = validator();
        for place in ["", "/caller", "/resource", "/request"] {
            let mut input = input();
            assert!(schema.is_valid(&input));
            input.pointer_mut(place).unwrap()["ownr"] = "team-a".into();
            assert!(!schema.is_valid(&input) && read(input).is_err(), "at `{place}`");
        }
    }

    /// Takes each member away and puts something else in its place: what `policy explain` reads, the schema allows.
    #[test]
    fn what_explain_reads_is_as_the_schema_says() {
        let schema = validator();
        let (mut taken, mut refused) = (0, 0);
        let odd =
            [value!(null), value!(7), value!(-0.5), value!(true), value!(""), value!("a:b"), value!([]), value!({})];
        for place in ["", "/caller", "/resource", "/request"] {
            let whole = input();
            for name in whole.pointer(place).unwrap().as_object().unwrap().keys() {
                for other in odd.iter().map(Some).chain([None]) {
                    let mut changed = whole.clone();
                    let members = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
                    match other {
                        Some(value) => members.insert(name.clone(), value.clone()),
                        None => members.remove(name),
                    };
                    let reads = read(changed.clone()).is_ok();
                    assert!(!reads || schema.is_valid(&changed), "{name} at `{place}`: {changed}");
                    *(if reads { &mut taken } else { &mut refused }) += 1;
                }
            }
        }
        assert!(taken > 20 && refused > 100, "{taken} were read, {refused} were not");
    }
}
