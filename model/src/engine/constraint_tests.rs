use super::*;
use crate::{
    Request, ToolChoice, Vocab,
    catalog::{Silent, resolve},
    engine::{Engine, EngineOptions},
};

const GRAMMARS: [&str; 4] = [
    "start: TEXT\nTEXT: /(.|\\n)*/",
    "start: \"{\\\"name\\\": \\\"\" (\"track\" | \"trace\" | \"get_weather\") \"\\\", \\\"n\\\": \" N \"}\"\nN: /-?[0-9]{1,5}(\\.[0-9]+)?/",
    "start: TEXT (<[1]> \"call\\n\" STRING)?\nTEXT: /[^{]*/\nSTRING: /\"([^\"\\\\]|\\\\.)*\"/",
    "start: /(yes ){3}/ <[2]> /[a-z\u{4e00}-\u{9fff}]{2,8}/",
];

/// A free choice may stand in for a masked one only if both allow the same tokens.
#[tokio::test]
async fn one_token_is_allowed_exactly_where_the_mask_allows_it() {
    for name in ["smollm2-135m", "qwen2.5-coder-0.5b"] {
        let file = resolve(name, &Silent).await.unwrap();
        let engine =
            Engine::load(file, &EngineOptions { context: Some(64), ..EngineOptions::default() }, |_| {}).unwrap();
        let vocab = engine.vocab();
        let stops = vocab.end_of_generation();
        let constraints = Constraints::new(Arc::clone(&vocab));
        let mut state = 7u64;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % u64::from(below)) as u32
        };
        let (mut yes, mut no) = (0, 0);
        for grammar in GRAMMARS {
            for _ in 0..4 {
                let mut constraint = constraints.compile(&Grammar { lark: grammar.into() }).unwrap();
                for _ in 0..12 {
                    for id in constraint.forced().unwrap() {
                        constraint.accept(id).unwrap();
                    }
                    if constraint.stopped() {
                        break;
                    }
                    let mask = constraint.mask(&stops).unwrap().clone();
                    let allowed: Vec<u32> = mask.iter().filter(|id| !stops.contains(id)).collect();
                    let some = (0..40).map(|_| random(vocab.len()));
                    let few: Vec<u32> =
                        allowed.iter().copied().take(40).chain(some).filter(|id| !stops.contains(id)).collect();
                    for id in few {
                        let one = constraint.allows(id).unwrap();
                        assert_eq!(
                            one,
                            mask.is_allowed(id),
                            "{name}: {id} {:?}",
                            String::from_utf8_lossy(&vocab.piece(id))
                        );
                        if one { yes += 1 } else { no += 1 }
                    }
                    let accepting = constraint.accepting().unwrap();
                    assert!(stops.iter().all(|stop| mask.is_allowed(*stop) == accepting));
                    let Some(&choice) = allowed.get(random(allowed.len().max(1) as u32) as usize) else { break };
                    constraint.accept(choice).unwrap();
                }
            }
        }
        assert!(yes > 500 && no > 500, "{yes} {no}");
    }
}

#[tokio::test]
async fn a_compiled_grammar_is_kept_and_starts_anew() {
    let file = resolve("smollm2-135m", &Silent).await.unwrap();
    let engine = Engine::load(file, &EngineOptions { context: Some(64), ..EngineOptions::default() }, |_| {}).unwrap();
    let constraints = Constraints::new(engine.vocab());
    let grammar = |n: usize| Grammar { lark: format!("start: \"word {n}\"") };
    assert!(constraints.at_hand(&grammar(0)).is_none());
    let mut first = constraints.compile(&grammar(0)).unwrap();
    let forced = first.forced().unwrap();
    assert!(!forced.is_empty(), "byte-level BPE is fast-forwarded");
    forced.iter().for_each(|id| first.accept(*id).unwrap());
    assert!(first.stopped());
    let mut again = constraints.at_hand(&grammar(0)).unwrap();
    assert_eq!(again.forced().unwrap(), forced);
    // The one that was used longest ago goes.
    for n in 1..KEPT {
        constraints.compile(&grammar(n)).unwrap();
    }
    assert!(constraints.at_hand(&grammar(0)).is_some());
    constraints.compile(&grammar(KEPT)).unwrap();
    assert!(constraints.at_hand(&grammar(0)).is_some());
    assert!(constraints.at_hand(&grammar(1)).is_none());
}

