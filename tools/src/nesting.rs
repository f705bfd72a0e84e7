//! Deep JSON made harmless.
//!
//! Almost everything that is done to a [`Value`] recurses: cloning, printing, validating, and even dropping it. A model
//! that writes a hundred thousand `[` would take the whole process down with a stack overflow, which nothing can
//! catch. The two functions here walk with a heap-allocated stack, so they are safe on any value; [`Gate`](crate::Gate)
//! uses them before anything that recurses sees the arguments.

use serde_json::Value;

/// How deep arguments and schemas may be nested: objects and lists within each other, the outermost counted as 1.
pub const MAX_DEPTH: usize = 64;

/// Whether `value` nests objects and lists deeper than `limit`. A bare number, string, boolean or null has depth 0.
///
/// ```
/// use glassbox_tools::nesting::deeper_than;
/// use serde_json::json;
///
/// assert!(!deeper_than(&json!([[1]]), 2));
/// assert!(deeper_than(&json!([[1]]), 1));
/// ```
pub fn deeper_than(value: &Value, limit: usize) -> bool {
    let mut stack = vec![(value, 1_usize)];
    while let Some((value, depth)) = stack.pop() {
        match value {
            Value::Array(_) | Value::Object(_) if depth > limit => return true,
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => stack.extend(members.values().map(|member| (member, depth + 1))),
            _ => {}
        }
    }
    false
}

/// Drops `value` without recursion.
pub fn dismantle(value: Value) {
    let mut stack = vec![value];
    while let Some(value) = stack.pop() {
        match value {
            Value::Array(items) => stack.extend(items),
            Value::Object(members) => stack.extend(members.into_iter().map(|(_, member)| member)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, level| {
            if level % 2 == 0 {
                Value::Array(vec![inner])
            } else {
                Value::Object([("a".to_owned(), inner)].into_iter().collect())
            }
        })
    }

    #[test]
    fn depth_is_counted_from_the_outermost_container() {
        for (value, depth) in [(json!(1), 0), (json!([]), 1), (json!({"a": [1]}), 2), (json!([1, [2, {"x": 3}]]), 3)] {
            assert!(!deeper_than(&value, depth), "{value}");
            if depth > 0 {
                assert!(deeper_than(&value, depth - 1), "{value}");
            }
        }
    }

    #[test]
    fn a_million_levels_are_measured_and_dropped_on_a_small_stack() {
        let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(|| {
            let value = nested(1_000_000);
            assert!(deeper_than(&value, MAX_DEPTH));
            assert!(!deeper_than(&value, 1_000_000));
            dismantle(value);
        });
        thread.unwrap().join().unwrap();
    }
}
