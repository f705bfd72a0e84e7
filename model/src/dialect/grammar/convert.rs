//! JSON Schema to Lark, for arguments written as Python's keyword arguments or as a JSON object.
//!
//! The grammar takes only values that satisfy the schema; it need not take all of them (strings with a pattern have no
//! escapes, values without a type are nested three deep at most). What it could not heed is an error.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::lark::{self, Lark, alternatives};
use super::numbers::{self, Bound};
use super::schema::{Path, Problem, bound, check_keywords, count, others, required, resolve};
use super::strings;
use super::syntax::Syntax;
use crate::dialect::literal;

/// The deepest nesting of a schema.
const MAX_DEPTH: usize = 96;

/// The most further entries of an object that allows any.
const MAX_EXTRA: usize = 32;

/// The nesting of a value without a type.
const ANY_DEPTH: usize = 3;

/// Adds the rules for the arguments of a call, and gives the name of the first: in Python what stands between the
/// parentheses (`city='Beijing', days=3`), in JSON the object.
///
/// # Errors
/// What cannot be expressed, and where in the schema it stands.
pub(super) fn arguments(lark: &mut Lark, schema: &Value, syntax: Syntax) -> Result<String, Problem> {
    let path = Path::root();
    let Some(map) = schema.as_object() else {
        return Err(path.problem("the parameters are not the schema of an object"));
    };
    check_keywords(map, &path)?;
    if let Some(keyword) = others(map, &["type", "properties", "required", "additionalProperties"]) {
        return Err(path.keyword(keyword));
    }
    let mut converter = Converter { lark, root: schema, references: HashMap::new(), syntax };
    match syntax {
        Syntax::Python => converter.keywords(map, &path),
        Syntax::Json => {
            let mut map = map.clone();
            // A tool without parameters takes none.
            if !map.contains_key("properties") {
                map.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            converter.object(&map, &path)
        }
    }
}

struct Converter<'a> {
    lark: &'a mut Lark,
    root: &'a Value,
    references: HashMap<String, String>,
    syntax: Syntax,
}

