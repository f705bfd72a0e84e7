use super::*;

/// A small GGUF file: one tensor of 64 f32 and a few metadata entries.
fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    out.extend(b"GGUF");
    out.extend(3u32.to_le_bytes());
    out.extend(1u64.to_le_bytes());
    out.extend(7u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "llama");
    for (key, value) in [
        ("llama.block_count", 2u32),
        ("llama.context_length", 2048),
        ("llama.embedding_length", 64),
        ("llama.attention.head_count", 4),
    ] {
        text(&mut out, key);
        out.extend(4u32.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    text(&mut out, "llama.attention.head_count_kv");
    out.extend(9u32.to_le_bytes());
    out.extend(5u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend(1i32.to_le_bytes());
    out.extend(2i32.to_le_bytes());
    text(&mut out, "tokenizer.ggml.tokens");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "b");
    // The tensor.
    text(&mut out, "w");
    out.extend(2u32.to_le_bytes());
    out.extend(8u64.to_le_bytes());
    out.extend(8u64.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.resize(out.len().next_multiple_of(32), 0);
    out.resize(out.len() + 256, 7);
    out
}

fn parse(bytes: &[u8]) -> Result<Header, String> {
    Header::parse(bytes, bytes.len() as u64)
}

#[test]
fn reads_metadata() {
    let header = parse(&sample()).unwrap();
    let metadata = header.metadata();
    assert_eq!(metadata.architecture, "llama");
    assert_eq!(metadata.context_length, 2048);
    assert_eq!(metadata.chat_template, None);
    assert_eq!(header.data_offset + 256, header.file_size);
    // (1 + 2) KV heads over the layers, 16 numbers a head, keys and values.
    assert_eq!(header.kv_numbers_per_token(), Some(3 * 32));
}

#[test]
fn every_cut_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        let problem = parse(&whole[..length]).map(|_| ()).unwrap_err();
        let header_ends = whole.len() - 256;
        if length > header_ends {
            assert!(problem.starts_with("it is cut short"), "{length}: {problem}");
        }
    }
}

#[test]
fn every_changed_byte_is_read_or_refused() {
    let whole = sample();
    for at in 0..whole.len() {
        for change in [0x00, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = change;
            let _ = parse(&bytes);
        }
    }
}

#[test]
fn hostile_counts_do_not_allocate() {
    let mut bytes = sample();
    bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(parse(&bytes).unwrap_err().contains("metadata entries"));
    let mut bytes = sample();
    bytes[8..16].copy_from_slice(&(1u64 << 40).to_le_bytes());
    assert!(parse(&bytes).unwrap_err().contains("tensors"));
    let mut bytes = sample();
    bytes[24..32].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(parse(&bytes).unwrap_err().contains("ends inside its header"));
}

#[test]
fn says_what_else_it_is() {
    assert_eq!(parse(b"").unwrap_err(), "it is empty");
    assert_eq!(parse(b"GG").unwrap_err(), "it has 2 bytes");
    assert!(parse(b"version https://git-lfs.github.com/spec/v1").unwrap_err().contains("Git LFS"));
    assert!(parse(b"<!DOCTYPE html>").unwrap_err().contains("web page"));
    assert!(parse(b"\x89PNG....").unwrap_err().contains("starts with `\\x89PNG`"));
    assert!(parse(b"GGUF\x01\0\0\0").unwrap_err().contains("version 1"));
    assert!(parse(b"GGUF\0\0\0\x03").unwrap_err().contains("big endian"));
    assert!(parse(b"GGUF\x09\0\0\0").unwrap_err().contains("version 9"));
}
