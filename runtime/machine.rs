//! The turn machine: what happens next in a turn, without doing any of it.
//!
//! ```text
//!            reply with calls              all answered
//! Generate ───────────────────▶ Act ───────────────────▶ Generate
//!    │                           │
//!    └── plain reply, limit ─────┴──▶ Done
//! ```
//!
//! The machine performs no IO and knows no clock, model or tool. A driver asks [`TurnMachine::step`] what to do, does
//! it, and reports with [`TurnMachine::reply_finished`] and [`TurnMachine::action_finished`]. It can be serialised
//! between any two inputs: read back, it gives the same step again.
//!
//! What always holds, whatever comes in:
//! - every call, program and unreadable call of a reply is followed by exactly one observation, in the order written,
//!   before the next reply;
//! - the model generates at most `max_turns` times;
//! - a reply or an answer that nobody asked for is an error and changes nothing.

mod parts;
mod slot;

use glassbox_model::{AssistantMessage, AssistantPart, FinishReason, Message, ToolChoice};
use glassbox_tools::CallId;
use serde::{Deserialize, Serialize};

pub use parts::{Action, Answer, Concurrency, Fault, Step, TurnRules, Unexpected};
use slot::Slot;

use crate::StopReason;

/// The name under which code is answered.
pub(crate) const INTERPRETER: &str = "interpreter";

/// One turn of a conversation: from a user message to the model's last reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnMachine {
    rules: TurnRules,
    state: State,
    generations: u32,
    retries: u32,
    /// Replies in a row with a program that failed.
    #[serde(default)]
    failures: u32,
    messages: Vec<Message>,
    /// What was called in earlier replies of this turn, and what came of it.
    results: Vec<CallResult>,
}

/// A call or a program that was run, and what the model read of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CallResult {
    name: String,
    arguments: serde_json::Value,
    content: String,
}

