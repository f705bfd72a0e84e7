//! The tools of an agent.

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::Validator;

use crate::nesting::{MAX_DEPTH, deeper_than};
use crate::{BoxTool, IntoTools, SpecError, ToolSpec};

/// A tool with what was worked out once, when it was registered.
pub(crate) struct Registered {
    pub(crate) tool: BoxTool,
    pub(crate) spec: ToolSpec,
    pub(crate) validator: Validator,
}

impl Registered {
    fn new(tool: BoxTool) -> Result<Self, SpecError> {
        let spec = tool.spec().clone();
        spec.check()?;
        let bad = |problem: String| SpecError::BadSchema { name: spec.name.clone(), problem };
        if deeper_than(&spec.parameters, MAX_DEPTH) {
            return Err(bad(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let validator = jsonschema::validator_for(&spec.parameters).map_err(|error| bad(error.to_string()))?;
        Ok(Self { tool, spec, validator })
    }
}

/// An ordered set of tools, each under its own name.
///
/// The order is the order in which the model reads them. A clone shares the tools and costs one reference count;
/// registering in a clone leaves the original as it was.
///
/// ```
/// use glassbox_tools::{Registry, builtin, tools};
///
/// let mut registry = Registry::new();
/// registry.register(tools![builtin::calculator, builtin::track])?;
/// assert_eq!(registry.names().collect::<Vec<_>>(), ["calculator", "track"]);
/// assert_eq!(registry.nearest("calculater"), Some("calculator"));
/// # Ok::<(), glassbox_tools::SpecError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Clone, Default)]
struct Inner {
    order: Vec<Arc<Registered>>,
    by_name: HashMap<String, Arc<Registered>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Registry {
    /// No tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry of `tools`.
    ///
    /// # Errors
    /// As [`Registry::register`].
    pub fn of(tools: impl IntoTools) -> Result<Self, SpecError> {
        let mut registry = Self::new();
        registry.register(tools)?;
        Ok(registry)
    }

    /// Adds one tool or several at the end. On an error none of them is added.
    ///
    /// # Errors
    /// [`SpecError`] where a name, a schema or a description cannot be used, and [`SpecError::Duplicate`] where a name
    /// is taken.
    pub fn register(&mut self, tools: impl IntoTools) -> Result<&mut Self, SpecError> {
        let tools = tools.into_tools().into_iter().map(|tool| Registered::new(tool).map(Arc::new));
        let tools = tools.collect::<Result<Vec<_>, _>>()?;
        self.add(tools)
    }

    /// Adds every tool of `other`, in its order. On an error none of them is added.
    ///
    /// # Errors
    /// [`SpecError::Duplicate`] where both have a tool of one name.
    pub fn merge(&mut self, other: &Self) -> Result<&mut Self, SpecError> {
        self.add(other.inner.order.clone())
    }

    fn add(&mut self, tools: Vec<Arc<Registered>>) -> Result<&mut Self, SpecError> {
        let mut next = Inner::clone(&self.inner);
        for tool in tools {
            let name = tool.spec.name.clone();
            if next.by_name.insert(name.clone(), Arc::clone(&tool)).is_some() {
                return Err(SpecError::Duplicate { name });
            }
            next.order.push(tool);
        }
        self.inner = Arc::new(next);
        Ok(self)
    }

    /// The tool named `name`, exactly as written.
    pub fn get(&self, name: &str) -> Option<&BoxTool> {
        self.registered(name).map(|entry| &entry.tool)
    }

    /// The description of the tool named `name`.
    pub fn spec(&self, name: &str) -> Option<&ToolSpec> {
        self.registered(name).map(|entry| &entry.spec)
    }

    pub(crate) fn registered(&self, name: &str) -> Option<&Arc<Registered>> {
        self.inner.by_name.get(name)
    }

    /// Every name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|spec| spec.name.as_str())
    }

    /// Every description, in order.
    pub fn iter(&self) -> impl Iterator<Item = &ToolSpec> {
        self.inner.order.iter().map(|entry| &entry.spec)
    }

    /// A copy of every description, in order.
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.iter().cloned().collect()
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.inner.order.len()
    }

    /// Whether there is no tool.
    pub fn is_empty(&self) -> bool {
        self.inner.order.is_empty()
    }

    /// The registered name most like `name`, if one is close enough that it was probably meant: at most a third of its
    /// letters differ (Damerau-Levenshtein, ignoring case and whether words are joined by `_`, `-`, `.` or a space).
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let wanted = plain(name);
        let distance = |known: &str| strsim::damerau_levenshtein(&wanted, &plain(known));
        self.names()
            .map(|known| (distance(known), known))
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, known)| distance * 3 <= known.chars().count().max(wanted.chars().count()))
            .map(|(_, known)| known)
    }
}

/// `name` without what names often differ in, and short: the comparison takes time in the product of the lengths.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).flat_map(char::to_lowercase).take(128).collect()
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