impl Converter<'_> {
    fn keywords(&mut self, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        let mut items = Vec::new();
        let mut taken = Vec::new();
        for (name, member, needed) in members(map, path)? {
            let at = path.with("properties").with(&name);
            if !literal::is_keyword(&name) {
                return Err(at.problem(format!("`{name}` cannot be the name of an argument")));
            }
            let value = self.value(&member, &at)?;
            let head = self.lark.terminal(lark::literal(&format!("{name}=")));
            items.push((format!("{head} {value}"), needed));
            taken.push(lark::literal(&format!("{name}=")));
        }
        let extra = match map.get("additionalProperties") {
            Some(Value::Bool(false)) | None => None,
            Some(other) => {
                let value = self.value(other, &path.with("additionalProperties"))?;
                let mut body = lark::regex("[A-Za-z_][A-Za-z0-9_]{0,40}=");
                if !taken.is_empty() {
                    body = format!("{body} & ~({})", alternatives(&taken));
                }
                let head = self.lark.terminal(body);
                // One alone: two might get the same name.
                Some((format!("{head} {value}"), 1))
            }
        };
        Ok(self.sequence(&items, extra))
    }

    fn value(&mut self, schema: &Value, path: &Path) -> Result<String, Problem> {
        if path.depth() > MAX_DEPTH {
            return Err(path.problem("the schema is nested too deeply"));
        }
        let map = match schema {
            Value::Bool(true) => return Ok(self.any(ANY_DEPTH)),
            Value::Bool(false) => return Err(path.problem("the schema `false` allows no value")),
            Value::Object(map) => map,
            other => return Err(path.problem(format!("{other} is no schema"))),
        };
        check_keywords(map, path)?;
        if let Some(reference) = map.get("$ref") {
            return self.reference(map, reference, path);
        }
        if let Some(constant) = map.get("const") {
            return Ok(self.constants(std::slice::from_ref(constant)));
        }
        if let Some(options) = map.get("enum") {
            let options = options.as_array().filter(|options| !options.is_empty());
            let options = options.ok_or_else(|| path.problem("`enum` is not a list of values"))?;
            return Ok(self.constants(options));
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            if let Some(options) = map.get(keyword) {
                return self.combined(map, keyword, options, path);
            }
        }
        let types: Vec<&str> = match map.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            Some(other) => return Err(path.problem(format!("`type` is {other}"))),
            None => inferred(map).into_iter().collect(),
        };
        if types.is_empty() {
            return Ok(self.any(ANY_DEPTH));
        }
        let options = types.into_iter().map(|kind| self.typed(kind, map, path)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.one_of(&options))
    }

    fn one_of(&mut self, options: &[String]) -> String {
        match options {
            [one] => one.clone(),
            several => self.lark.rule(alternatives(several)),
        }
    }

    fn reference(&mut self, map: &Map<String, Value>, reference: &Value, path: &Path) -> Result<String, Problem> {
        let reference = reference.as_str().ok_or_else(|| path.problem("`$ref` is not a string"))?;
        if let Some(beside) = others(map, &["$ref"]) {
            return Err(path.problem(format!("`{beside}` beside `$ref` cannot be turned into a grammar")));
        }
        if let Some(name) = self.references.get(reference) {
            return Ok(name.clone());
        }
        let target = resolve(self.root, reference, path)?.clone();
        let name = self.lark.reserve();
        self.references.insert(reference.to_owned(), name.clone());
        let body = self.value(&target, &path.with("$ref"))?;
        if body == name {
            return Err(path.problem(format!("`{reference}` is defined as itself")));
        }
        self.lark.fill(&name, &body);
        Ok(name)
    }

    fn combined(
        &mut self,
        map: &Map<String, Value>,
        keyword: &str,
        options: &Value,
        path: &Path,
    ) -> Result<String, Problem> {
        let path = path.with(keyword);
        let options = options.as_array().filter(|options| !options.is_empty());
        let options = options.ok_or_else(|| path.problem("this is not a list of schemas"))?;
        if let Some(beside) = others(map, &[keyword, "type"]) {
            return Err(path.problem(format!("`{beside}` beside `{keyword}` cannot be turned into a grammar")));
        }
        if keyword == "allOf" && options.len() > 1 {
            return Err(path.problem("the keyword `allOf` with several schemas cannot be turned into a grammar"));
        }
        let mut names = Vec::new();
        for (i, option) in options.iter().enumerate() {
            let mut option = option.clone();
            if let (Some(kind), Some(inner)) = (map.get("type"), option.as_object_mut())
                && !inner.contains_key("$ref")
            {
                inner.entry("type").or_insert_with(|| kind.clone());
            }
            names.push(self.value(&option, &path.with(i))?);
        }
        Ok(self.one_of(&names))
    }

    fn typed(&mut self, kind: &str, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        match kind {
            "null" => Ok(self.lark.terminal(lark::literal(self.syntax.null()))),
            "boolean" => Ok(self.lark.terminal(alternatives(&self.syntax.booleans().map(lark::literal)))),
            "string" => strings::of(self.lark, self.syntax, map, path),
            "integer" => self.integer(map, path),
            "number" => self.number(map, path),
            "array" => self.array(map, path),
            "object" => self.object(map, path),
            other => Err(path.problem(format!("there is no type `{other}`"))),
        }
    }

    fn integer(&mut self, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        let low = bound(map, "minimum", path)?.map(|n| n.ceil() as i128);
        let above = bound(map, "exclusiveMinimum", path)?.map(|n| n.floor() as i128 + 1);
        let high = bound(map, "maximum", path)?.map(|n| n.floor() as i128);
        let below = bound(map, "exclusiveMaximum", path)?.map(|n| n.ceil() as i128 - 1);
        let pattern = numbers::integer(low.max(above), [high, below].into_iter().flatten().min());
        let pattern = pattern.ok_or_else(|| path.problem("no integer lies between the bounds"))?;
        Ok(self.lark.terminal(lark::regex(&pattern)))
    }

    fn number(&mut self, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        let closed = |value| Bound { value, open: false };
        let open = |value| Bound { value, open: true };
        let lows = [bound(map, "minimum", path)?.map(closed), bound(map, "exclusiveMinimum", path)?.map(open)];
        let highs = [bound(map, "maximum", path)?.map(closed), bound(map, "exclusiveMaximum", path)?.map(open)];
        let low = lows.into_iter().flatten().max_by(|a, b| a.value.total_cmp(&b.value).then(a.open.cmp(&b.open)));
        let high = highs.into_iter().flatten().min_by(|a, b| a.value.total_cmp(&b.value).then(b.open.cmp(&a.open)));
        let pattern = numbers::decimal(low, high);
        let pattern = pattern.ok_or_else(|| path.problem("no number that can be written lies between the bounds"))?;
        let pattern = lark::regex(&pattern);
        // OpenAPI's formats: whoever asks for a float gets `3.0`, which is no integer to a reader that tells them apart.
        let float = matches!(map.get("format").and_then(Value::as_str), Some("float" | "double"));
        let point = lark::regex(r"-?[0-9]+\.(?s:.*)");
        Ok(self.lark.terminal(if float { format!("{pattern} & {point}") } else { pattern }))
    }

    fn array(&mut self, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        let least = count(map, "minItems", path)?.unwrap_or(0) as usize;
        let most = count(map, "maxItems", path)?.map(|most| most as usize);
        if most.is_some_and(|most| least > most) {
            return Err(path.problem(format!("no list has at least {least} and at most {} items", most.unwrap_or(0))));
        }
        let prefix: Vec<&Value> = map.get("prefixItems").and_then(Value::as_array).into_iter().flatten().collect();
        let mut first = Vec::new();
        for (i, item) in prefix.iter().enumerate().take(most.unwrap_or(usize::MAX)) {
            first.push(self.value(item, &path.with("prefixItems").with(i))?);
        }
        let more = match map.get("items") {
            Some(Value::Bool(false)) => None,
            None if !first.is_empty() => None,
            items => Some(self.value(items.unwrap_or(&Value::Bool(true)), &path.with("items"))?),
        };
        let (least, most) = (least.saturating_sub(first.len()), most.map(|most| most.saturating_sub(first.len())));
        let separator = self.separator();
        let mut body = first.join(&format!(" {separator} "));
        match more.filter(|_| most != Some(0)) {
            None if least > 0 => return Err(path.problem("`minItems` asks for more items than the list may have")),
            None => {}
            Some(item) if body.is_empty() => {
                let most = most.map(|most| (most - 1).to_string()).unwrap_or_default();
                let rest = if most == "0" {
                    String::new()
                } else {
                    format!(" ({separator} {item}){{{},{most}}}", least.saturating_sub(1))
                };
                body = if least == 0 { format!("({item}{rest})?") } else { format!("{item}{rest}") };
            }
            Some(item) => {
                let most = most.map(|most| most.to_string()).unwrap_or_default();
                body = format!("{body} ({separator} {item}){{{least},{most}}}");
            }
        }
        let [open, close] = self.brackets('[', ']');
        Ok(self.lark.rule(format!("{open} {body} {close}")))
    }

    fn object(&mut self, map: &Map<String, Value>, path: &Path) -> Result<String, Problem> {
        let colon = lark::regex(self.syntax.colon());
        let mut items = Vec::new();
        let mut taken = Vec::new();
        for (name, member, needed) in members(map, path)? {
            let value = self.value(&member, &path.with("properties").with(&name))?;
            let ways: Vec<_> = strings::exactly(&name, self.syntax).iter().map(|way| lark::literal(way)).collect();
            let key = format!("({})", alternatives(&ways));
            let head = self.lark.terminal(format!("{key} {colon}"));
            items.push((format!("{head} {value}"), needed));
            taken.push(key);
        }
        let extra = match map.get("additionalProperties") {
            Some(Value::Bool(false)) => None,
            // With properties, no others; without any, every object.
            None if map.contains_key("properties") => None,
            other => Some(self.value(other.unwrap_or(&Value::Bool(true)), &path.with("additionalProperties"))?),
        };
        let extra = extra.map(|value| {
            // No escapes: two ways to write one key would let a declared one through.
            let mut key = format!("({})", strings::short_plain(self.syntax));
            if !taken.is_empty() {
                key = format!("({key} & ~({}))", alternatives(&taken));
            }
            let head = self.lark.terminal(format!("{key} {colon}"));
            (format!("{head} {value}"), MAX_EXTRA)
        });
        let inner = self.sequence(&items, extra);
        let [open, close] = self.brackets('{', '}');
        Ok(self.lark.rule(format!("{open} {inner} {close}")))
    }

    /// Entries in their order with commas between, the optional ones or not, then up to so many `extra` ones.
    fn sequence(&mut self, items: &[(String, bool)], extra: Option<(String, usize)>) -> String {
        let separator = self.separator();
        // `after`: what may follow an entry. `begin`: what may stand where there was none yet.
        let (mut after, mut begin) = match extra {
            Some((extra, most)) => {
                let after = format!("({separator} {extra}){{0,{most}}}");
                let begin = if most > 1 {
                    format!("({extra} ({separator} {extra}){{0,{}}})?", most - 1)
                } else {
                    format!("({extra})?")
                };
                (self.lark.rule(after), self.lark.rule(begin))
            }
            None => (self.lark.rule("\"\""), self.lark.rule("\"\"")),
        };
        for (item, needed) in items.iter().rev() {
            if *needed {
                begin = self.lark.rule(format!("{item} {after}"));
                after = self.lark.rule(format!("{separator} {item} {after}"));
            } else {
                begin = self.lark.rule(format!("{item} {after} | {begin}"));
                after = self.lark.rule(format!("({separator} {item})? {after}"));
            }
        }
        begin
    }

    fn separator(&mut self) -> String {
        self.lark.terminal(lark::regex(self.syntax.comma()))
    }

    fn brackets(&mut self, open: char, close: char) -> [String; 2] {
        let space = self.syntax.space();
        [format!("\\{open}{space}"), format!("{space}\\{close}")]
            .map(|bracket| self.lark.terminal(lark::regex(&bracket)))
    }

    fn constants(&mut self, values: &[Value]) -> String {
        let mut options = Vec::new();
        for value in values {
            match value {
                Value::String(text) => {
                    options.extend(strings::exactly(text, self.syntax).iter().map(|way| lark::literal(way)));
                }
                other => options.push(lark::literal(&self.syntax.write(other))),
            }
        }
        self.lark.terminal(alternatives(&options))
    }

    /// Any value, nested so deep at most.
    fn any(&mut self, depth: usize) -> String {
        let string = strings::any(self.lark, self.syntax);
        let number = numbers::decimal(None, None).unwrap_or_default();
        let [yes, no] = self.syntax.booleans().map(lark::literal);
        let null = lark::literal(self.syntax.null());
        let scalar = self.lark.terminal(format!("{string} | {} | {yes} | {no} | {null}", lark::regex(&number)));
        if depth == 0 {
            return scalar;
        }
        let inner = self.any(depth - 1);
        let separator = self.separator();
        let key = self.lark.terminal(format!("{string} {}", lark::regex(self.syntax.colon())));
        let [list, end_list] = self.brackets('[', ']');
        let [object, end_object] = self.brackets('{', '}');
        self.lark.rule(format!(
            "{scalar} | {list} ({inner} ({separator} {inner})*)? {end_list} | \
             {object} ({key} {inner} ({separator} {key} {inner})*)? {end_object}"
        ))
    }
}

/// The declared members of an object: name, schema, and whether it has to be there.
fn members(map: &Map<String, Value>, path: &Path) -> Result<Vec<(String, Value, bool)>, Problem> {
    let needed = required(map);
    let declared = match map.get("properties") {
        None => None,
        Some(Value::Object(properties)) => Some(properties),
        Some(other) => return Err(path.problem(format!("`properties` is {other}, not an object"))),
    };
    let mut members: Vec<_> = declared
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), schema.clone(), needed.contains(&name.as_str())))
        .collect();
    for name in needed {
        if declared.is_none_or(|declared| !declared.contains_key(name)) {
            members.push((name.to_owned(), Value::Bool(true), true));
        }
    }
    Ok(members)
}

/// The type that keywords speak of where `type` is missing.
fn inferred(map: &Map<String, Value>) -> Option<&'static str> {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| map.contains_key(*keyword));
    if has(&["properties", "required", "additionalProperties"]) {
        Some("object")
    } else if has(&["items", "prefixItems", "minItems", "maxItems"]) {
        Some("array")
    } else if has(&["pattern", "minLength", "maxLength"]) {
        Some("string")
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]) {
        Some("number")
    } else {
        None
    }
}
