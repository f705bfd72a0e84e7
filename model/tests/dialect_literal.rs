//! The literal reader and writer against Python itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod dialects;

use std::io::Write as _;
use std::process::{Command, Stdio};

use dialects::Seeded;
use glassbox_model::dialect::literal::{self, Quotes};
use serde_json::{Map, Value, json};

/// Runs a program, with `input`, and gives the lines it prints.
fn python(program: &str, input: &str) -> Vec<String> {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3 cannot be run ({error}); these tests need it: install python3"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "python3 failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Values as `repr` writes them, and as other people write them, each with the JSON of what `ast.literal_eval` reads.
const GENERATE: &str = r#"
import ast, json, random
R = random.Random(20240229)
CHARS = "abcXYZ 019_-'\"\\/\n\r\t\x00\x1b\x7f\x85\xa0\xad\u00e9\u3000\u200b\u2028\ue000\u4e2d\u6587\ufeff\U0001f44b\U0001f468{}[]()#,:="
def text(): return "".join(R.choice(CHARS) for _ in range(R.choice([0, 1, 3, 8, 30])))
def number():
    return R.choice([0, 1, -1, R.randint(-9, 9), R.randint(-10**6, 10**6), R.randint(-2**63, 2**64 - 1),
                     R.uniform(-1, 1), R.uniform(-1e6, 1e6), R.choice([1e16, 1e-5, 1.5e300, -0.0, 5e-324, 123456789012345.6, 0.1])])
def key(): return R.choice([text(), text(), text(), R.randint(-5, 10**12), True, False, None, R.uniform(-1e20, 1e20)])
def value(depth):
    kind = R.random()
    if depth == 0 or kind < 0.5:
        return R.choice([text(), number(), True, False, None])
    n = R.choice([0, 1, 2, 5])
    if kind < 0.65: return [value(depth - 1) for _ in range(n)]
    if kind < 0.75: return tuple(value(depth - 1) for _ in range(n))
    if kind < 0.8: return {R.choice([text(), R.randint(0, 99), None]) for _ in range(n)}
    return {key(): value(depth - 1) for _ in range(n)}
def plain(v):
    if isinstance(v, (list, tuple, set)): return [plain(x) for x in v]
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    return v
def space(): return R.choice(["", "", "", " ", "\n", "\t  "])
def integer(n):
    sign = "-" if n < 0 else R.choice(["", "", "+"])
    return sign + R.choice([str, hex, oct, bin, lambda n: f"{n:_}", lambda n: f"{n:#X}", lambda n: f"{n:#_x}"])(abs(n))
def string(s):
    forms = [repr(s), ascii(s), json.dumps(s), '"""' + s.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\x00", "\\x00") + '"""',
             "u" + repr(s), "'" + "".join(f"\\U{ord(c):08x}" for c in s) + "'",
             "'" + "".join(f"\\{ord(c):03o}" if ord(c) < 256 else f"\\U{ord(c):08X}" for c in s) + "'"]
    if not any(c in s for c in "\\'\n\r\x00"): forms.append("r'" + s + "'")
    if len(s) > 1: forms.append(repr(s[:1]) + space() + "  " + repr(s[1:]))
    return R.choice(forms)
def styled(v):
    if isinstance(v, bool) or v is None: return repr(v)
    if isinstance(v, str): return string(v)
    if isinstance(v, int): return integer(v)
    if isinstance(v, float): return R.choice([repr(v), f"{v:.17e}", f"{v!r}".upper() if "e" in repr(v) else repr(v)])
    comma = lambda v: R.choice(["", ","]) if v else ""
    if isinstance(v, dict):
        return "{" + space() + ("," + space()).join(styled(k) + space() + ":" + space() + styled(x) + space() for k, x in v.items()) + comma(v) + space() + "}"
    inner = space() + ("," + space()).join(styled(x) + space() for x in v)
    if isinstance(v, tuple): return "(" + inner + (("," if len(v) == 1 else comma(v))) + space() + ")"
    return "[" + inner + comma(v) + space() + "]"
for i in range(10000):
    v = value(4)
    print(json.dumps([repr(v), plain(v)]))
# What is read again has no sets: their order would not be kept. The parentheses let it go over lines.
def lists(v):
    if isinstance(v, set): return sorted(map(str, v))
    if isinstance(v, (list, tuple)): return type(v)(lists(x) for x in v)
    if isinstance(v, dict): return {k: lists(x) for k, x in v.items()}
    return v
for i in range(4000):
    s = styled(lists(value(3)))
    print(json.dumps([s, plain(ast.literal_eval("(" + s + ")"))]))
"#;

#[test]
fn ten_thousand_values_read_as_python_wrote_them() {
    let lines = python(GENERATE, "");
    assert_eq!(lines.len(), 14_000);
    for line in lines {
        let pair: Value = serde_json::from_str(&line).unwrap();
        let text = pair[0].as_str().unwrap();
        match literal::read(text) {
            Ok(value) => assert_eq!(value, pair[1], "{text}"),
            Err(error) => panic!("{error}\n{text}"),
        }
    }
}

fn random_text(random: &mut Seeded) -> String {
    let chars: Vec<char> =
        "abc XYZ019_'\"\\/\n\r\t\0\u{1b}\u{7f}\u{85}\u{a0}\u{ad}é\u{3000}\u{200b}\u{2028}\u{e000}中文👋{}[](),:="
            .chars()
            .collect();
    (0..random.below(12)).map(|_| *random.pick(&chars)).collect()
}

fn random_value(random: &mut Seeded, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => json!(random.next() as i64 >> random.below(64)),
        3 => json!(f64::from_bits(random.next())),
        4 => Value::String(random_text(random)),
        5 | 6 => (0..random.below(4)).map(|_| random_value(random, depth - 1)).collect(),
        _ => Value::Object(random_map(random, depth - 1)),
    }
}

