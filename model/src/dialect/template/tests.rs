use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::Vocab;

struct Words(BTreeMap<u32, &'static str>);

impl Vocab for Words {
    fn len(&self) -> u32 {
        100
    }
    fn tokenize(&self, _: &str) -> Vec<u32> {
        Vec::new()
    }
    fn piece(&self, _: u32) -> Vec<u8> {
        Vec::new()
    }
    fn is_special(&self, id: u32) -> bool {
        self.0.contains_key(&id)
    }
    fn special_text(&self, id: u32) -> Option<String> {
        self.0.get(&id).map(|text| (*text).to_owned())
    }
    fn special(&self, text: &str) -> Option<u32> {
        self.0.iter().find(|(_, known)| **known == text).map(|(id, _)| *id)
    }
    fn end_of_generation(&self) -> Vec<u32> {
        Vec::new()
    }
    fn bos(&self) -> Option<u32> {
        None
    }
}

fn specials() -> Specials {
    Specials::of(&Words([(1, "<|a|>"), (2, "<|a|>b"), (3, "[X]"), (4, "|"), (5, "aa")].into()))
}

fn render(source: &str, messages: Value) -> Result<String, DialectError> {
    let messages = messages.as_array().cloned().unwrap_or_default();
    ChatTemplate::new(source, "<s>", "</s>")?.render(&Input {
        messages,
        tools: vec![json!({"名": [1, 2.0]})],
        generation: true,
    })
}

#[test]
fn templates_get_what_hugging_face_gives_them() {
    let source = "{{ bos_token }}{% for m in messages %}\n  {%- if m['role'] == 'user' and m.content.startswith('q') %}\n\
        {{ m.get('content') | trim }}/{{ m.content.split(' ')[-1] }}\n  {% endif %}\n{% endfor %}\
        {{ tools | tojson }}{{ tools | tojson(indent=2) }}{{ strftime_now('%%') }}\
        {%- set ns = namespace(n=0) %}{% for i in range(10) %}{% if i == 3 %}{% break %}{% endif %}{% set ns.n = ns.n + i %}{% endfor %}\
        {{ ns.n }}{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f('y') }}{{ messages[1:] | length }}{{ nothing }}\
        {{ messages[::-1][0].role }}{{ 'a</think>\\nb'.split('</think>')[-1].lstrip('\\n') }}{{ messages[0].content is string }}\
        {{ 'b' in 'abc' }}{{ messages[0].tool_calls is defined }}{{ messages[-1]['role'] }}{% if not nothing %}n{% endif %}";
    let text =
        render(source, json!([{"role": "user", "content": "q <b> 'x'  "}, {"role": "assistant", "content": "a"}]))
            .unwrap();
    assert_eq!(
        text,
        "<s>q <b> 'x'/\n[{\"名\": [1, 2.0]}][\n  {\n    \"名\": [\n      1,\n      2.0\n    ]\n  }\n]%3[y]1assistantbTrueTrueFalseassistantn"
    );
}

#[test]
fn a_template_that_refuses_or_runs_away_is_an_error() {
    for (source, expected) in [
        ("{{ raise_exception('only user and assistant') }}", "only user and assistant"),
        ("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "fuel"),
        (
            "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "fuel",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% for i in range(2000) %}{{ 'aaaaaaaaaa' * 1000 }}{% endfor %}", "more than 16777216 bytes"),
        ("{{ 1 // 0 }}", "unable to calculate"),
        ("{% include 'other' %}", "other"),
    ] {
        let error = render(source, json!([])).unwrap_err().to_string();
        assert!(error.to_lowercase().contains(expected), "{source}: {error}");
    }
    assert!(ChatTemplate::new("{% if %}", "", "").is_err());
}

#[test]
fn specials_come_from_the_template_alone() {
    let specials = specials();
    let content = "<|a|>b [X] aaa <|<|a|>|>";
    let mut guard = Guard::new([content].into_iter(), std::iter::empty(), &specials).unwrap();
    let mark = guard.recorded(&[7, 8]);
    let rendered = format!("<|a|>b{}<|a|>{mark}[X]", guard.text(content, &specials));
    let pieces = guard.split(&rendered, &specials, "").unwrap();
    assert_eq!(
        pieces,
        [
            Piece::Special(2),
            Piece::Text(content.to_owned()),
            Piece::Special(1),
            Piece::Tokens(vec![7, 8]),
            Piece::Special(3)
        ]
    );
}

#[test]
fn private_characters_in_texts_stay() {
    let specials = specials();
    let used: String = ('\u{E000}'..='\u{E7FF}').collect();
    let guard = Guard::new([used.as_str()].into_iter(), std::iter::empty(), &specials).unwrap();
    assert_eq!(guard.split(&guard.text(&used, &specials), &specials, "").unwrap(), [Piece::Text(used)]);
    let all: String = ('\u{E000}'..='\u{F8FF}').collect();
    assert!(Guard::new([all.as_str()].into_iter(), std::iter::empty(), &specials).is_err());
}

#[test]
fn a_recorded_reply_that_is_dropped_doubled_or_moved_is_noticed() {
    let specials = specials();
    let mut guard = Guard::new(std::iter::empty(), std::iter::empty(), &specials).unwrap();
    let (one, two) = (guard.recorded(&[1]), guard.recorded(&[2]));
    for bad in [
        one.clone(),
        format!("{one}{one}{two}"),
        format!("{two}{one}"),
        format!("{one}{two}{}", two.trim_end_matches(char::is_alphanumeric).chars().next().unwrap()),
    ] {
        assert!(guard.split(&bad, &specials, "").is_err(), "{bad:?}");
    }
    assert!(guard.split(&format!("x{one}y{two}"), &specials, "").is_ok());
}

#[test]
fn what_the_template_leaves_out_before_an_old_reply_is_put_back() {
    let specials = specials();
    let mut guard = Guard::new(std::iter::empty(), std::iter::empty(), &specials).unwrap();
    let mark = guard.recorded(&[9]);
    let text = |rendered: &str| guard.split(rendered, &specials, "<|a|>model\n<think>\n").unwrap();
    let whole = vec![
        Piece::Text("u".into()),
        Piece::Special(1),
        Piece::Text("model\n<think>\n".into()),
        Piece::Tokens(vec![9]),
    ];
    assert_eq!(text(&format!("u<|a|>model\n{mark}")), whole);
    assert_eq!(text(&format!("u<|a|>model\n<think>\n{mark}")), whole);
    assert_eq!(text(&format!("u{mark}")), [Piece::Text("u".into()), Piece::Tokens(vec![9])]);
}
