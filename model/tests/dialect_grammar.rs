//! The grammars of the dialects, run by llguidance over a vocabulary of bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use dialects::bench::{BARE, Bench, CALL, FENCED, TAGGED, request, track, weather};
use dialects::{ByteVocab, Grammars, metadata, parse, parts, summary, tool};
use glassbox_model::dialect::{DialectError, Hermes};
use glassbox_model::{Request, ToolChoice};
use serde_json::json;

#[test]
fn chatglm3_auto_leaves_prose_free_and_holds_calls_to_the_schema() {
    let bench = Bench::chatglm3();
    let auto = request(vec![weather(), track()], ToolChoice::Auto, false);
    bench.check(
        &auto,
        &[
            "\n你好👋！我是人工智能助手。",
            " \n 好的，让我们来查看今天的天气",
            "\nuse `tool_call(x)` or\n```python\nprint({'name': 'track'})\n```",
            "\n{\"name\": \"Alice\"}",
            "\n",
            CALL,
            " get_weather\n```python\ntool_call(city=\"a'b\\n\")\n```",
            "track\n ```python\ntool_call(symbol=\"10111\")\n```",
            "track\n ```python\ntool_call(symbol=10111)\n```",
            "track\n ```python\ntool_call(symbol=[1, {'a': None}])\n```",
            "\n好的<|assistant|>get_weather\n ```python\ntool_call(city='x')\n```",
        ],
        &[
            "hello",
            "get_weather\n ```python\ntool_call()\n```",
            "get_weather\n ```python\ntool_call(town='x')\n```",
            "get_weather\n ```python\ntool_call(city=3)\n```",
            "get_weather\n ```python\ntool_call(city='x', days=15)\n```",
            "get_weather\n ```python\ntool_call(city='x', days=0)\n```",
            "get_weather\n ```python\ntool_call(city='x', days=3, more=1)\n```",
            "get_weather\n ```python\ntool_call(days=3, city='x')\n```",
            "get_weather\n ```python\ntool_call(city='x\ny')\n```",
            "get_weather\n ```python\ntool_call(city='x')",
            "get_weather\nI will look",
            "other\n ```python\ntool_call(a=1)\n```",
            "\n{\"name\": \"track\", \"parameters\": {\"symbol\": 1}}",
            "\n{'name' : 'track'}",
            "interpreter\n```python\n1\n```",
            // One call, and the reply ends.
            "get_weather\n ```python\ntool_call(city='x')\n```<|assistant|>track\n ```python\ntool_call(symbol=1)\n```",
            "get_weather\n ```python\ntool_call(city='x')\n```\nDone.",
        ],
    );
}

#[test]
fn chatglm3_several_calls_and_code() {
    let bench = Bench::chatglm3();
    let mut auto = request(vec![weather(), track()], ToolChoice::Auto, true);
    auto.interpreter = true;
    bench.check(
        &auto,
        &[
            "get_weather\n ```python\ntool_call(city='x')\n```<|assistant|>track\n ```python\ntool_call(symbol=1)\n```",
            "interpreter\n ```python\nprint('a')\n\nx = {1: 2}\n```",
            "\n好的，我来算。<|assistant|> interpreter\n ```python\nprint(1)\n```",
        ],
        &[
            "interpreter\nprint(1)",
            "interpreter\n```python\nprint(1)",
            "interpreter\n```python\n\n```",
            "interpreter\n```python\nprint(1)\n```\nmore",
        ],
    );
    let only_code = Request { interpreter: true, ..Request::default() };
    bench.check(&only_code, &["\nhi", "interpreter\n```python\n1\n```"], &["track\n```python\ntool_call()\n```"]);
}

