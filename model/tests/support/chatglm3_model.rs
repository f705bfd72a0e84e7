//! A ChatGLM3 of a few megabytes: the real vocabulary, metadata as llama.cpp's converter writes it (conversion/chatglm.py,
//! `set_vocab_chatglm3`), one small layer of seeded random weights.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use glassbox_model::{
    catalog::{self, Silent},
    dialect::chatglm3::SPECIALS,
};

use super::{
    gguf_writer::{Data, Value, Writer, q8_0},
    proto::{self, Piece},
};

/// Ids, specials and padding included.
const VOCABULARY: usize = 65_024;
/// Pieces of the SentencePiece model.
const PIECES: usize = 64_789;
const WIDTH: usize = 64;
const HEADS: usize = 2;
const HEAD_WIDTH: usize = WIDTH / HEADS;
/// Multi-query attention, as in ChatGLM3: fewer heads of keys and values than of queries.
const KV_HEADS: usize = 1;
const FEED_FORWARD: usize = 96;
const CONTEXT: u32 = 8192;

/// The file, built once a test process.
pub(crate) fn path() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chatglm3-random.gguf");
        let draft = path.with_extension(format!("{}.gguf", std::process::id()));
        build(&tokenizer(), 3).write(&draft).expect("the file is written");
        // Renamed, since another test process may be reading the file of the last run.
        fs::rename(&draft, &path).expect("the file is put in its place");
        path
    })
}

/// The SentencePiece model, from the catalog.
pub(crate) fn tokenizer_file() -> PathBuf {
    let entry = catalog::asset("chatglm3-tokenizer").expect("the catalog has it");
    let pull = async { catalog::pull(entry, &Silent).await };
    // A thread of its own: the caller may be inside a runtime.
    let pulled = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(pull)
    });
    pulled.join().expect("no panic").unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint()))
}

fn tokenizer() -> Vec<Piece> {
    let pieces = proto::read(&fs::read(tokenizer_file()).expect("readable")).expect("a SentencePiece model").pieces;
    assert_eq!(pieces.len(), PIECES);
    pieces
}

fn build(pieces: &[Piece], seed: u64) -> Writer {
    let mut file = Writer::default();
    file.set("general.architecture", "chatglm");
    file.set("general.name", "ChatGLM3 with random weights");
    file.set("general.quantization_version", Value::U32(2));
    file.set("general.file_type", Value::U32(7)); // mostly Q8_0
    let u32s = [
        ("context_length", CONTEXT as usize),
        ("embedding_length", WIDTH),
        ("feed_forward_length", FEED_FORWARD),
        ("block_count", 1),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        // Half of each head is rotated.
        ("rope.dimension_count", HEAD_WIDTH / 2),
    ];
    for (key, value) in u32s {
        file.set(&format!("chatglm.{key}"), Value::U32(u32::try_from(value).expect("small")));
    }
    file.set("chatglm.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    file.set("chatglm.rope.freq_base", Value::F32(10_000.0));
    vocabulary(&mut file, pieces);
    weights(&mut file, pieces, &mut Random(seed));
    file
}

fn vocabulary(file: &mut Writer, pieces: &[Piece]) {
    let mut tokens = Vec::new();
    let mut scores = Vec::new();
    let mut kinds = Vec::new();
    let mut add = |text: String, score, kind| {
        tokens.push(text);
        scores.push(score);
        kinds.push(kind);
    };
    for (id, piece) in pieces.iter().enumerate() {
        let text = match id {
            0 => "<unk>",
            1 => "<bos>",
            2 => "<eos>",
            _ => &piece.text,
        };
        add(text.to_owned(), piece.score, piece.kind as i32);
    }
    for special in SPECIALS {
        add(special.to_owned(), 0.0, 3); // control
    }
    for id in PIECES + SPECIALS.len()..VOCABULARY {
        add(format!("[PAD{id}]"), 0.0, 5); // unused
    }
    file.set("tokenizer.ggml.model", "llama");
    file.set("tokenizer.ggml.pre", "chatglm-spm");
    file.set("tokenizer.ggml.tokens", Value::Texts(tokens));
    file.set("tokenizer.ggml.scores", Value::F32s(scores));
    file.set("tokenizer.ggml.token_type", Value::I32s(kinds));
    // From the model's config.json; nothing else is declared, so the role tokens are no ends of generation.
    file.set("tokenizer.ggml.eos_token_id", Value::U32(2));
    file.set("tokenizer.ggml.padding_token_id", Value::U32(0));
    file.set("tokenizer.ggml.add_bos_token", Value::Bool(false));
    // From the model's tokenizer_config.json. It knows no tools.
    file.set(
        "tokenizer.chat_template",
        "{% for message in messages %}{% if loop.first %}[gMASK]sop<|{{ message['role'] }}|>\n \
         {{ message['content'] }}{% else %}<|{{ message['role'] }}|>\n {{ message['content'] }}{% endif %}{% endfor %}\
         {% if add_generation_prompt %}<|assistant|>{% endif %}",
    );
}

/// Random weights, but for one column. The embedding of every token has the same number there, so it comes through to
/// the output as a constant, and there it makes tokens that close something likelier than chance. Without it a string
/// that may be of any length would seldom end: one token in some thousands holds a quote.
fn weights(file: &mut Writer, pieces: &[Piece], random: &mut Random) {
    let kv = KV_HEADS * HEAD_WIDTH;
    let mut matrix = |file: &mut Writer,
                      name: &str,
                      columns: usize,
                      rows: usize,
                      spread: f32,
                      first: &dyn Fn(usize) -> Option<f32>| {
        let mut values: Vec<f32> = (0..columns * rows).map(|_| random.next() * spread).collect();
        for (row, values) in values.chunks_exact_mut(columns).enumerate() {
            values[0] = first(row).unwrap_or(values[0]);
        }
        file.tensor(name, &[columns, rows], q8_0(&values));
    };
    let closing = |row: usize| {
        let closes = pieces.get(row).is_some_and(|piece| piece.text.contains(['\'', '"', ')', ']', '}']));
        Some(if closes { 1.6 } else { 0.0 })
    };
    let none = |_| None;
    // Spreads that keep what a layer adds about as large as what it gets: what comes next stays open, and depends on what
    // was written.
    matrix(file, "token_embd.weight", WIDTH, VOCABULARY, 1.0, &|_| Some(2.0));
    matrix(file, "output.weight", WIDTH, VOCABULARY, 0.2, &closing);
    matrix(file, "blk.0.attn_qkv.weight", WIDTH, WIDTH + 2 * kv, 0.2, &none);
    matrix(file, "blk.0.attn_output.weight", WIDTH, WIDTH, 0.2, &none);
    matrix(file, "blk.0.ffn_up.weight", WIDTH, 2 * FEED_FORWARD, 0.2, &none);
    matrix(file, "blk.0.ffn_down.weight", FEED_FORWARD, WIDTH, 0.2, &none);
    let bias = (0..WIDTH + 2 * kv).map(|_| random.next() * 0.1).collect();
    file.tensor("blk.0.attn_qkv.bias", &[WIDTH + 2 * kv], Data::F32(bias));
    for norm in ["output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"] {
        file.tensor(norm, &[WIDTH], Data::F32(vec![1.0; WIDTH]));
    }
}

/// SplitMix64, evenly spread over -1..1: the same weights on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = (z ^ (z >> 31)) >> 40; // 24 of them: what an f32 holds exactly
        bits as f32 / (1 << 23) as f32 - 1.0
    }
}
