//! The header of a GGUF file, read without llama.cpp.
//!
//! llama.cpp says little when a file is wrong, and says it after the work; this reader says it first, and gives the
//! metadata before anything is loaded. It never allocates more than its limits, whatever the file claims.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little endian.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{Metadata, ModelError};

/// The most metadata entries; real files have fewer than 200.
const MAX_ENTRIES: u64 = 1 << 16;
/// The most tensors; the largest mixture models have some thousands.
const MAX_TENSORS: u64 = 1 << 17;
/// The longest key or tensor name, by the specification.
const MAX_KEY: u64 = 65_535;
/// The longest text that is kept; templates have some ten thousand bytes. A longer one is skipped.
const MAX_TEXT: u64 = 1 << 22;
/// The longest list of numbers that is kept: one a layer. A longer one is skipped.
const MAX_NUMBERS: u64 = 4096;
/// How deep arrays may nest.
const MAX_DEPTH: u8 = 4;

/// The header of a GGUF file.
#[derive(Debug, Clone)]
pub struct Header {
    /// The format's version.
    pub version: u32,
    /// Length of the file in bytes.
    pub file_size: u64,
    /// Where the tensors' data begins, in bytes.
    pub data_offset: u64,
    /// Number of tensors.
    pub tensors: u64,
    /// SHA-256 of everything before the padding that precedes the data.
    pub digest: [u8; 32],
    values: HashMap<String, Value>,
}

/// A metadata value, as far as it is of use here.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(u64),
    Text(String),
    Numbers(Vec<u64>),
    /// Read over: floats, negative numbers, lists of texts, and what is too long.
    Other,
}

impl Header {
    /// Reads the header of the file at `path`, and checks that the file is as long as its tensors need.
    ///
    /// # Errors
    /// [`ModelError::NotFound`], or [`ModelError::BadFile`] that says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let bad = |problem: String| ModelError::BadFile { path: path.to_owned(), problem };
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ModelError::NotFound { path: path.to_owned() });
            }
            Err(error) => return Err(bad(format!("it cannot be read: {error}"))),
        };
        if meta.is_dir() {
            return Err(bad("it is a directory".into()));
        }
        let file = File::open(path).map_err(|error| bad(format!("it cannot be opened: {error}")))?;
        Self::parse(BufReader::with_capacity(1 << 16, file), meta.len()).map_err(bad)
    }

    /// Reads a header from `source`, which has `file_size` bytes in all.
    fn parse(source: impl Read, file_size: u64) -> Result<Self, String> {
        let mut input = Input { source, hash: Sha256::new(), read: 0, size: file_size };
        check_magic(&mut input)?;
        let version = input.u32()?;
        match version {
            2 | 3 => {}
            1 => return Err("it is GGUF version 1, which is no longer read".into()),
            v if v.swap_bytes() <= 3 => return Err("it is big endian".into()),
            v => return Err(format!("it is GGUF version {v}; known are 2 and 3")),
        }
        let tensors = input.u64()?;
        let entries = input.u64()?;
        if entries > MAX_ENTRIES {
            return Err(format!("it claims {entries} metadata entries"));
        }
        if tensors > MAX_TENSORS {
            return Err(format!("it claims {tensors} tensors"));
        }

        let mut values = HashMap::new();
        for _ in 0..entries {
            let key = input.text(MAX_KEY)?.ok_or("a metadata key is too long")?;
            let kind = input.u32()?;
            let value = input.value(kind, 0).map_err(|problem| format!("{problem} (metadata `{key}`)"))?;
            values.insert(key, value);
        }
        let mut header = Self { version, file_size, data_offset: 0, tensors, digest: [0; 32], values };
        let needed = header.read_tensors(&mut input)?;
        header.digest = input.hash.finalize().into();
        if needed > file_size {
            return Err(format!(
                "it is cut short: {file_size} bytes of {needed} ({:.0} %)",
                100.0 * file_size as f64 / needed as f64
            ));
        }
        Ok(header)
    }

    /// Reads the tensor infos, sets `data_offset`, and gives the length in bytes that the file must have.
    fn read_tensors(&mut self, input: &mut Input<impl Read>) -> Result<u64, String> {
        let mut end: u64 = 0;
        for _ in 0..self.tensors {
            let name = input.text(MAX_KEY)?.ok_or("a tensor's name is too long")?;
            let dimensions = input.u32()?;
            if dimensions > 8 {
                return Err(format!("tensor `{name}` claims {dimensions} dimensions"));
            }
            let mut elements: u64 = 1;
            for _ in 0..dimensions {
                let length = input.u64()?;
                elements =
                    elements.checked_mul(length).ok_or_else(|| format!("tensor `{name}` is impossibly large"))?;
            }
            let kind = input.u32()?;
            let offset = input.u64()?;
            let tensor_end = tensor_bytes(kind, elements)
                .and_then(|bytes| offset.checked_add(bytes))
                .ok_or_else(|| format!("tensor `{name}` is impossibly large"))?;
            end = end.max(tensor_end);
        }
        let alignment = self.number("general.alignment").unwrap_or(32);
        if !alignment.is_power_of_two() || alignment > 1 << 20 {
            return Err(format!("it claims an alignment of {alignment}"));
        }
        self.data_offset = input.read.next_multiple_of(alignment);
        self.data_offset.checked_add(end).ok_or_else(|| "its tensors are impossibly large".into())
    }

    /// The metadata that dialects need.
    pub fn metadata(&self) -> Metadata {
        Metadata {
            architecture: self.text("general.architecture").unwrap_or_default().to_owned(),
            name: self.text("general.name").map(str::to_owned),
            chat_template: self.text("tokenizer.chat_template").map(str::to_owned),
            context_length: self.of_architecture("context_length").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        }
    }

    /// A text among the metadata.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number among the metadata; a truth value counts as 0 or 1.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.values.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number whose key starts with the architecture, such as `llama.block_count`.
    pub fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.text("general.architecture")?))
    }

    /// Numbers of the KV cache that one token takes, all layers together; `None` where the metadata does not say.
    pub fn kv_numbers_per_token(&self) -> Option<u64> {
        let layers = self.of_architecture("block_count")?;
        let heads = self.of_architecture("attention.head_count");
        let head_length = match (self.of_architecture("embedding_length"), heads) {
            (Some(length), Some(heads)) => length.checked_div(heads),
            _ => None,
        };
        let key = self.of_architecture("attention.key_length").or(head_length)?;
        let value = self.of_architecture("attention.value_length").or(head_length)?;
        let name = format!("{}.attention.head_count_kv", self.text("general.architecture")?);
        let kv_heads = match self.values.get(&name) {
            Some(Value::Number(heads)) => heads.checked_mul(layers)?,
            Some(Value::Numbers(heads)) => heads.iter().try_fold(0u64, |sum, n| sum.checked_add(*n))?,
            _ => heads?.checked_mul(layers)?,
        };
        kv_heads.checked_mul(key.checked_add(value)?)
    }
}

