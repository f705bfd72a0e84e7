//! Spans of generations, with the names of OpenTelemetry's semantic conventions for generative AI, "inference" span:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use tracing::{Span, field};

use crate::{Delta, DeltaStream, FinishReason, ModelError, ModelInfo, Sampling};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A reply to a conversation.
    Chat,
    /// Text after text.
    #[cfg(feature = "llama")]
    Text,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            #[cfg(feature = "llama")]
            Self::Text => "text_completion",
        }
    }
}

/// The span of one generation, in the span that is current.
pub(crate) fn span(operation: Operation, info: &ModelInfo, sampling: &Sampling, max_tokens: Option<u32>) -> Span {
    let operation = operation.name();
    tracing::info_span!(
        "inference",
        otel.name = %format_args!("{operation} {}", info.name),
        otel.kind = "client",
        otel.status_code = field::Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = "glassbox",
        gen_ai.request.model = %info.name,
        gen_ai.request.max_tokens = max_tokens,
        gen_ai.request.temperature = sampling.temperature,
        gen_ai.request.top_p = sampling.top_p,
        gen_ai.request.top_k = sampling.top_k,
        gen_ai.request.frequency_penalty = sampling.frequency_penalty,
        gen_ai.request.presence_penalty = sampling.presence_penalty,
        gen_ai.request.seed = sampling.seed,
        gen_ai.response.model = %info.name,
        gen_ai.response.finish_reasons = field::Empty,
        gen_ai.usage.input_tokens = field::Empty,
        gen_ai.usage.output_tokens = field::Empty,
        "gen_ai.usage.cache_read.input_tokens" = field::Empty,
        "error.type" = field::Empty,
    )
}

/// `deltas` within `span`, which learns how they end.
pub(crate) fn traced(span: Span, deltas: DeltaStream) -> DeltaStream {
    if span.is_disabled() {
        return deltas;
    }
    Traced { span, deltas, over: false }.boxed()
}

struct Traced {
    span: Span,
    deltas: DeltaStream,
    over: bool,
}

impl Traced {
    fn end(&mut self, reason: FinishReason) {
        self.over = true;
        let reason = match reason {
            FinishReason::Stop => "stop",
            FinishReason::Calls => "tool_calls",
            FinishReason::Length | FinishReason::ContextFull => "length",
            FinishReason::Cancelled => "cancelled",
            FinishReason::Repetition => "repetition",
        };
        // The convention has an array of them.
        self.span.record("gen_ai.response.finish_reasons", field::debug([reason]));
    }

    fn fail(&mut self, error: &ModelError) {
        self.over = true;
        self.span.record("otel.status_code", "ERROR");
        self.span.record("error.type", error.kind());
    }
}

impl Stream for Traced {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let span = self.span.clone();
        let entered = span.enter();
        let next = std::task::ready!(self.deltas.poll_next_unpin(cx));
        drop(entered);
        match &next {
            Some(Ok(Delta::Finished { reason, usage, .. })) => {
                self.span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
                self.span.record("gen_ai.usage.output_tokens", usage.completion_tokens);
                self.span.record("gen_ai.usage.cache_read.input_tokens", usage.reused_tokens);
                self.end(*reason);
            }
            Some(Err(error)) => self.fail(error),
            _ => {}
        }
        Poll::Ready(next)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.over {
            // Whoever asked has gone.
            self.end(FinishReason::Cancelled);
        }
    }
}