impl CallResult {
    /// What two actions must have in common for the second to be a repetition of the first.
    fn new(action: &Action, content: &str) -> Self {
        let (name, arguments) = match action {
            Action::Call { call } => (call.name.clone(), call.arguments.clone()),
            Action::Code { source, .. } => (INTERPRETER.to_owned(), serde_json::Value::from(source.trim())),
        };
        Self { name, arguments, content: content.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Generate { tool_choice: ToolChoice, retry: u32 },
    Act { slots: Vec<Slot>, committed: usize },
    Done { stop: StopReason },
}

impl TurnMachine {
    /// A turn that is about to generate for the first time. `max_turns` of 0 counts as 1.
    pub fn new(mut rules: TurnRules) -> Self {
        rules.max_turns = rules.max_turns.max(1);
        let state = State::Generate { tool_choice: rules.tool_choice.clone(), retry: 0 };
        Self { rules, state, generations: 0, retries: 0, failures: 0, messages: Vec::new(), results: Vec::new() }
    }

    /// What to do next. Asking changes nothing.
    pub fn step(&self) -> Step {
        match &self.state {
            State::Generate { tool_choice, retry } => {
                Step::Generate { tool_choice: tool_choice.clone(), retry: *retry }
            }
            State::Act { slots, .. } => Step::Act { groups: self.groups(slots) },
            State::Done { stop } => Step::Done { stop: *stop },
        }
    }

    /// The messages of this turn that are final, in order: replies and observations, without the user's message.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Generations so far.
    pub fn generations(&self) -> u32 {
        self.generations
    }

    /// The rules.
    pub fn rules(&self) -> &TurnRules {
        &self.rules
    }

    /// The model has written `message`.
    ///
    /// # Errors
    /// [`Unexpected::Reply`] where the machine is not waiting for one.
    pub fn reply_finished(&mut self, message: AssistantMessage, reason: FinishReason) -> Result<(), Unexpected> {
        if !matches!(self.state, State::Generate { .. }) {
            return Err(Unexpected::Reply);
        }
        self.generations = self.generations.saturating_add(1);
        let mut slots = slot::of(&message, &self.rules);
        let unreadable = message.parts.iter().any(|part| matches!(part, AssistantPart::Malformed { .. }));
        self.messages.push(Message::Assistant(message));
        let end = match reason {
            FinishReason::Cancelled => Some(StopReason::Cancelled),
            FinishReason::ContextFull => Some(StopReason::ContextFull),
            // Written again, the call would be cut at the same place.
            FinishReason::Length if slots.is_empty() || unreadable => Some(StopReason::Length),
            FinishReason::Repetition if slots.is_empty() || unreadable => Some(StopReason::Repetition),
            _ if slots.is_empty() => Some(StopReason::Done),
            _ if self.generations >= self.rules.max_turns => Some(StopReason::MaxTurns),
            _ => None,
        };
        if let Some(stop) = end {
            let why = self.not_run(stop);
            for slot in &mut slots {
                slot.answer.get_or_insert_with(|| Answer::ran(why.clone()));
            }
        }
        self.state = State::Act { slots, committed: 0 };
        self.commit();
        if let Some(stop) = end {
            self.state = State::Done { stop };
        }
        Ok(())
    }

    /// The action `id` has its answer.
    ///
    /// # Errors
    /// [`Unexpected::Answer`] where no action of this name waits.
    pub fn action_finished(&mut self, id: &CallId, answer: Answer) -> Result<(), Unexpected> {
        let State::Act { slots, .. } = &mut self.state else {
            return Err(Unexpected::Answer { id: id.clone() });
        };
        let Some(slot) = slots.iter_mut().find(|slot| slot.waits_for(id)) else {
            return Err(Unexpected::Answer { id: id.clone() });
        };
        slot.answer = Some(answer);
        self.commit();
        Ok(())
    }

    /// True where `content` as the answer of `id` would tell the model nothing new: the same call, in an earlier reply
    /// of this turn, gave the same. Small models go round in such a circle until they are asked to answer in words,
    /// so a reply of nothing but such calls is followed by [`ToolChoice::Answer`]. A call whose result changes (a
    /// die, a job that is polled) is never one.
    pub fn repeats(&self, id: &CallId, content: &str) -> bool {
        let State::Act { slots, .. } = &self.state else { return false };
        let action = slots.iter().find(|slot| slot.waits_for(id)).and_then(|slot| slot.action.as_ref());
        action.is_some_and(|action| self.results.contains(&CallResult::new(action, content)))
    }

    /// How many more programs may correct the failure of one that runs now. At 0 its answer is followed by
    /// [`ToolChoice::Answer`].
    pub fn repairs_left(&self) -> u32 {
        self.rules.max_repairs.saturating_sub(self.failures)
    }

    /// The messages of this turn as they would be with `content` as the answer of `id`, answers that still wait for
    /// an earlier one included. For counting tokens before an answer is given.
    pub fn messages_with(&self, id: &CallId, content: &str) -> Vec<Message> {
        let mut messages = self.messages.clone();
        if let State::Act { slots, committed } = &self.state {
            let mut found = false;
            for slot in slots.iter().skip(*committed) {
                match &slot.answer {
                    Some(answer) => messages.push(slot.observation(&answer.content)),
                    None if !found && slot.waits_for(id) => {
                        found = true;
                        messages.push(slot.observation(content));
                    }
                    None => {}
                }
            }
        }
        messages
    }

    /// How many actions still wait for their answers.
    pub fn waiting(&self) -> usize {
        match &self.state {
            State::Act { slots, .. } => slots.iter().filter(|slot| slot.answer.is_none()).count(),
            _ => 0,
        }
    }

    /// Ends the turn now. `written` is what an unfinished reply has said so far.
    ///
    /// Answers that are there stay, calls that wait are answered with "cancelled". An unfinished reply is kept as its
    /// text; where nothing was written yet, an empty reply stands after the user's message, because chat formats do
    /// not allow two user messages in a row.
    pub fn cancel(&mut self, written: &str) {
        self.end(StopReason::Cancelled, written);
    }

    /// Ends the turn because the conversation has no room for another reply.
    pub fn context_full(&mut self) {
        self.end(StopReason::ContextFull, "");
    }

    fn end(&mut self, stop: StopReason, written: &str) {
        let why = self.not_run(stop);
        match &mut self.state {
            State::Done { .. } => return,
            State::Generate { .. } => {
                if !written.is_empty() {
                    self.messages.push(Message::assistant(written));
                } else if self.messages.is_empty() {
                    self.messages.push(Message::Assistant(AssistantMessage::default()));
                }
            }
            State::Act { slots, .. } => {
                for slot in slots {
                    slot.answer.get_or_insert_with(|| Answer::ran(why.clone()));
                }
                self.commit();
            }
        }
        self.state = State::Done { stop };
    }

    /// Moves answers to the messages, in order, up to the first that is missing; goes on when there is none.
    fn commit(&mut self) {
        let State::Act { slots, committed } = &mut self.state else { return };
        while let Some((slot, answer)) =
            slots.get(*committed).and_then(|slot| slot.answer.as_ref().map(|answer| (slot, answer)))
        {
            self.messages.push(slot.observation(&answer.content));
            *committed += 1;
        }
        if *committed < slots.len() {
            return;
        }
        let circle = !slots.is_empty() && slots.iter().all(|slot| slot.answer.as_ref().is_some_and(|a| a.repeated));
        let results = slots.iter().filter_map(|slot| match (&slot.action, &slot.answer) {
            // A program that failed is corrected; written again unchanged it uses up its repairs.
            (Some(action), Some(Answer { content, fault: None, repeated: false, failed: false })) => {
                Some(CallResult::new(action, content))
            }
            _ => None,
        });
        self.results.extend(results);
        let programs = slots.iter().filter(|slot| matches!(slot.action, Some(Action::Code { .. })));
        let failed = |slot: &Slot| slot.answer.as_ref().is_some_and(|answer| answer.failed);
        let (programs, failures) = programs.fold((0, 0), |(all, bad), slot| (all + 1, bad + u32::from(failed(slot))));
        if failures > 0 {
            self.failures = self.failures.saturating_add(1);
        } else if programs > 0 {
            self.failures = 0;
        }
        let given_up = failures > 0 && self.failures > self.rules.max_repairs;
        let faults: Vec<_> = slots
            .iter()
            .filter_map(|slot| slot.answer.as_ref()?.fault.map(|fault| (fault, slot.name.clone())))
            .collect();
        self.state = if circle || given_up {
            self.retries = 0;
            State::Generate { tool_choice: ToolChoice::Answer, retry: 0 }
        } else {
            self.after(&faults)
        };
    }

    /// The generation after a reply with these faults.
    fn after(&mut self, faults: &[(Fault, Option<String>)]) -> State {
        let free = if self.rules.tool_choice == ToolChoice::None { ToolChoice::None } else { ToolChoice::Auto };
        if faults.is_empty() {
            self.retries = 0;
        }
        let nothing = self.rules.tools.is_empty() && !self.rules.interpreter;
        if faults.is_empty() || self.retries >= self.rules.max_retries || nothing {
            return State::Generate { tool_choice: free, retry: 0 };
        }
        self.retries += 1;
        let named = |(_, name): &(Fault, Option<String>)| name.clone().filter(|name| self.rules.can_name(name));
        let first = faults.first().and_then(named);
        let tool_choice = match first {
            Some(name) if faults.iter().all(|fault| named(fault).as_deref() == Some(&name)) => ToolChoice::Named(name),
            _ => ToolChoice::Required,
        };
        State::Generate { tool_choice, retry: self.retries }
    }

    fn groups(&self, slots: &[Slot]) -> Vec<Vec<Action>> {
        let mut groups: Vec<Vec<Action>> = Vec::new();
        let mut open = false;
        for action in slots.iter().filter(|slot| slot.answer.is_none()).filter_map(|slot| slot.action.as_ref()) {
            let parallel = self.rules.parallel_calls && self.is_parallel(action);
            match groups.last_mut() {
                Some(group) if open && parallel => group.push(action.clone()),
                _ => groups.push(vec![action.clone()]),
            }
            open = parallel;
        }
        groups
    }

    /// An unknown tool is refused at once, so it may stand beside any other.
    fn is_parallel(&self, action: &Action) -> bool {
        match action {
            Action::Call { call } => self.rules.tools.get(&call.name) != Some(&Concurrency::Serial),
            Action::Code { .. } => false,
        }
    }

    /// What the model reads in place of an answer when the turn ends.
    fn not_run(&self, stop: StopReason) -> String {
        match stop {
            StopReason::MaxTurns => {
                format!("Not run: the limit of {} model turns for one message was reached.", self.rules.max_turns)
            }
            StopReason::Length => "Not run: the reply was cut at its token limit.".to_owned(),
            StopReason::Repetition => "Not run: the reply repeated itself and was stopped.".to_owned(),
            StopReason::ContextFull => "Not finished: the context is full.".to_owned(),
            _ => "Cancelled before it finished.".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
