//! How a model is loaded and run.

use std::path::PathBuf;

use llama_cpp_2::{context::params::KvCacheType as LlamaKvType, model::params::LlamaSplitMode};

/// How a model is loaded and run. The default suits one person on one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineOptions {
    /// Tokens that fit in the context, prompt and reply together; all running generations share them. `None` takes
    /// what the model was trained for, at most [`EngineOptions::DEFAULT_CONTEXT`].
    pub context: Option<u32>,
    /// The most prompt tokens handed to llama.cpp at once (`n_batch`). The engine takes fewer where so many would last
    /// so long that cancelling is felt. Default 512.
    pub batch: u32,
    /// The most tokens llama.cpp computes at once (`n_ubatch`). Default 512.
    pub micro_batch: u32,
    /// Threads to compute with. `None` takes what the machine offers to this process.
    pub threads: Option<u32>,
    /// Layers to put on the GPU. `None` takes all, where the build has a GPU backend and the machine has a GPU.
    pub gpu_layers: Option<u32>,
    /// The GPU that is used alone under [`SplitMode::None`]. Default 0.
    pub main_gpu: u32,
    /// How a model is spread over several GPUs. Default [`SplitMode::Layer`].
    pub split_mode: SplitMode,
    /// The devices to use, by ggml's index; empty means all GPUs. Under [`SplitMode::Layer`] llama.cpp gives each its
    /// share by the memory it has free; llama-cpp-2 offers no way to set the shares by hand.
    pub devices: Vec<usize>,
    /// Type of the KV cache. Default [`KvCacheType::F16`].
    pub kv_cache: KvCacheType,
    /// Map the file rather than read it. Default true.
    pub mmap: bool,
    /// Keep the weights from being swapped out. Default false.
    pub mlock: bool,
    /// A LoRA adapter that acts on every generation which chooses none.
    pub lora: Option<LoraAdapter>,
    /// LoRA adapters that a generation chooses by name. They act on no other.
    pub adapters: Vec<NamedAdapter>,
    /// Sequences of the KV cache: so many generations run at once, and so many conversations keep their KV. Default 4,
    /// at least 1, at most [`EngineOptions::MAX_SEQUENCES`].
    pub sequences: u32,
    /// Generations that may wait while all sequences are taken. Default 64.
    pub queue: usize,
}

impl EngineOptions {
    /// The largest context that is taken unasked: 8192 tokens.
    pub const DEFAULT_CONTEXT: u32 = 8192;
    /// The most sequences: 64.
    pub const MAX_SEQUENCES: u32 = 64;
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            context: None,
            batch: 512,
            micro_batch: 512,
            threads: None,
            gpu_layers: None,
            main_gpu: 0,
            split_mode: SplitMode::default(),
            devices: Vec::new(),
            kv_cache: KvCacheType::default(),
            mmap: true,
            mlock: false,
            lora: None,
            adapters: Vec::new(),
            sequences: 4,
            queue: 64,
        }
    }
}

/// A LoRA adapter: a GGUF file made for the same model.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraAdapter {
    /// The file.
    pub path: PathBuf,
    /// How strongly it acts; 1 is as trained.
    pub scale: f32,
}

/// A LoRA adapter and the name by which a generation chooses it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedAdapter {
    /// A word without blanks; each name once.
    pub name: String,
    /// The adapter, with the scale that it has where a generation names none.
    pub adapter: LoraAdapter,
}

/// How a model is spread over several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SplitMode {
    /// One GPU, [`EngineOptions::main_gpu`].
    None,
    /// Whole layers, and their KV.
    #[default]
    Layer,
    /// Layers, and rows of large tensors.
    Row,
}

impl SplitMode {
    pub(crate) fn to_llama(self) -> LlamaSplitMode {
        match self {
            Self::None => LlamaSplitMode::None,
            Self::Layer => LlamaSplitMode::Layer,
            Self::Row => LlamaSplitMode::Row,
        }
    }
}

/// Type of the numbers in the KV cache. The smaller, the more tokens fit in the same memory, at some loss of quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KvCacheType {
    /// 32 bits.
    F32,
    /// 16 bits.
    #[default]
    F16,
    /// 16 bits, with the range of 32.
    Bf16,
    /// 8.5 bits.
    Q8_0,
    /// 6 bits.
    Q5_1,
    /// 5.5 bits.
    Q5_0,
    /// 5 bits.
    Q4_1,
    /// 4.5 bits.
    Q4_0,
}

impl KvCacheType {
    /// Every type, widest first.
    pub const ALL: [Self; 8] =
        [Self::F32, Self::F16, Self::Bf16, Self::Q8_0, Self::Q5_1, Self::Q5_0, Self::Q4_1, Self::Q4_0];

    /// The name that llama.cpp uses: `f16`, `q8_0`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q5_1 => "q5_1",
            Self::Q5_0 => "q5_0",
            Self::Q4_1 => "q4_1",
            Self::Q4_0 => "q4_0",
        }
    }

    /// Bits of one number. The block formats store 32 numbers with a 16-bit scale, `_1` with an offset besides.
    pub(crate) fn bits_times_two(self) -> u64 {
        match self {
            Self::F32 => 64,
            Self::F16 | Self::Bf16 => 32,
            Self::Q8_0 => 17,
            Self::Q5_1 => 12,
            Self::Q5_0 => 11,
            Self::Q4_1 => 10,
            Self::Q4_0 => 9,
        }
    }

    pub(crate) fn to_llama(self) -> LlamaKvType {
        match self {
            Self::F32 => LlamaKvType::F32,
            Self::F16 => LlamaKvType::F16,
            Self::Bf16 => LlamaKvType::BF16,
            Self::Q8_0 => LlamaKvType::Q8_0,
            Self::Q5_1 => LlamaKvType::Q5_1,
            Self::Q5_0 => LlamaKvType::Q5_0,
            Self::Q4_1 => LlamaKvType::Q4_1,
            Self::Q4_0 => LlamaKvType::Q4_0,
        }
    }
}

impl std::str::FromStr for KvCacheType {
    type Err = String;

    /// Reads a name as [`KvCacheType::name`] gives it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("there is no KV cache type `{text}`; known: {}", known()))
    }
}

impl std::fmt::Display for KvCacheType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
