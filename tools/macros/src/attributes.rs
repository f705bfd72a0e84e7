//! What may stand in `#[tool(…)]`.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Expr, Ident, Lit, LitBool, LitStr, Path, Result, Token};

const TOOL_KEYS: &str = "`name`, `description`, `read_only`, `destructive`, `open_world`, `serial`, `timeout`, `crate`";

/// `#[tool(…)]` on a function or method.
#[derive(Default)]
pub(crate) struct ToolAttribute {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) open_world: bool,
    pub(crate) serial: bool,
    /// Seconds.
    pub(crate) timeout: Option<f64>,
    pub(crate) krate: Option<Path>,
}

/// Reads `key`, `key = true` and `key = false`.
fn flag(input: ParseStream<'_>) -> Result<bool> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        Ok(input.parse::<LitBool>()?.value)
    } else {
        Ok(true)
    }
}

impl Parse for ToolAttribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attribute = Self::default();
        let mut seen = Vec::<String>::new();
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            let text = key.to_string();
            if seen.contains(&text) {
                return Err(Error::new(key.span(), format!("`{text}` is given twice")));
            }
            match text.as_str() {
                "name" => attribute.name = Some(tool_name(value(input, &key, "name = \"text-to-speech\"")?)?),
                "description" => {
                    attribute.description = Some(value(input, &key, "description = \"What the tool does.\"")?)
                }
                "read_only" => attribute.read_only = flag(input)?,
                "destructive" => {
                    attribute.destructive = flag(input)?;
                    if attribute.destructive && attribute.read_only {
                        return Err(contradiction(key.span()));
                    }
                }
                "open_world" => attribute.open_world = flag(input)?,
                "serial" => attribute.serial = flag(input)?,
                "timeout" => attribute.timeout = Some(seconds(&value(input, &key, "timeout = 30")?)?),
                "crate" => attribute.krate = Some(value(input, &key, "crate = ::glassbox")?),
                _ => {
                    return Err(Error::new(key.span(), format!("unknown key `{text}`; the keys are {TOOL_KEYS}")));
                }
            }
            if text == "read_only" && attribute.read_only && attribute.destructive {
                return Err(contradiction(key.span()));
            }
            seen.push(text);
            if input.is_empty() {
                break;
            }
            input.parse::<Token![,]>()?;
        }
        Ok(attribute)
    }
}

fn contradiction(span: Span) -> Error {
    Error::new(span, "a tool cannot be both `read_only` and `destructive`")
}

/// Reads `= value`, and shows `example` where that is not what stands there.
fn value<T: Parse>(input: ParseStream<'_>, key: &Ident, example: &str) -> Result<T> {
    if !input.peek(Token![=]) {
        return Err(Error::new(key.span(), format!("`{key}` needs a value; write it as `{example}`")));
    }
    input.parse::<Token![=]>()?;
    input.parse::<T>().map_err(|error| Error::new(error.span(), format!("{error}; write it as `{example}`")))
}

fn tool_name(name: LitStr) -> Result<LitStr> {
    let text = name.value();
    if text.trim().is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
        return Err(Error::new(
            name.span(),
            "a tool's name is one line of text without control characters, at most 128 bytes",
        ));
    }
    Ok(name)
}

fn seconds(literal: &Lit) -> Result<f64> {
    let seconds = match literal {
        Lit::Int(literal) => literal.base10_parse::<f64>()?,
        Lit::Float(literal) => literal.base10_parse::<f64>()?,
        other => return Err(Error::new(other.span(), "a number of seconds is expected, as in `timeout = 30`")),
    };
    if seconds > 0.0 && seconds <= 1e9 {
        Ok(seconds)
    } else {
        Err(Error::new(literal.span(), "the timeout must be more than 0 and at most 1e9 seconds"))
    }
}

/// `#[tool(default)]` or `#[tool(default = …)]` on an argument.
pub(crate) enum ArgumentDefault {
    /// The type's own `Default`.
    OfType,
    /// This expression.
    Expression(Box<Expr>),
}

/// What stands in `#[tool(…)]` on an argument.
pub(crate) struct ArgumentAttribute {
    pub(crate) default: ArgumentDefault,
}

impl Parse for ArgumentAttribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if key != "default" {
            let hint = "an argument takes `#[tool(default)]` or `#[tool(default = …)]`; describe it with `///`, \
                        constrain it with `#[schemars(…)]`, rename it with `#[serde(rename = \"…\")]`";
            return Err(Error::new(key.span(), format!("unknown key `{key}`: {hint}")));
        }
        let default = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            ArgumentDefault::Expression(Box::new(input.parse()?))
        } else {
            ArgumentDefault::OfType
        };
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error("only `default` may stand here"));
        }
        Ok(Self { default })
    }
}

/// Whether this is `#[tool]` or `#[tool(…)]`, under whatever path.
pub(crate) fn is_tool(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "tool")
}

/// The text of each `#[doc = …]`; an expression stays one, as in `#[doc = include_str!("…")]`.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<&Expr> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| attribute.meta.require_name_value().ok())
        .map(|meta| &meta.value)
        .collect()
}

/// Whether the docs say anything, as far as can be seen here.
pub(crate) fn says_something(docs: &[&Expr]) -> bool {
    docs.iter().any(|doc| match doc {
        Expr::Lit(literal) => matches!(&literal.lit, Lit::Str(text) if !text.value().trim().is_empty()),
        _ => true,
    })
}
