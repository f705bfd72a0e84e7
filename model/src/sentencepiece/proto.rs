//! Reads a SentencePiece model file.
//!
//! The file is a protobuf message, `ModelProto` of sentencepiece_model.proto. Field 1, repeated, is a piece: its text (1),
//! its score (2, float) and its type (3). Field 2 is how it was trained: the kind (3) and byte fallback (35). Field 3 is how
//! a text is normalised: a table (2), a blank before the text (3), runs of blanks made one (4), blanks as `▁` (5).
//! Protobuf's wire format: a key is `field << 3 | type`; type 0 is a varint, 1 is eight bytes, 2 is a length and as many
//! bytes, 5 is four bytes.

/// The kind of model whose merges are known here.
const BPE: u64 = 2;

/// What a piece is, with the format's numbers, which GGUF has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// A piece. Its id is its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    /// Merges with higher scores are done first.
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// What of a model matters for its tokens.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    /// A blank is put before a text.
    pub(super) blank_first: bool,
    kind: u64,
    byte_fallback: bool,
    table: bool,
    blanks_made_one: bool,
    blanks_escaped: bool,
}

impl Model {
    /// What would make the tokens others than those of plain merges.
    pub(super) fn check(&self) -> Result<(), String> {
        let problem = if self.pieces.is_empty() {
            "it holds no pieces"
        } else if self.kind != BPE {
            "it is not of the kind BPE"
        } else if !self.byte_fallback || self.pieces.iter().filter(|piece| piece.kind == Kind::Byte).count() != 256 {
            "it has no tokens for single bytes"
        } else if self.table || self.blanks_made_one || !self.blanks_escaped {
            "it changes texts before it reads them, which is not known here"
        } else {
            return Ok(());
        };
        Err(problem.to_owned())
    }
}

/// Reads the file's bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Model, String> {
    // The defaults of the format: unigram, and all normalisation on.
    let mut model = Model {
        pieces: Vec::new(),
        blank_first: true,
        kind: 1,
        byte_fallback: false,
        table: false,
        blanks_made_one: true,
        blanks_escaped: true,
    };
    for field in fields(bytes)? {
        match field {
            (1, Value::Bytes(message)) => model.pieces.push(piece(message)?),
            (2, Value::Bytes(message)) => {
                for field in fields(message)? {
                    match field {
                        (3, Value::Varint(kind)) => model.kind = kind,
                        (35, Value::Varint(on)) => model.byte_fallback = on != 0,
                        _ => {}
                    }
                }
            }
            (3, Value::Bytes(message)) => {
                for field in fields(message)? {
                    match field {
                        (2, Value::Bytes(table)) => model.table = !table.is_empty(),
                        (3, Value::Varint(on)) => model.blank_first = on != 0,
                        (4, Value::Varint(on)) => model.blanks_made_one = on != 0,
                        (5, Value::Varint(on)) => model.blanks_escaped = on != 0,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(model)
}

fn piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    for field in fields(bytes)? {
        match field {
            (1, Value::Bytes(text)) => {
                piece.text = String::from_utf8(text.to_vec()).map_err(|_| "a piece is not UTF-8")?;
            }
            (2, Value::Four(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Varint(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => Kind::UserDefined,
                    5 => Kind::Unused,
                    6 => Kind::Byte,
                    other => return Err(format!("a piece is of the unknown kind {other}")),
                };
            }
            _ => {}
        }
    }
    Ok(piece)
}

enum Value<'a> {
    Varint(u64),
    Eight,
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => {
                take(&mut bytes, 8)?;
                Value::Eight
            }
            2 => {
                let len = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, usize::try_from(len).unwrap_or(usize::MAX))?)
            }
            5 => Value::Four(take(&mut bytes, 4)?.try_into().map_err(|_| "it ends early")?),
            other => return Err(format!("it is no such message (wire type {other})")),
        };
        found.push((key >> 3, value));
    }
    Ok(found)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?.first().copied().unwrap_or_default();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number in it is longer than 64 bits".into())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let (head, rest) = bytes.split_at_checked(count).ok_or("it ends early, or is no such message")?;
    *bytes = rest;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_model_is_an_error() {
        for bytes in [&b"GGUF\x03"[..], b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\x05ab", &[0xff; 20]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(read(b"").unwrap().check().unwrap_err(), "it holds no pieces");
        // One piece `a`, and nothing said of its kind: unigram.
        assert_eq!(read(b"\x0a\x03\x0a\x01a").unwrap().check().unwrap_err(), "it is not of the kind BPE");
    }
}
