//! The driver of a turn: does what the [machine](crate::machine) says, and tells what happens.
//!
//! It is polled by the stream, in the caller's task; what must not hold that up runs elsewhere (the engine on its
//! thread, each tool in its task). Messages become final in the machine before their events are sent.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use glassbox_model::{
    AdapterChoice, Delta, FinishReason, InterpreterNotes, Message, ModelError, Request, Sampling, ToolChoice,
};
use glassbox_tools::ToolSpec;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use crate::agent::AgentInner;
use crate::code_session::CodeSession;
use crate::machine::INTERPRETER;
use crate::runaway::Runaway;
use crate::turn::{Turn, lock};
use crate::{Action, Error, Event, Session, Step, StopReason, TurnOptions};

/// The least temperature of the reply after a program that failed and was sent again unchanged: at 0 the same program
/// would come until no repair is left. Of 0.5 to 1.0, the 1.5B of Qwen2.5 Coder gets away from most of its faults here.
const STUCK_TEMPERATURE: f32 = 0.8;

/// Everything that one turn needs. Owns its parts: the stream holds the session.
pub(crate) struct Driver {
    pub(crate) agent: Arc<AgentInner>,
    pub(crate) code: Option<Arc<CodeSession>>,
    notes: InterpreterNotes,
    /// The tools that the model itself may call.
    offered: Vec<ToolSpec>,
    pub(crate) turn: Arc<Mutex<Turn>>,
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) cancellation: CancellationToken,
    /// The system prompt, the history and the new message.
    base: Vec<Message>,
    tool_choice: ToolChoice,
    sampling: Sampling,
    adapter: AdapterChoice,
    pub(crate) max_tokens: Option<u32>,
}

impl Driver {
    pub(crate) fn new(
        session: &Session,
        user: Message,
        options: TurnOptions,
    ) -> (Self, Arc<Mutex<Turn>>, UnboundedReceiver<Event>) {
        let agent = Arc::clone(&session.agent.inner);
        let defaults = &agent.defaults;
        let tool_choice = options.tool_choice.unwrap_or_else(|| defaults.tool_choice.clone());
        let max_turns = options.max_turns.unwrap_or(defaults.max_turns);
        let max_tokens = options.max_tokens.or(defaults.max_tokens);
        let backend = session.code.as_ref().map(|code| code.backend().as_ref());
        let rules = agent.rules(tool_choice.clone(), max_turns, backend);
        let mut base = Vec::with_capacity(session.messages.len().saturating_add(2));
        base.extend(session.system.clone().map(Message::system));
        base.extend_from_slice(&session.messages);
        base.push(user.clone());
        let turn = Arc::new(Mutex::new(Turn::new(user, rules, session.next_call)));
        let (events, receiver) = mpsc::unbounded_channel();
        let driver = Self {
            notes: backend.map(|backend| agent.notes(backend, !session.uploads.is_empty())).unwrap_or_default(),
            offered: agent.offered(backend).to_vec(),
            code: session.code.clone(),
            turn: Arc::clone(&turn),
            events,
            // A child: dropping the stream must not cancel what else the caller's token stands for.
            cancellation: options.cancellation.child_token(),
            base,
            tool_choice,
            sampling: options.sampling.unwrap_or_else(|| session.sampling.clone()),
            adapter: session.adapter.clone(),
            max_tokens,
            agent,
        };
        (driver, turn, receiver)
    }

    pub(crate) fn cancellation(&self) -> CancellationToken {
        self.cancellation.clone()
    }