#[test]
fn chatglm3_required_and_named() {
    let bench = Bench::chatglm3();
    let tools = || vec![weather(), track(), tool("text-to-speech", json!({"type": "object", "properties": {}}))];
    let required = request(tools(), ToolChoice::Required, false);
    bench.check(
        &required,
        &[CALL, "text-to-speech\n ```python\ntool_call()\n```"],
        &["\n你好", "", "\nx<|assistant|>track\n"],
    );
    let named = request(tools(), ToolChoice::Named("track".into()), true);
    bench.check(&named, &["track\n ```python\ntool_call(symbol=True)\n```"], &[CALL, "\nno"]);
}

#[test]
fn hermes_auto_leaves_text_free_and_holds_calls_to_the_schema() {
    let bench = Bench::hermes();
    let auto = request(vec![weather(), track()], ToolChoice::Auto, false);
    bench.check(
        &auto,
        &[
            "",
            "Hello, 世界 👋!",
            "a < b, <tool> and </tool_call>, \"quotes\" and {braces}",
            "```python\nprint({'a': 1})\n```\ndone",
            "```json\n{\"title\": \"track\", \"name\": \"track\"}\n```",
            "{\"name\": \"Alice\", \"age\": 5}\n{\"name\": \"Bob\"}",
            "{\"name\": {\"first\": \"track\"}}",
            "{'name': 'Alice'}\n[{\"name\": 3}]",
            "say {\"name\": \"track\"} inline",
            TAGGED,
            FENCED,
            BARE,
            "I will look.\n<tool_call>\n{\"name\": \"track\", \"arguments\": {\"symbol\": \"1\"}}\n</tool_call>",
            "I will look. <tool_call>{\"name\":\"track\",\"arguments\":{\"symbol\":[1,null]}}</tool_call>",
            "Sure:\n\n```json\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}\n```",
            "x\n  {\"name\": \"track\", \"arguments\": {\"symbol\": 5}}",
            "[{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}]",
            "{\"name\": \"Alice\"}\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}",
        ],
        &[
            "<tool_call>\nnothing\n</tool_call>",
            "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}",
            "{\"name\": \"track\"}",
            "{\"name\": \"track\", \"age\": 5}",
            "{\"name\": \"get_weather\", \"arguments\": {\"city\": 5}}",
            "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"x\", \"days\": 99}}",
            "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"x\", \"else\": 1}}",
            "text\n{\"name\": \"get_weather\", \"arguments\": {}}",
            "```json\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}",
            "```\n{\"name\": \"track\", \"parameters\": {\"symbol\": 5}}\n```",
            "{'name': 'track', 'arguments': {'symbol': 5}}",
            "[{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}, {\"name\": \"track\", \"arguments\": {\"symbol\": 5}}]",
            "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}\nDone.",
        ],
    );
}

#[test]
fn hermes_several_required_and_named() {
    let bench = Bench::hermes();
    let several = request(vec![weather(), track()], ToolChoice::Auto, true);
    let second = "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}";
    let two_tags = format!("{TAGGED}\n<tool_call>\n{second}\n</tool_call>");
    let two_bare = format!("Both.\n{BARE}\n{second}");
    let two_fenced = format!("```json\n{BARE}\n{second}\n```");
    let list = format!("```json\n[\n  {BARE},\n  {second}\n]\n```");
    bench.check(&several, &[&two_tags, &two_bare, &two_fenced, &list, "no call"], &[&format!("{TAGGED}\nDone.")]);
    let required = request(vec![weather(), track()], ToolChoice::Required, false);
    bench.check(&required, &[TAGGED, FENCED, BARE], &["", "text", &format!("text\n{BARE}"), &two_tags]);
    let named = request(vec![weather(), track()], ToolChoice::Named("track".into()), true);
    bench.check(&named, &[second], &[BARE, TAGGED]);
}