/// The header's input: counts and hashes what is read, and never reads past the file's end.
struct Input<R> {
    source: R,
    hash: Sha256,
    read: u64,
    size: u64,
}

impl<R: Read> Input<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        let length = buffer.len() as u64;
        if self.size.saturating_sub(self.read) < length {
            return Err(self.short());
        }
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.short(),
            _ => format!("reading it failed: {error}"),
        })?;
        self.hash.update(&*buffer);
        self.read = self.read.saturating_add(length);
        Ok(())
    }

    fn short(&self) -> String {
        format!("it ends inside its header, after {} bytes", self.size)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), String> {
        if self.size.saturating_sub(self.read) < bytes {
            return Err(self.short());
        }
        let mut buffer = [0; 4096];
        while bytes > 0 {
            let step = bytes.min(buffer.len() as u64);
            let (part, _) = buffer.split_at_mut(step as usize);
            self.fill(part)?;
            bytes -= step;
        }
        Ok(())
    }

    /// A text; `None` where it is longer than `max` and was read over. Bytes that are not UTF-8 are replaced.
    fn text(&mut self, max: u64) -> Result<Option<String>, String> {
        let length = self.u64()?;
        if length > max {
            self.skip(length)?;
            return Ok(None);
        }
        // The file must have so many bytes left before they are allocated.
        if self.size.saturating_sub(self.read) < length {
            return Err(self.short());
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn value(&mut self, kind: u32, depth: u8) -> Result<Value, String> {
        Ok(match kind {
            0 | 7 => Value::Number(self.array::<1>().map(u8::from_le_bytes)?.into()),
            1 => signed(self.array::<1>().map(i8::from_le_bytes)?.into()),
            2 => Value::Number(self.array().map(u16::from_le_bytes)?.into()),
            3 => signed(self.array().map(i16::from_le_bytes)?.into()),
            4 => Value::Number(self.u32()?.into()),
            5 => signed(self.array().map(i32::from_le_bytes)?.into()),
            6 => {
                self.skip(4)?;
                Value::Other
            }
            8 => self.text(MAX_TEXT)?.map_or(Value::Other, Value::Text),
            9 => self.list(depth)?,
            10 => Value::Number(self.u64()?),
            11 => signed(self.array().map(i64::from_le_bytes)?),
            12 => {
                self.skip(8)?;
                Value::Other
            }
            kind => return Err(format!("a value has the unknown type {kind}")),
        })
    }

    fn list(&mut self, depth: u8) -> Result<Value, String> {
        if depth >= MAX_DEPTH {
            return Err("its lists nest too deep".into());
        }
        let kind = self.u32()?;
        let length = self.u64()?;
        let whole_numbers = matches!(kind, 0..=5 | 7 | 10 | 11);
        if whole_numbers && length <= MAX_NUMBERS {
            let mut numbers = Vec::new();
            for _ in 0..length {
                if let Value::Number(number) = self.value(kind, depth)? {
                    numbers.push(number);
                }
            }
            return Ok(Value::Numbers(numbers));
        }
        match kind {
            8 => {
                for _ in 0..length {
                    let bytes = self.u64()?;
                    self.skip(bytes)?;
                }
            }
            9 => {
                for _ in 0..length {
                    self.list(depth.saturating_add(1))?;
                }
            }
            _ => {
                let width: u64 = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    10..=12 => 8,
                    kind => return Err(format!("a list has the unknown type {kind}")),
                };
                self.skip(length.checked_mul(width).ok_or("a list is impossibly long")?)?;
            }
        }
        Ok(Value::Other)
    }
}

