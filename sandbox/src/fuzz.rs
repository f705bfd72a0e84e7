//! Mutations of what is valid, for the tests of everything that is read from outside: random bytes fail at the first
//! check, and what lies behind it stays untried.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// One change of some bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A byte becomes another.
    Byte(Index, u8),
    /// Eight bytes become a number, one way round or the other.
    Number(Index, u64, bool),
    /// All from here on is gone.
    Cut(Index),
    /// Something comes between.
    Insert(Index, Vec<u8>),
    /// A stretch is gone.
    Remove(Index, Index),
    /// A stretch comes twice.
    Repeat(Index, Index),
}

impl Change {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index| index.index(bytes.len() + 1);
        let stretch = |one: &Index, other: &Index| at(one).min(at(other))..at(one).max(at(other));
        match self {
            Self::Byte(index, by) => {
                let at = at(index);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= by;
                }
            }
            Self::Number(index, number, little) => {
                let at = at(index);
                let number = if *little { number.to_le_bytes() } else { number.to_be_bytes() };
                for (byte, with) in bytes.iter_mut().skip(at).zip(number) {
                    *byte = with;
                }
            }
            Self::Cut(index) => bytes.truncate(at(index)),
            Self::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(one, other) => drop(bytes.drain(stretch(one, other))),
            Self::Repeat(one, other) => {
                let stretch = stretch(one, other);
                let again = bytes.get(stretch.clone()).unwrap_or_default().to_vec();
                bytes.splice(stretch.end..stretch.end, again);
            }
        }
    }
}

/// Numbers at which arithmetic goes wrong.
pub(crate) fn odd_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        Just(u64::MAX - 7),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        Just(1 << 32),
        Just(1 << 44),
        0..1000_u64,
        any::<u64>(),
    ]
}

/// A few changes of bytes; also none.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let index = any::<Index>;
    let change = prop_oneof![
        (index(), 1_u8..).prop_map(|(at, by)| Change::Byte(at, by)),
        (index(), odd_number(), any::<bool>()).prop_map(|(at, number, little)| Change::Number(at, number, little)),
        index().prop_map(Change::Cut),
        (index(), proptest::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, more)| Change::Insert(at, more)),
        (index(), index()).prop_map(|(one, other)| Change::Remove(one, other)),
        (index(), index()).prop_map(|(one, other)| Change::Repeat(one, other)),
    ];
    proptest::collection::vec(change, 0..4)
}

/// The bytes with these changes.
pub(crate) fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

/// Values of JSON as nobody expects them.
pub(crate) fn odd_value() -> impl Strategy<Value = Value> {
    let deep = (0..40).fold(json!(null), |inner, _| json!([inner]));
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        odd_number().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("\u{0}../\u{1b}[31m")),
        Just(deep),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The values of a document that become others, and those that go.
pub(crate) fn edits() -> impl Strategy<Value = Vec<(Index, Option<Value>)>> {
    proptest::collection::vec((any::<Index>(), proptest::option::weighted(0.8, odd_value())), 0..4)
}

/// `document` with some of its values replaced or removed.
pub(crate) fn edited(document: &Value, edits: &[(Index, Option<Value>)]) -> Value {
    let mut document = document.clone();
    for (index, with) in edits {
        let mut paths = Vec::new();
        pointers(&document, &mut String::new(), &mut paths);
        let path = index.get(&paths);
        match (with, path.rsplit_once('/')) {
            (None, Some((parent, name))) => match document.pointer_mut(parent) {
                Some(Value::Object(members)) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
                Some(Value::Array(items)) => drop(items.pop()),
                _ => {}
            },
            (with, _) => {
                if let Some(place) = document.pointer_mut(path) {
                    *place = with.clone().unwrap_or_default();
                }
            }
        }
    }
    document
}

/// Where all values of a document are, its own place first.
fn pointers(value: &Value, path: &mut String, all: &mut Vec<String>) {
    all.push(path.clone());
    let length = path.len();
    let mut inner = |name: &str, value: &Value| {
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        pointers(value, path, all);
        path.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| inner(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| inner(&at.to_string(), value)),
        _ => {}
    }
}
