//! What the user asked for, worked out once for a reply.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    amounts::Amounts,
    hints::Hints,
    mentioned::{Said, has_called, last_of_the_user},
    spans::Spans,
    support::Support,
};
use crate::{Request, dialect::grammar::required};

/// What of a request says which calls it wants.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Which of the user's words speak for which tool.
    pub(crate) support: Support,
    pub(super) said: Said,
    pub(super) amounts: Amounts,
    pub(super) spans: Spans,
    pub(super) hints: Hints,
    /// The parameters of each tool that have to be there and may hold anything: of an enum a model tries one value after the other.
    pub(super) free: BTreeMap<String, Vec<String>>,
    /// The user's last message has been answered with a call.
    pub(super) has_called: bool,
}

impl Asked {
    /// Of this request.
    pub(crate) fn of(request: &Request) -> Arc<Self> {
        let free = request.tools.iter().map(|tool| (tool.name.clone(), free(&tool.parameters)));
        let support = Support::of(request);
        Arc::new(Self {
            said: Said::of(request),
            amounts: Amounts::of(request),
            spans: Spans::of(last_of_the_user(request)),
            hints: Hints::of(request, &support),
            free: free.collect(),
            has_called: has_called(request),
            support,
        })
    }
}

fn free(parameters: &Value) -> Vec<String> {
    let keys = parameters.as_object().map(required).unwrap_or_default().into_iter();
    let schema = |key: &str| parameters.get("properties").and_then(|properties| properties.get(key));
    keys.filter(|key| schema(key).is_none_or(|schema| schema.get("enum").is_none())).map(str::to_owned).collect()
}
