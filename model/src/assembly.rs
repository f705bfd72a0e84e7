//! A message, put together from the pieces in which it is streamed.

use glassbox_tools::CallId;

use crate::{AssistantMessage, AssistantPart, Delta};

/// Takes pieces and gives the message. Nothing disappears: a call that was begun and not finished is in the message
/// as one that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    message: AssistantMessage,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    id: CallId,
    name: Option<String>,
    raw: String,
}

impl Assembly {
    pub(crate) fn push(&mut self, delta: &Delta) {
        let parts = &mut self.message.parts;
        match delta {
            Delta::Text { text } => match parts.last_mut() {
                Some(AssistantPart::Text { text: last }) => last.push_str(text),
                _ => parts.push(AssistantPart::Text { text: text.clone() }),
            },
            Delta::Reasoning { text } => match parts.last_mut() {
                Some(AssistantPart::Reasoning { text: last }) => last.push_str(text),
                _ => parts.push(AssistantPart::Reasoning { text: text.clone() }),
            },
            Delta::CallStarted { id, name } => self.open(id, Some(name)),
            Delta::CodeStarted { id } => self.open(id, None),
            Delta::CallArguments { text, .. } | Delta::CodeText { text, .. } => {
                if let Some(open) = &mut self.open {
                    open.raw.push_str(text);
                }
            }
            Delta::CallReady { call } => self.close(AssistantPart::Call { call: call.clone() }),
            Delta::CodeReady { id, source } => {
                self.close(AssistantPart::Code { id: id.clone(), source: source.clone() })
            }
            Delta::Malformed { id, name, raw, problem } => self.close(AssistantPart::Malformed {
                id: id.clone(),
                name: name.clone(),
                raw: raw.clone(),
                problem: problem.clone(),
            }),
            Delta::Prefill { .. } | Delta::Logprobs { .. } | Delta::Finished { .. } => {}
        }
    }

    fn open(&mut self, id: &CallId, name: Option<&String>) {
        self.open = Some(Open { id: id.clone(), name: name.cloned(), raw: String::new() });
    }

    fn close(&mut self, part: AssistantPart) {
        self.open = None;
        self.message.parts.push(part);
    }

    pub(crate) fn finish(mut self) -> AssistantMessage {
        if let Some(Open { id, name, raw }) = self.open.take() {
            let problem = "it is cut before its end".to_owned();
            self.message.parts.push(AssistantPart::Malformed { id, name, raw, problem });
        }
        self.message
    }
}