fn random_map(random: &mut Seeded, depth: usize) -> Map<String, Value> {
    (0..random.below(4)).map(|_| (random_text(random), random_value(random, depth))).collect()
}

#[test]
fn what_is_written_is_repr_and_python_reads_it_back() {
    let mut random = Seeded(7);
    let values: Vec<Value> = (0..3000).map(|_| random_value(&mut random, 3)).collect();
    let mut input = String::new();
    for value in &values {
        let (single, double) = (literal::write(value, Quotes::Single), literal::write(value, Quotes::Double));
        assert_eq!(&literal::read(&single).unwrap(), value, "{single}");
        assert_eq!(&literal::read(&double).unwrap(), value, "{double}");
        input += &json!([value, single, double]).to_string();
        input.push('\n');
    }
    let check = r#"
import ast, json, sys
for line in sys.stdin.buffer.read().decode().split("\n")[:-1]:
    value, single, double = json.loads(line)
    ok = repr(value) == single and ast.literal_eval(double) == value
    print("ok" if ok else f"{value!r} {single} {double}")
"#;
    let answers = python(check, &input);
    assert_eq!(answers.len(), values.len());
    let wrong: Vec<_> = answers.iter().filter(|answer| *answer != "ok").collect();
    assert!(wrong.is_empty(), "{} wrong, first {:?}", wrong.len(), wrong.first());
}

