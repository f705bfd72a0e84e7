//! Random replies that the grammars take, each held to the schemas, and replies that are held to a format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use dialects::bench::{Bench, CALL, FENCED, TAGGED, request, track, weather};
use dialects::{Seeded, decode, parse, random_reply, text_of, tool};
use glassbox_model::dialect::DialectError;
use glassbox_model::{Delta, ReplyFormat, Request, ToolChoice};
use serde_json::{Value, json};

/// Schemas of all kinds, each for one parameter `x`.
fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "string"}),
        json!({"type": "string", "minLength": 2, "maxLength": 5}),
        json!({"type": "string", "pattern": "^[A-Z]{2}[0-9]{3,5}$"}),
        json!({"type": "string", "pattern": "b+|^c", "minLength": 3, "maxLength": 20}),
        json!({"type": "string", "enum": ["celsius", "it's", "say \"hi\"", "两\n行", "back\\slash"]}),
        json!({"const": {"a": [1, 2.5, null, true, "x"]}}),
        json!({"type": "integer"}),
        json!({"type": "integer", "minimum": -17, "maximum": 1203}),
        json!({"type": "integer", "exclusiveMinimum": 99, "format": "uint32"}),
        json!({"type": "number", "format": "double"}),
        json!({"type": "number", "format": "float", "minimum": -2, "exclusiveMaximum": 7}),
        json!({"type": "integer", "maximum": -5}),
        json!({"type": "number"}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "number", "exclusiveMinimum": -2.75, "exclusiveMaximum": 13.5}),
        json!({"type": "number", "minimum": 0.25, "exclusiveMaximum": 0.5}),
        json!({"type": "boolean"}),
        json!({"type": ["string", "null"], "maxLength": 4}),
        json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2, "maxItems": 4}),
        json!({"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}, "maxItems": 3}),
        json!({"type": "array", "prefixItems": [{"type": "string", "maxLength": 3}, {"type": "integer"}], "items": false, "minItems": 2}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "it's": {"type": "number"}, "c": {"enum": [1, "one"]}}, "required": ["it's"]}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "properties": {"k": {"type": "integer"}}, "additionalProperties": {"type": "boolean"}}),
        json!({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"n": {"type": "null"}}, "required": ["n"]}]}),
        json!({"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "boolean"}]}),
        json!({"$ref": "#/$defs/node"}),
        json!({"type": "object", "properties": {}, "required": ["free"], "description": "anything"}),
        json!({}),
    ]
}

fn with_parameter(schema: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {"x": schema, "opt": {"type": "integer", "minimum": 0, "maximum": 3}},
        "required": ["x"],
        "$defs": {"node": {"type": "object", "properties": {
            "v": {"type": "integer", "minimum": 0, "maximum": 9}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}
        }, "required": ["v", "next"]}}
    })
}

