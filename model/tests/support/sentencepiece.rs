//! Reads the pieces of a SentencePiece model.
//!
//! The file is a protobuf message, `ModelProto` of sentencepiece_model.proto. Field 1, repeated, is a piece: its text (1),
//! its score (2, float) and its type (3). Protobuf's wire format: a key is `field << 3 | type`; type 0 is a varint, 1 is
//! eight bytes, 2 is a length and as many bytes, 5 is four bytes.

/// A piece. Its id is its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Merges with higher scores are done first.
    pub(crate) score: f32,
    /// 1 normal (the default), 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. GGUF uses the same numbers.
    pub(crate) kind: i32,
}

/// The pieces of the model in `bytes`, or what is wrong with it.
pub(crate) fn pieces(bytes: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    for field in fields(bytes)? {
        if let (1, Value::Bytes(message)) = field {
            pieces.push(piece(message)?);
        }
    }
    Ok(pieces)
}

fn piece(bytes: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: 1 };
    for field in fields(bytes)? {
        match field {
            (1, Value::Bytes(text)) => piece.text = String::from_utf8(text.to_vec()).map_err(|e| e.to_string())?,
            (2, Value::Four(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Varint(kind)) => piece.kind = i32::try_from(kind).map_err(|e| e.to_string())?,
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
                Value::Bytes(take(&mut bytes, usize::try_from(len).map_err(|e| e.to_string())?)?)
            }
            5 => Value::Four(take(&mut bytes, 4)?.try_into().map_err(|_| "four bytes".to_owned())?),
            other => return Err(format!("wire type {other} is unknown")),
        };
        found.push((key >> 3, value));
    }
    Ok(found)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number is longer than 64 bits".into())
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let (head, rest) = bytes.split_at_checked(count).ok_or_else(|| format!("{count} bytes were expected"))?;
    *bytes = rest;
    Ok(head)
}