#[test]
fn calls_read_back_as_written() {
    let mut random = Seeded(11);
    for _ in 0..2000 {
        let arguments = random_map(&mut random, 3);
        for quotes in [Quotes::Single, Quotes::Double] {
            let text = literal::write_call("tool_call", &arguments, quotes);
            let call = literal::read_call(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!((call.name.as_str(), call.arguments, call.length), ("tool_call", arguments.clone(), text.len()));
        }
    }
}

#[test]
fn calls_in_their_variants() {
    let read = |text: &str| literal::read_call(text).map(|call| Value::Object(call.arguments));
    assert_eq!(read("tool_call()").unwrap(), json!({}));
    assert_eq!(read(" tool_call (\n  a = 1 ,\n\tb='x',\n) rest").unwrap(), json!({"a": 1, "b": "x"}));
    assert_eq!(
        read("tool_call(location=\"beijing\", range=(1, 2), f={'k': [None, True]}, max-tokens=-3)").unwrap(),
        json!({"location": "beijing", "range": [1, 2], "f": {"k": [null, true]}, "max-tokens": -3})
    );
    assert_eq!(read("t(**{'a b': 1}, c=2)").unwrap(), json!({"a b": 1, "c": 2}));
    assert_eq!(read("t(a=f(x))").unwrap_err().to_string(), "`f(…)` is a call, not a value (line 1, column 5)");
    for (text, problem) in [
        ("tool_call('x')", "argument 1 has no name"),
        ("tool_call(a=1, 2)", "argument 2 has no name"),
        ("tool_call(a==1)", "argument 1 has no name"),
        ("tool_call(a=1, a=2)", "`a` is given twice"),
        ("tool_call(a=1, **{'a': 2})", "`a` is given twice"),
        ("tool_call(a=1 b=2)", "`b` where `,` or `)` should stand"),
        ("tool_call(a=", "the text ends where a value should stand"),
        ("tool_call(a=1", "the text ends before the closing `)`"),
        ("tool_call(a=1,", "the text ends before the closing `)`"),
        ("tool_call", "`(` is missing"),
        ("(a=1)", "begins with a name"),
        ("tool_call(*[1])", "argument 1 has no name"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn what_json_cannot_hold_is_an_error_with_its_place() {
    for (text, problem) in [
        ("b'x'", "bytes"),
        ("rb'x'", "bytes"),
        ("f'{x}'", "f-string"),
        ("nan", "no value that JSON knows"),
        ("-inf", "no value that JSON knows"),
        ("1e999", "too large"),
        ("18446744073709551616", "does not fit into 64 bits"),
        ("-9223372036854775809", "does not fit into 64 bits"),
        ("0x1ffffffffffffffff", "does not fit into 64 bits"),
        ("1j", "complex"),
        ("007", "leading zeros"),
        ("1__0", "a digit is missing"),
        ("1_", "a digit is missing"),
        ("0x", "a digit is missing"),
        ("1.2.3", "after the end"),
        ("12ab", "right after a number"),
        ("[1, 2", "ends before the closing `]`"),
        ("[1 2]", "where `,` or `]` should stand"),
        ("[,]", "where a value should stand"),
        ("{'a' 1}", "where `,` or `}` should stand"),
        ("{'a': 1, 2}", "`:` is missing"),
        ("{[1]: 2}", "a key must be"),
        ("'abc", "never closed"),
        ("'a\nb'", "line break"),
        ("'\\x1'", "2 hexadecimal digits"),
        ("'\\u12'", "4 hexadecimal digits"),
        ("'\\N{BULLET}'", "by name"),
        ("'\\Uffffffff'", "no character"),
        ("hello", "text needs quotes"),
        ("print('x')", "is a call"),
        ("", "ends where a value should stand"),
        ("1 2", "after the end"),
        ("-", "a sign without a number"),
        ("-.", "a digit is missing"),
        ("...", "where a value should stand"),
    ] {
        let error = literal::read(text).unwrap_err();
        assert!(error.problem.contains(problem), "{text}: {error}");
    }
    let error = literal::read("[1,\n 2,\n  中文, 3]").unwrap_err();
    assert_eq!((error.line, error.column, error.at), (3, 3, 10));
}

#[test]
fn small_things() {
    for (text, value) in [
        ("(1)", json!(1)),
        ("(1,)", json!([1])),
        ("()", json!([])),
        ("{1, 2}", json!([1, 2])),
        ("frozenset({1})", json!([1])),
        ("[true, false, null, None]", json!([true, false, null, null])),
        ("'\\ud83d\\ude00'", json!("😀")),
        ("'\\ud83d'", json!("\u{fffd}")),
        ("'\\ude00\\ud83d'", json!("\u{fffd}\u{fffd}")),
        ("'\\q\\\n'", json!("\\q")),
        ("R'\\n' u'x'", json!("\\nx")),
        ("'''a'b''c'''", json!("a'b''c")),
        ("- -1.", json!(1.0)),
        (".5e1", json!(5.0)),
        ("{1: 'a', '1': 'b', None: 0, True: 1, 2.5: 2}", json!({"1": "b", "null": 0, "true": 1, "2.5": 2})),
    ] {
        assert_eq!(literal::read(text).unwrap(), value, "{text}");
    }
    assert_eq!(
        literal::read_relaxed_json("{\"a\": \"x\ny\\/\", 'b': True, \"c\": [1,],}").unwrap(),
        json!({"a": "x\ny/", "b": true, "c": [1]})
    );
}

#[test]
fn deep_and_long_texts_are_handled() {
    for open in ["[", "(", "{'a':", "{1:"] {
        let error = literal::read(&open.repeat(100_000)).unwrap_err();
        assert!(error.problem.contains("64 levels"), "{error}");
    }
    let nested = format!("{}1{}", "[".repeat(64), "]".repeat(64));
    assert!(literal::read(&nested).is_ok());
    let long = format!("'{}'", "中".repeat(500_000));
    assert_eq!(literal::read(&long).unwrap().as_str().unwrap().chars().count(), 500_000);
    let many = format!("[{}]", "'a', ".repeat(200_000));
    assert_eq!(literal::read(&many).unwrap().as_array().unwrap().len(), 200_000);
}