#[test]
fn control_tokens_for_tags_are_ids_in_the_grammar() {
    let bench = Bench::hermes_with_control_marks();
    let auto = request(vec![track()], ToolChoice::Auto, false);
    // `check` reads the tags in these texts as their tokens.
    bench.check(
        &auto,
        &["hi", "hi <tool_call>\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}\n</tool_call>"],
        &["<tool_call>", "<tool_call>hi</tool_call>"],
    );
    let required = request(vec![track()], ToolChoice::Required, false);
    bench.check(
        &required,
        &["<tool_call>\n{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}\n</tool_call>"],
        &["hi"],
    );
}

#[test]
fn thoughts_are_free_and_come_first() {
    let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.tool_calls %}<tool_call>{{ m.tool_calls | tojson }}</tool_call>{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<|im_start|>assistant\n{% if thinking %}<think></think>{% endif %}{% endif %}";
    let vocab = ByteVocab::chatml();
    let dialect = Hermes::new(&vocab, &metadata("qwen3", Some(template))).unwrap();
    let bench = Bench { grammars: Grammars::new(&vocab), dialect: Box::new(dialect), vocab };
    let auto = request(vec![track()], ToolChoice::Auto, false);
    let call = "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}";
    bench.check(
        &auto,
        &[
            "plain",
            &format!("<think>\nmaybe {{\"name\": \"track\"\n{{\"name\": \"track\"}}\n</think>\n\n{call}"),
            "<think>x</think>\nplain",
            call,
        ],
        &["<think>x</think>\n{\"name\": \"track\"}", "<think>x"],
    );

    let opened = template.replace("{% if thinking %}<think></think>{% endif %}", "<think>\n");
    let dialect = Hermes::new(&bench.vocab, &metadata("qwen3", Some(&opened))).unwrap();
    let bench = Bench { dialect: Box::new(dialect), ..bench };
    bench.check(&auto, &[&format!("hm\n</think>\n\n{call}"), "hm</think>plain"], &["hm", call]);
    let required = request(vec![track()], ToolChoice::Required, false);
    bench.check(&required, &[&format!("hm\n</think>\n\n{call}")], &["hm</think>plain", call]);
    let deltas = parse(bench.dialect.as_ref(), &required, &parts(&format!("hm\n</think>\n\n{call}"), &[]), 1);
    assert_eq!(
        summary(&deltas),
        [
            "reasoning \"hm\"",
            "call-0 started track",
            "call-0 arguments \"{\\\"symbol\\\": 5}\"",
            "call-0 call track({\"symbol\":5})"
        ]
    );
}

#[test]
fn generic_takes_calls_in_lists_and_objects() {
    let bench = Bench::generic();
    let call = "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}";
    let list = format!("```json\n[{call}, {call}]\n```");
    let several = request(vec![track()], ToolChoice::Auto, true);
    let other = "{\"name\": \"track\", \"parameters\": {\"symbol\": 5}}";
    // A list has all the calls.
    let [twice, then_one, bare_twice] =
        [format!("{list}\n{list}"), format!("{list}\n{call}"), format!("[{call}]\n[{call}]")];
    bench.check(&several, &["text", call, &list], &[other, &twice, &then_one, &bare_twice]);
    let required = request(vec![track()], ToolChoice::Required, true);
    let objects = format!("{call}\n{call}");
    bench.check(&required, &[call, &objects, &list], &[other, &twice, &then_one, &bare_twice]);
    let one = request(vec![track()], ToolChoice::Auto, false);
    bench.check(&one, &[call, &format!("```json\n[{call}]\n```")], &[&list]);
}

#[test]
fn an_answer_is_words_in_which_no_call_begins() {
    let answer = request(vec![weather(), track()], ToolChoice::Answer, true);
    let bench = Bench::chatglm3();
    bench.check(
        &answer,
        &["\n价格是 12.3。", " \n It is {12}.\n"],
        &["", "\n", CALL, "\n{\"name\": \"track\"}", "\nok<|assistant|>track\n"],
    );
    for bench in [Bench::hermes(), Bench::generic(), Bench::hermes_with_control_marks()] {
        bench.check(
            &answer,
            &["It is 12.3.", "It is {\"a\": 1}.\n\n- x < y\n```python\nx = 1\n```"],
            &[
                "",
                BARE,
                TAGGED,
                FENCED,
                &format!("It is\n{BARE}"),
                &format!("It is {TAGGED}"),
                &format!("It is\n{FENCED}"),
            ],
        );
    }
    // Without anything to call, there is nothing to hold back.
    assert!(bench.dialect.grammar(&request(vec![], ToolChoice::Answer, false)).unwrap().is_none());
}