/// A mask that was computed ahead is kept for the choice; it must be of no other place.
#[tokio::test]
async fn a_mask_is_kept_until_the_reply_goes_on_or_back() {
    let file = resolve("smollm2-135m", &Silent).await.unwrap();
    let engine = Engine::load(file, &EngineOptions { context: Some(64), ..EngineOptions::default() }, |_| {}).unwrap();
    let vocab = engine.vocab();
    let stops = vocab.end_of_generation();
    let constraints = Constraints::new(Arc::clone(&vocab));
    let mut constraint = constraints.compile(&Grammar { lark: "start: /[ab][0-9]/ (\"x\" | \"y\")?".into() }).unwrap();
    let one = |text: &str| vocab.tokenize(text)[0];
    let (letter, digit, last) = (one("a"), one("7"), one("x"));
    let mut seen = Vec::new();
    for written in [letter, digit, last] {
        let mask = constraint.mask(&stops).unwrap().clone();
        assert!(*constraint.mask(&stops).unwrap() == mask, "the same place");
        assert_eq!(
            [letter, digit, last, stops[0]].map(|id| mask.is_allowed(id)),
            [written == letter, written == digit, written == last, written == last],
        );
        seen.push(mask);
        constraint.accept(written).unwrap();
    }
    for (back, mask) in seen.iter().enumerate().rev() {
        constraint.take_back(1).unwrap();
        assert!(constraint.mask(&stops).unwrap() == mask, "back at {back}");
    }
}

/// The lexer and the parser may take only so many steps for a mask; a vocabulary of bytes would not show that.
#[tokio::test]
async fn every_mask_of_a_reply_beside_an_interpreter_can_be_computed() {
    let tool = |name: &str| {
        let schema =
            serde_json::json!({"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]});
        glassbox_tools::ToolSpec::new(name, "looks").with_parameters(schema)
    };
    let prose =
        "Let us see.\n\n# A title\n\n| a | b |\n|---|---|\n| 0 | {} |\n\n```json\n{\n  \"title\": [1]\n}\n```\n\n";
    let ends = [
        "```python\nprint('a')\n```",
        "```json\n[\n  {\"name\": \"track\", \"arguments\": {\"symbol\": \"1\"}}\n]\n```",
        "[{\"name\": \"trace\", \"arguments\": {\"symbol\": \"1\"}}]",
        "{\n  \"name\": \"track\",\n  \"arguments\": {\n    \"symbol\": \"1\"\n  }\n}",
        "<tool_call>\n{\"name\": \"track\", \"arguments\": {\"symbol\": \"1\"}}\n</tool_call>",
        "{\"name\": \"Alice\"}\nThat is all.",
    ];
    for name in ["smollm2-135m", "qwen2.5-coder-0.5b"] {
        let file = resolve(name, &Silent).await.unwrap();
        let engine =
            Engine::load(file, &EngineOptions { context: Some(64), ..EngineOptions::default() }, |_| {}).unwrap();
        let vocab = engine.vocab();
        let dialect = crate::dialect::detect(&*vocab, engine.metadata()).unwrap().dialect;
        let constraints = Constraints::new(Arc::clone(&vocab));
        for (tools, interpreter, choice) in [
            (2, true, ToolChoice::Auto),
            (2, false, ToolChoice::Auto),
            (0, true, ToolChoice::Auto),
            (2, true, ToolChoice::Answer),
        ] {
            let request = Request {
                tools: ["track", "trace"].iter().take(tools).map(|name| tool(name)).collect(),
                interpreter,
                tool_choice: choice.clone(),
                parallel_calls: true,
                ..Request::default()
            };
            let grammar = dialect.grammar(&request).unwrap().unwrap();
            let (mut slowest, mut at) = (std::time::Duration::ZERO, String::new());
            for end in ends {
                let text = format!("{prose}{end}");
                let mut constraint = constraints.compile(&grammar).unwrap();
                for id in vocab.tokenize(&text) {
                    let started = std::time::Instant::now();
                    let mask = constraint.mask(&[]).unwrap_or_else(|error| panic!("{name}, {choice:?}: {error}"));
                    if started.elapsed() > slowest {
                        (slowest, at) = (started.elapsed(), String::from_utf8_lossy(&vocab.piece(id)).into_owned());
                    }
                    if !mask.is_allowed(id) {
                        // A call where none may be made, or of a tool that is not offered.
                        let named = dialect.name() == "generic" && end.contains("Alice");
                        assert!(choice == ToolChoice::Answer || tools == 0 || named, "{text}");
                        break;
                    }
                    constraint.accept(id).unwrap();
                }
            }
            println!("{name}, {tools} tools, interpreter {interpreter}, {choice:?}: {slowest:?} before {at:?}");
        }
    }
}
