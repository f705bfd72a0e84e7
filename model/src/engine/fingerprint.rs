//! A name for a model's weights and vocabulary.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::gguf::Header;
use crate::hex::hex;

/// Blocks of tensor data that are hashed, spread evenly over the file.
const BLOCKS: u64 = 16;
/// Length of a block in bytes.
const BLOCK: u64 = 64 * 1024;

/// 32 hexadecimal digits, the same for the same file: a hash over its length, its header and 1 MiB of its tensors. It
/// tells models apart that were trained apart; it does not protect from a file that was made to deceive.
pub(crate) fn fingerprint(path: &Path, header: &Header) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(header.file_size.to_le_bytes());
    hash.update(header.digest);
    let mut file = File::open(path)?;
    let data = header.file_size.saturating_sub(header.data_offset);
    let stride = (data / BLOCKS).max(BLOCK);
    let mut block = Vec::with_capacity(BLOCK as usize);
    for n in 0..BLOCKS {
        let start = header.data_offset.saturating_add(n.saturating_mul(stride));
        if start >= header.file_size {
            break;
        }
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(&mut file).take(BLOCK).read_to_end(&mut block)?;
        hash.update(&block);
    }
    let digest = hash.finalize();
    Ok(hex(digest.get(..16).unwrap_or(&digest)))
}