fn signed(number: i64) -> Value {
    u64::try_from(number).map_or(Value::Other, Value::Number)
}

/// Reads the magic, and names what else the file may be.
fn check_magic(input: &mut Input<impl Read>) -> Result<(), String> {
    if input.size == 0 {
        return Err("it is empty".into());
    }
    if input.size < 4 {
        return Err(format!("it has {} bytes", input.size));
    }
    match &input.array::<4>()? {
        b"GGUF" => Ok(()),
        b"vers" => Err("it seems to be a Git LFS pointer, not the file itself".into()),
        b"PK\x03\x04" => Err("it is a zip archive, such as PyTorch writes".into()),
        b"ggml" | b"lmgg" | b"tjgg" | b"fmgg" => Err("it is a GGML file of the time before GGUF".into()),
        b"<!DO" | b"<htm" | b"<!do" | b"<HTM" => Err("it is a web page".into()),
        other => Err(format!("it starts with `{}` and not with `GGUF`", other.escape_ascii())),
    }
}

/// Bytes of a tensor: ggml's block length and block size for each type. A type that is not known here counts as
/// empty, so that a newer llama.cpp may still read it. `None` where the product overflows.
fn tensor_bytes(kind: u32, elements: u64) -> Option<u64> {
    let (block, bytes): (u64, u64) = match kind {
        0 | 26 => (1, 4),      // f32, i32
        1 | 25 | 30 => (1, 2), // f16, i16, bf16
        24 => (1, 1),          // i8
        27 | 28 => (1, 8),     // i64, f64
        2 | 20 => (32, 18),    // q4_0, iq4_nl
        3 => (32, 20),         // q4_1
        6 => (32, 22),         // q5_0
        7 => (32, 24),         // q5_1
        8 => (32, 34),         // q8_0
        9 => (32, 36),         // q8_1
        10 => (256, 84),       // q2_k
        11 | 21 => (256, 110), // q3_k, iq3_s
        12 => (256, 144),      // q4_k
        13 => (256, 176),      // q5_k
        14 => (256, 210),      // q6_k
        15 => (256, 292),      // q8_k
        16 | 35 => (256, 66),  // iq2_xxs, tq2_0
        17 => (256, 74),       // iq2_xs
        18 => (256, 98),       // iq3_xxs
        19 => (256, 50),       // iq1_s
        22 => (256, 82),       // iq2_s
        23 => (256, 136),      // iq4_xs
        29 => (256, 56),       // iq1_m
        34 => (256, 54),       // tq1_0
        39 => (32, 17),        // mxfp4
        _ => return Some(0),
    };
    elements.div_ceil(block).checked_mul(bytes)
}

#[cfg(test)]
#[path = "gguf_tests.rs"]
mod tests;
