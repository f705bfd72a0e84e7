//! The parts of a reply that get an observation.

use glassbox_model::{AssistantMessage, AssistantPart, Message, Observation, ToolChoice};
use glassbox_tools::CallId;
use serde::{Deserialize, Serialize};

use super::{Action, Answer, Fault, INTERPRETER, TurnRules};

/// A part of a reply that gets an observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// What is observed, but for the text. The observation of an unreadable call names none.
    pub(super) id: Option<CallId>,
    pub(super) name: Option<String>,
    /// What is to be run; `None` where nothing can be.
    pub(super) action: Option<Action>,
    pub(super) answer: Option<Answer>,
}

impl Slot {
    pub(super) fn observation(&self, content: &str) -> Message {
        Message::Observation(Observation {
            call_id: self.id.clone(),
            name: self.name.clone(),
            content: content.to_owned(),
        })
    }

    pub(super) fn waits_for(&self, id: &CallId) -> bool {
        self.answer.is_none() && self.action.as_ref().is_some_and(|action| action.id() == id)
    }
}

/// What is to be observed of a reply. What cannot be run has its answer from the start.
pub(super) fn of(message: &AssistantMessage, rules: &TurnRules) -> Vec<Slot> {
    let forbidden = rules.tool_choice == ToolChoice::None;
    let refused = || Some(Answer::ran("Error: no tool can be called now. Answer directly."));
    let slot = |part: &AssistantPart| match part {
        AssistantPart::Call { call } => Some(Slot {
            id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            action: Some(Action::Call { call: call.clone() }),
            answer: if forbidden { refused() } else { None },
        }),
        AssistantPart::Code { id, source } => Some(Slot {
            id: Some(id.clone()),
            name: Some(INTERPRETER.to_owned()),
            action: Some(Action::Code { id: id.clone(), source: source.clone() }),
            answer: match (forbidden, rules.interpreter) {
                (true, _) => refused(),
                (false, true) => None,
                (false, false) => {
                    Some(Answer::ran("Error: no code interpreter is available. Answer without running code."))
                }
            },
        }),
        AssistantPart::Malformed { name, problem, .. } => Some(Slot {
            id: None,
            name: name.clone(),
            action: None,
            answer: if forbidden { refused() } else { Some(unreadable(name.as_deref(), problem)) },
        }),
        _ => None,
    };
    message.parts.iter().filter_map(slot).collect()
}

/// What the model reads in place of an answer to a call that could not be read.
fn unreadable(name: Option<&str>, problem: &str) -> Answer {
    let call = name.map_or_else(|| "this call".to_owned(), |name| format!("this call of `{name}`"));
    Answer::fault(
        Fault::Malformed,
        format!("Error: {call} could not be read: {problem}. Write it again in the right form."),
    )
}