/// A model that repeats itself is stopped after a while.
#[test]
fn several_calls_are_not_endlessly_many() {
    let call = "track\n ```python\ntool_call(symbol=1)\n```";
    let object = "{\"name\": \"track\", \"arguments\": {\"symbol\": 5}}";
    let required = request(vec![track()], ToolChoice::Required, true);
    let times = |one: &str, between: &str, n: usize| vec![one; n].join(between);
    let (glm, hermes) = (Bench::chatglm3(), Bench::hermes());
    glm.check(&required, &[&times(call, "<|assistant|>", 16)], &[&times(call, "<|assistant|>", 17)]);
    hermes.check(&required, &[&times(object, "\n", 16)], &[&times(object, "\n", 17)]);
}

#[test]
fn tool_choice_that_cannot_be_met_is_an_error() {
    for bench in [Bench::chatglm3(), Bench::hermes(), Bench::generic()] {
        let grammar = |request: &Request| bench.dialect.grammar(request);
        assert!(grammar(&request(vec![], ToolChoice::Auto, false)).unwrap().is_none());
        assert!(grammar(&request(vec![track()], ToolChoice::None, false)).unwrap().is_none());
        for (tools, choice) in [
            (vec![], ToolChoice::Required),
            (vec![], ToolChoice::Named("track".into())),
            (vec![track()], ToolChoice::Named("trick".into())),
        ] {
            let error = grammar(&request(tools, choice, false)).unwrap_err();
            assert!(matches!(error, DialectError::ToolChoice { .. }), "{error}");
        }
        let bad = tool("bad", json!({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}));
        let error = grammar(&request(vec![bad], ToolChoice::Auto, false)).unwrap_err();
        assert!(
            matches!(&error, DialectError::Schema { tool, problem } if tool == "bad" && problem.contains("not")),
            "{error}"
        );
    }
}

#[test]
fn chatglm3_refuses_what_it_cannot_heed_and_says_where() {
    let bench = Bench::chatglm3();
    for (schema, expected) in [
        (json!({"multipleOf": 5, "type": "integer"}), "`multipleOf`"),
        (json!({"type": "array", "uniqueItems": true}), "`uniqueItems`"),
        (json!({"type": "object", "patternProperties": {"a": true}}), "`patternProperties`"),
        (json!({"allOf": [{"type": "string"}, {"minLength": 2}]}), "`allOf`"),
        (json!({"$ref": "other.json"}), "points out of the schema"),
        (json!({"$ref": "#/$defs/none"}), "points to nothing"),
        (json!({"type": "string", "pattern": "(?=a)b"}), "looking ahead"),
        (json!({"type": "string", "pattern": "^[a-z]{9}$", "maxLength": 3}), "no string"),
        (json!({"type": "integer", "minimum": 3, "maximum": 2}), "no integer"),
        (json!({"type": "number", "exclusiveMinimum": 1, "maximum": 1}), "no number"),
        (json!({"type": "array", "minItems": 3, "maxItems": 1}), "no list"),
        (json!(false), "allows no value"),
    ] {
        let spec = tool(
            "t",
            json!({"type": "object", "properties": {"deep": {"type": "object", "properties": {"x": schema}}}}),
        );
        let error = bench.dialect.grammar(&request(vec![spec], ToolChoice::Auto, false)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("#/properties/deep/properties/x"), "{schema}: {error}");
    }
}