/// Keywords that only llguidance's own converter knows, for calls in JSON.
fn more_schemas() -> Vec<Value> {
    vec![
        json!({"type": "integer", "multipleOf": 5, "minimum": 0}),
        json!({"allOf": [{"type": "string", "minLength": 2}, {"type": "string", "maxLength": 4}]}),
        json!({"type": "object", "patternProperties": {"^k[0-9]$": {"type": "integer"}}, "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {"type": "object"}, "b": {}, "c": {"type": "array"}}, "required": ["b"], "minProperties": 1}),
    ]
}

/// Every reply that the grammar of a required call takes is read as calls that satisfy their schema.
fn walks(bench: &Bench, schemas: &[Value], seeds: u64, several: bool) {
    for (i, schema) in schemas.iter().enumerate() {
        let parameters = with_parameter(schema);
        let validator = jsonschema::validator_for(&parameters).unwrap();
        let spec = tool("the-tool", parameters.clone());
        let request = request(vec![spec, track()], ToolChoice::Required, several);
        let grammar = bench.grammar(&request);
        for seed in 0..seeds {
            let mut random = Seeded(seed * 1000 + i as u64);
            let ids = random_reply(&bench.grammars, &grammar, &bench.vocab, &mut random);
            let text = text_of(&bench.vocab, &ids);
            let deltas = parse(bench.dialect.as_ref(), &request, &decode(&bench.vocab, &ids), 1 + (seed as usize % 7));
            let mut calls = 0;
            for delta in &deltas {
                match delta {
                    Delta::CallReady { call } if call.name == "the-tool" => {
                        calls += 1;
                        assert!(
                            validator.is_valid(&call.arguments),
                            "{schema}: {:?}\n{text}",
                            validator.validate(&call.arguments).map_err(|error| error.to_string())
                        );
                    }
                    Delta::CallReady { call } => {
                        calls += 1;
                        assert!(call.name == "track" && call.arguments.get("symbol").is_some(), "{text}");
                    }
                    Delta::CallStarted { .. } | Delta::CallArguments { .. } => {}
                    other => panic!("{schema}: {other:?}\nin {text:?}"),
                }
            }
            assert!(calls == 1 || (several && calls > 0), "{schema}: {calls} calls in {text:?}");
        }
    }
}

#[test]
fn chatglm3_required_calls_satisfy_their_schema() {
    walks(&Bench::chatglm3(), &schemas(), 12, false);
    walks(&Bench::chatglm3(), &schemas(), 3, true);
}

#[test]
fn hermes_required_calls_satisfy_their_schema() {
    walks(&Bench::hermes(), &schemas(), 12, false);
    walks(&Bench::hermes(), &schemas(), 3, true);
}

#[test]
fn generic_required_calls_satisfy_their_schema() {
    walks(&Bench::generic(), &schemas(), 3, false);
    walks(&Bench::generic(), &more_schemas(), 12, false);
}

/// Under `auto`, whatever reply comes out, every call of a known tool in it satisfies the schema.
#[test]
fn auto_replies_hold_no_wrong_call() {
    for bench in [Bench::chatglm3(), Bench::hermes(), Bench::hermes_with_control_marks(), Bench::generic()] {
        let tools = vec![weather(), track()];
        let request = request(tools.clone(), ToolChoice::Auto, false);
        let grammar = bench.grammar(&request);
        for seed in 0..60 {
            let ids = random_reply(&bench.grammars, &grammar, &bench.vocab, &mut Seeded(seed));
            for delta in parse(bench.dialect.as_ref(), &request, &decode(&bench.vocab, &ids), 0) {
                let text = text_of(&bench.vocab, &ids);
                match delta {
                    Delta::CallReady { call } => {
                        let spec = tools.iter().find(|tool| tool.name == call.name).unwrap_or_else(|| panic!("{text}"));
                        let validator = jsonschema::validator_for(&spec.parameters).unwrap();
                        assert!(validator.is_valid(&call.arguments), "{text}");
                    }
                    Delta::Malformed { problem, .. } => panic!("{problem}: {text}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn names_of_any_kind_can_be_called() {
    let names = ["text-to-speech", "/image_resizer", "say \"hi\"", "it's", "查询 天气", "a|b(c)*"];
    let empty = json!({"type": "object"});
    for bench in [Bench::chatglm3(), Bench::hermes(), Bench::generic()] {
        let request =
            request(names.iter().map(|name| tool(name, empty.clone())).collect(), ToolChoice::Required, false);
        let grammar = bench.grammar(&request);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..150 {
            let ids = random_reply(&bench.grammars, &grammar, &bench.vocab, &mut Seeded(seed));
            for delta in parse(bench.dialect.as_ref(), &request, &decode(&bench.vocab, &ids), 0) {
                if let Delta::CallReady { call } = delta {
                    assert_eq!(call.arguments, json!({}), "{}", text_of(&bench.vocab, &ids));
                    seen.insert(call.name);
                }
            }
        }
        assert_eq!(seen.len(), names.len(), "{seen:?}");
    }
}

/// Every reply under a schema is text that satisfies it, in every dialect.
#[test]
fn a_formatted_reply_satisfies_its_schema() {
    for bench in [Bench::chatglm3(), Bench::hermes(), Bench::generic()] {
        for (i, schema) in schemas().iter().enumerate() {
            let schema = with_parameter(schema);
            let validator = jsonschema::validator_for(&schema).unwrap();
            let request = Request { format: ReplyFormat::Schema(schema.clone()), ..Request::default() };
            let grammar = bench.grammar(&request);
            for seed in 0..4 {
                let mut random = Seeded(seed * 1000 + i as u64);
                let ids = random_reply(&bench.grammars, &grammar, &bench.vocab, &mut random);
                let deltas = parse(bench.dialect.as_ref(), &request, &decode(&bench.vocab, &ids), 3);
                let mut text = String::new();
                for delta in deltas {
                    let Delta::Text { text: more } = delta else { panic!("{delta:?}") };
                    text.push_str(&more);
                }
                let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
                assert!(validator.is_valid(&value), "{schema}: {text}");
            }
        }
    }
}

#[test]
fn a_json_reply_is_an_object_and_nothing_else() {
    let request = Request { format: ReplyFormat::Json, ..Request::default() };
    let objects = ["{}", "{\"a\": [1, {\"b\": null}], \"name\": \"x\"}"];
    let others = ["", "[1]", "Here it is: {}", "{\"a\": 1", "{} and more", "```json\n{}\n```"];
    Bench::hermes().check(&request, &objects, &others);
    // ChatGLM3's prose has an empty metadata line.
    let bench = Bench::chatglm3();
    for (replies, taken) in [(&objects[..], true), (&others[..], false)] {
        for reply in replies {
            assert_eq!(bench.takes(&request, &format!("\n{reply}")), taken, "{reply}");
        }
    }
}

#[test]
fn beside_tools_a_formatted_reply_may_be_a_call() {
    let schema = json!({"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]});
    let format = ReplyFormat::Schema(schema);
    let auto = Request { format: format.clone(), ..request(vec![weather(), track()], ToolChoice::Auto, false) };
    Bench::hermes().check(
        &auto,
        &["{\"price\": 1.5}", TAGGED, FENCED],
        &["", "The price is 1.5.", "{\"price\": \"high\"}", "{\"name\": \"other\", \"arguments\": {}}"],
    );
    Bench::chatglm3().check(&auto, &["\n{\"price\": 1.5}", CALL], &["\nThe price is 1.5.", "\n{\"price\": \"high\"}"]);
    let required = Request { format, ..request(vec![weather(), track()], ToolChoice::Required, false) };
    Bench::hermes().check(&required, &[TAGGED], &["{\"price\": 1.5}"]);
}

#[test]
fn a_schema_that_no_grammar_can_be_written_for_is_said() {
    let schema = json!({"type": "object", "properties": {"x": {"not": {"type": "string"}}}, "required": ["x"]});
    let request = Request { format: ReplyFormat::Schema(schema), ..Request::default() };
    for bench in [Bench::chatglm3(), Bench::hermes()] {
        let error = bench.dialect.grammar(&request).unwrap_err();
        assert!(matches!(&error, DialectError::Format { problem } if problem.contains("not")), "{error}");
    }
}