    /// Runs the turn to its end.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let span = self.span();
        let result = self.steps().instrument(span.clone()).await;
        match &result {
            Ok(stop) => {
                let usage = lock(&self.turn).usage();
                // The convention has an array of them.
                span.record("gen_ai.response.finish_reasons", field::debug([stop.name()]));
                span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
                span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
                span.record("gen_ai.usage.cache_read.input_tokens", usage.reused_tokens);
            }
            Err(error) => {
                lock(&self.turn).fail();
                span.record("otel.status_code", "ERROR");
                span.record("error.type", error.kind());
            }
        }
        result.map(|_| ())
    }

    /// The span of the turn, "invoke agent" of OpenTelemetry's semantic conventions for generative AI; generations, tools
    /// and programs are within it: <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/>.
    fn span(&self) -> Span {
        tracing::info_span!(
            "invoke_agent",
            otel.name = "invoke_agent",
            otel.kind = "internal",
            otel.status_code = field::Empty,
            gen_ai.operation.name = "invoke_agent",
            gen_ai.provider.name = "glassbox",
            gen_ai.request.model = %self.agent.model.info().name,
            gen_ai.response.finish_reasons = field::Empty,
            gen_ai.usage.input_tokens = field::Empty,
            gen_ai.usage.output_tokens = field::Empty,
            "gen_ai.usage.cache_read.input_tokens" = field::Empty,
            "error.type" = field::Empty,
        )
    }

    async fn steps(&self) -> Result<StopReason, Error> {
        self.admit().await?;
        loop {
            let step = lock(&self.turn).machine.step();
            match step {
                Step::Generate { tool_choice, retry } => self.generate(tool_choice, retry).await?,
                Step::Act { groups } => self.act(groups).await,
                Step::Done { stop } => {
                    let (usage, timings) = {
                        let turn = lock(&self.turn);
                        (turn.usage(), turn.timings())
                    };
                    self.tell(Event::Finished { stop, usage, timings });
                    return Ok(stop);
                }
            }
        }
    }

    /// Refuses what cannot be answered, before anything of it is kept.
    async fn admit(&self) -> Result<(), Error> {
        let callable =
            || self.offered.iter().map(|spec| spec.name.as_str()).chain(self.code.as_ref().map(|_| INTERPRETER));
        match &self.tool_choice {
            ToolChoice::Named(name) if !callable().any(|callable| callable == name) => {
                let known = callable().map(str::to_owned).collect();
                return Err(Error::UnknownChoice { name: name.clone(), known });
            }
            ToolChoice::Required if callable().next().is_none() => {
                return Err(Error::NothingToCall);
            }
            _ => {}
        }
        let request = self.request(self.tool_choice.clone(), &[]);
        let counted = tokio::select! {
            biased;
            () = self.cancellation.cancelled() => None,
            counted = self.agent.model.count_tokens(&request) => Some(counted?),
        };
        let limit = self.agent.model.info().context_tokens;
        if let Some(prompt_tokens) = counted {
            let needed = prompt_tokens.saturating_add(self.reply_room());
            if needed > limit {
                return Err(Error::ContextOverflow { needed, limit });
            }
            lock(&self.turn).accept();
            self.emit(Event::TurnStarted { prompt_tokens, context_tokens: limit }).await;
        } else {
            let mut turn = lock(&self.turn);
            turn.accept();
            turn.cancel();
        }
        Ok(())
    }

    /// What the model is asked, with `messages` of this turn after the user's.
    pub(crate) fn request(&self, tool_choice: ToolChoice, messages: &[Message]) -> Request {
        Request {
            messages: self.base.iter().chain(messages).cloned().collect(),
            tools: self.offered.clone(),
            interpreter: self.code.is_some() && tool_choice != ToolChoice::None,
            interpreter_notes: self.notes.clone(),
            tool_choice,
            parallel_calls: self.agent.defaults.parallel_calls,
            sampling: self.sampling.clone(),
            adapter: self.adapter.clone(),
            max_tokens: self.max_tokens,
            stop: self.agent.defaults.stop.clone(),
            next_call: lock(&self.turn).next_call(),
            cancellation: self.cancellation.clone(),
            ..Request::default()
        }
    }

    async fn generate(&self, tool_choice: ToolChoice, retry: u32) -> Result<(), Error> {
        let (number, messages, stuck) = {
            let turn = lock(&self.turn);
            (turn.machine.generations().saturating_add(1), turn.machine.messages().to_vec(), turn.stuck)
        };
        if retry > 0 {
            self.emit(Event::Retried { attempt: retry, tool_choice: tool_choice.clone() }).await;
        }
        self.emit(Event::GenerationStarted { number, tool_choice: tool_choice.clone() }).await;
        let mut request = self.request(tool_choice, &messages);
        if stuck {
            request.sampling.temperature = request.sampling.temperature.max(STUCK_TEMPERATURE);
        }
        // Its own: stopping one reply does not end the turn.
        let reply = self.cancellation.child_token();
        request.cancellation = reply.clone();
        let mut repeated = false;
        let mut runaway = self.agent.defaults.stop_repetition.then(Runaway::default);
        let mut deltas = self.agent.model.stream(request);
        loop {
            let next = tokio::select! {
                biased;
                () = self.cancellation.cancelled() => {
                    // Dropping the stream stops the model.
                    drop(deltas);
                    lock(&self.turn).cancel();
                    return Ok(());
                }
                next = deltas.next() => next,
            };
            match next {
                Some(Ok(Delta::Finished { message, reason, usage, timings })) => {
                    let reason =
                        if repeated && reason == FinishReason::Cancelled { FinishReason::Repetition } else { reason };
                    lock(&self.turn).reply_finished(message, reason, &usage, &timings);
                    return Ok(());
                }
                Some(Ok(delta)) => {
                    if written(&delta).zip(runaway.as_mut()).is_some_and(|(text, runaway)| runaway.push(text)) {
                        repeated = true;
                        reply.cancel();
                    }
                    self.delta(delta).await;
                }
                // The count of an observation and the engine's own can differ by a few tokens.
                Some(Err(ModelError::ContextOverflow { .. })) if number > 1 => {
                    lock(&self.turn).machine.context_full();
                    return Ok(());
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Error::IncompleteReply { model: self.agent.model.info().name.clone() }),
            }
        }
    }

    async fn delta(&self, delta: Delta) {
        let event = {
            let mut turn = lock(&self.turn);
            match delta {
                Delta::Prefill { done, total, reused } => Event::Prefill { done, total, reused },
                Delta::Text { text } => {
                    turn.wrote(&text);
                    Event::Text { text }
                }
                Delta::Reasoning { text } => Event::Reasoning { text },
                Delta::CallStarted { id, name } => {
                    turn.saw(&id);
                    Event::CallStarted { id, name }
                }
                Delta::CallArguments { id, text } => Event::CallArguments { id, text },
                Delta::CallReady { call } => {
                    turn.saw(&call.id);
                    Event::CallReady { call }
                }
                Delta::CodeStarted { id } => {
                    turn.saw(&id);
                    Event::CodeStarted { id }
                }
                Delta::CodeText { id, text } => Event::CodeText { id, text },
                Delta::CodeReady { id, source } => {
                    turn.saw(&id);
                    Event::CodeReady { id, source }
                }
                Delta::Malformed { id, name, raw, problem } => {
                    turn.saw(&id);
                    Event::Malformed { id, name, raw, problem }
                }
                _ => return,
            }
        };
        self.emit(event).await;
    }

    /// Runs the groups. What goes wrong in an action is its answer, so nothing fails here: an error would leave calls
    /// without observations.
    async fn act(&self, groups: Vec<Vec<Action>>) {
        let started = Instant::now();
        self.groups(groups).await;
        let mut turn = lock(&self.turn);
        turn.timings.tools = turn.timings.tools.saturating_add(started.elapsed());
    }

    async fn groups(&self, groups: Vec<Vec<Action>>) {
        for group in groups {
            let mut running: FuturesUnordered<_> = group.into_iter().map(|action| self.perform(action)).collect();
            loop {
                let next = tokio::select! {
                    biased;
                    () = self.cancellation.cancelled() => {
                        drop(running);
                        lock(&self.turn).cancel();
                        return;
                    }
                    next = running.next() => next,
                };
                let Some(performed) = next else { break };
                if !self.answer(performed).await {
                    return;
                }
            }
        }
    }

    /// Tells an event, and goes on when it has been seen: the stream polls the driver again once its events are taken.
    /// Not to be used within a future that has a waker of its own, such as one of several in a set.
    pub(crate) async fn emit(&self, event: Event) {
        self.tell(event);
        let mut told = false;
        std::future::poll_fn(|_| if std::mem::replace(&mut told, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Tells an event. Without effect when nobody listens any more.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// What the model wrote, in prose, in a program or in arguments.
fn written(delta: &Delta) -> Option<&str> {
    match delta {
        Delta::Text { text }
        | Delta::Reasoning { text }
        | Delta::CallArguments { text, .. }
        | Delta::CodeText { text, .. } => Some(text),
        _ => None,
    }
}
