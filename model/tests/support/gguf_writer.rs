//! Writes GGUF files, version 3 (ggml/docs/gguf.md): magic, version, counts, metadata, tensor infos, padding, data.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Tensor data starts at multiples of this.
const ALIGNMENT: usize = 32;
/// Weights that share one scale in Q8_0.
const BLOCK: usize = 32;

/// A metadata value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Value {
    /// The type's number and the bytes.
    fn encode(&self) -> (u32, Vec<u8>) {
        match self {
            Self::U32(v) => (4, v.to_le_bytes().to_vec()),
            Self::F32(v) => (6, v.to_le_bytes().to_vec()),
            Self::Bool(v) => (7, vec![u8::from(*v)]),
            Self::Text(v) => (8, text(v)),
            Self::Texts(v) => (9, array(8, v, |item| text(item))),
            Self::F32s(v) => (9, array(6, v, |item| item.to_le_bytes().to_vec())),
            Self::I32s(v) => (9, array(5, v, |item| item.to_le_bytes().to_vec())),
        }
    }
}

fn text(value: &str) -> Vec<u8> {
    let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
    bytes.extend(value.as_bytes());
    bytes
}

fn array<T>(kind: u32, items: &[T], encode: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((items.len() as u64).to_le_bytes());
    items.iter().for_each(|item| bytes.extend(encode(item)));
    bytes
}

/// A tensor's numbers.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    F32(Vec<f32>),
    /// Bytes of Q8_0 blocks, see [`q8_0`].
    Q8_0(Vec<u8>),
}

/// `values` as Q8_0: for each 32 of them a scale (f16) and 32 signed bytes.
pub(crate) fn q8_0(values: &[f32]) -> Data {
    assert_eq!(values.len() % BLOCK, 0);
    let mut bytes = Vec::with_capacity(values.len() / BLOCK * (BLOCK + 2));
    for block in values.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        let scale = f16_bits(largest / 127.0);
        let step = f16_value(scale);
        bytes.extend(scale.to_le_bytes());
        bytes.extend(block.iter().map(|v| {
            let quantum = if step == 0.0 { 0.0 } else { (v / step).round().clamp(-127.0, 127.0) };
            (quantum as i8).to_le_bytes()[0]
        }));
    }
    Data::Q8_0(bytes)
}

/// The nearest f16 below a non-negative, normal number that f16 can hold (a cut, not a rounding: enough for a scale).
fn f16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 23).expect("eight bits") - 127 + 15;
    assert!(value >= 0.0 && exponent < 31, "{value}");
    if exponent <= 0 { 0 } else { (u16::try_from(exponent).expect("five bits") << 10) | ((bits >> 13) & 0x3ff) as u16 }
}

fn f16_value(bits: u16) -> f32 {
    if bits == 0 {
        return 0.0;
    }
    f32::from_bits(((u32::from(bits >> 10) + 127 - 15) << 23) | (u32::from(bits & 0x3ff) << 13))
}

/// A GGUF file in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    metadata: Vec<(String, Value)>,
    tensors: Vec<(String, Vec<usize>, Data)>,
}

impl Writer {
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.metadata.push((key.to_owned(), value.into()));
    }

    /// Adds a tensor. `shape` as ggml counts: the length of a row first.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], data: Data) {
        let count = shape.iter().product::<usize>();
        match &data {
            Data::F32(values) => assert_eq!(values.len(), count, "{name}"),
            Data::Q8_0(bytes) => {
                assert_eq!(shape[0] % BLOCK, 0, "{name}");
                assert_eq!(bytes.len(), count / BLOCK * (BLOCK + 2), "{name}");
            }
        }
        self.tensors.push((name.to_owned(), shape.to_vec(), data));
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut head = b"GGUF".to_vec();
        head.extend(3u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            let (kind, bytes) = value.encode();
            head.extend(text(key));
            head.extend(kind.to_le_bytes());
            head.extend(bytes);
        }
        let mut offset = 0usize;
        for (name, shape, data) in &self.tensors {
            let (kind, len) = match data {
                Data::F32(values) => (0u32, values.len() * 4),
                Data::Q8_0(bytes) => (8, bytes.len()),
            };
            head.extend(text(name));
            head.extend(u32::try_from(shape.len()).expect("few dimensions").to_le_bytes());
            shape.iter().for_each(|n| head.extend((*n as u64).to_le_bytes()));
            head.extend(kind.to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            offset = (offset + len).next_multiple_of(ALIGNMENT);
        }
        let mut file = BufWriter::new(File::create(path)?);
        let pad = |file: &mut BufWriter<File>, bytes: &[u8]| {
            file.write_all(bytes)?;
            file.write_all(&[0; ALIGNMENT][..bytes.len().next_multiple_of(ALIGNMENT) - bytes.len()])
        };
        pad(&mut file, &head)?;
        for (_, _, data) in &self.tensors {
            match data {
                Data::F32(values) => {
                    pad(&mut file, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())?;
                }
                Data::Q8_0(bytes) => pad(&mut file, bytes)?,
            }
        }
        file.flush()
    }
}
