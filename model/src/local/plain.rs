//! Text without a chat format, from the model that runs in this process.

use std::sync::Arc;
use std::time::Instant;

use super::{Inner, Model, Prepared};
use crate::{
    CompletionRequest, Delta, DeltaStream, ModelError, Prompt, Request, TextModel, Vocab,
    dialect::{Chunk, OutputParser, Steering},
    engine::LlamaVocab,
    trace::{self, Operation},
};

/// All that is written is text, but for tokens that stand for none.
struct Plain(Arc<LlamaVocab>);

impl OutputParser for Plain {
    fn push(&mut self, chunk: Chunk<'_>, out: &mut Vec<Delta>) {
        let text = match chunk {
            Chunk::Text(text) => text,
            Chunk::Special(id, _) if self.0.is_special(id) => return,
            Chunk::Special(_, text) => text,
        };
        out.push(Delta::Text { text: text.to_owned() });
    }

    fn finish(&mut self, _: &mut Vec<Delta>) {}
}

fn prepare(inner: &Inner, request: CompletionRequest) -> Result<Prepared, ModelError> {
    let CompletionRequest { prompt, sampling, adapter, logprobs, max_tokens, stop, cancellation } = request;
    let prompt = match prompt {
        Prompt::Tokens(tokens) => tokens,
        Prompt::Text(text) => {
            let begin = inner.vocab.bos().into_iter();
            begin.chain(inner.vocab.tokenize_with_specials(&text)).collect()
        }
    };
    Ok(Prepared {
        prompt,
        grammar: None,
        steering: Steering::default(),
        parser: Box::new(Plain(Arc::clone(&inner.vocab))),
        stop_tokens: Vec::new(),
        request: Request { sampling, adapter, logprobs, max_tokens, stop, cancellation, ..Request::default() },
    })
}

impl TextModel for Model {
    fn complete(&self, request: CompletionRequest) -> DeltaStream {
        let inner = Arc::clone(&self.inner);
        let asked = Instant::now();
        let span = trace::span(Operation::Text, &inner.info, &request.sampling, request.max_tokens);
        let preparing = Arc::clone(&inner);
        trace::traced(span, super::started(inner, asked, move || prepare(&preparing, request)))
    }

    fn tokenize(&self, text: &str, specials: bool) -> Vec<u32> {
        let vocab = &self.inner.vocab;
        if specials { vocab.tokenize_with_specials(text) } else { vocab.tokenize(text) }
    }

    fn bos(&self) -> Option<u32> {
        self.inner.vocab.bos()
    }

    fn piece(&self, token: u32) -> Option<Vec<u8>> {
        let vocab = &self.inner.vocab;
        (token < vocab.len()).then(|| vocab.named_piece(token))
    }
}
