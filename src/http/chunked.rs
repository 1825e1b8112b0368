//! The chunked transfer coding, taken off: RFC 9112 §7.1.

use super::BodyError;
use super::syntax::is_value_byte;

/// How much a chunk may say behind its size. Nobody says anything; a peer that says much with each byte
/// of data keeps us busy for nothing.
const MAX_EXTENSION_LEN: usize = 256;
/// How much may stand behind the last chunk, in all.
const MAX_TRAILER_LEN: usize = 8 * 1024;
/// So many hexadecimal digits are a `u64`, whatever they are.
const MAX_DIGIT_COUNT: u8 = 16;

/// Where the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size {
        len: u64,
        digit_count: u8,
    },
    /// Blanks behind the size, before the semicolon of an extension.
    Blank {
        len: u64,
        extension_len: usize,
    },
    Extension {
        len: u64,
        extension_len: usize,
    },
    SizeLineFeed {
        len: u64,
    },
    Data {
        left: u64,
    },
    DataCarriageReturn,
    DataLineFeed,
    TrailerStart {
        trailer_len: usize,
    },
    Trailer {
        trailer_len: usize,
    },
    TrailerLineFeed {
        trailer_len: usize,
    },
    LastLineFeed,
    End,
}

/// Walks over a chunked body once, and holds none of it.
#[derive(Debug, Clone)]
pub(super) struct ChunkedDecoder {
    place: Place,
}

impl ChunkedDecoder {
    pub(super) const fn new() -> Self {
        Self { place: Place::Size { len: 0, digit_count: 0 } }
    }

    /// Whether the last chunk and what follows it were consumed.
    pub(super) fn is_complete(&self) -> bool {
        self.place == Place::End
    }

    /// Consumes `input` up to and with the next piece of data. `None`: more input is needed, or the body is
    /// complete.
    pub(super) fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<&'i [u8]>, BodyError> {
        while self.place != Place::End {
            if let Place::Data { left } = &mut self.place {
                let Some(data) = split_data(input, left) else { return Ok(None) };
                if *left == 0 {
                    self.place = Place::DataCarriageReturn;
                }
                return Ok(Some(data));
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(None) };
            self.place = self.place.step(*byte)?;
            *input = rest;
        }
        Ok(None)
    }
}

/// Splits off the data that is there, and counts it; `None` if nothing is.
pub(super) fn split_data<'i>(input: &mut &'i [u8], left: &mut u64) -> Option<&'i [u8]> {
    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (data, rest) = input.split_at_checked(len)?;
    *input = rest;
    *left = left.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
    (!data.is_empty()).then_some(data)
}

impl Place {
    /// The place behind a byte that is not data.
    fn step(self, byte: u8) -> Result<Self, BodyError> {
        match self {
            Self::Size { len, digit_count } => step_in_size(len, digit_count, byte),
            Self::Blank { len, extension_len } => step_in_blank(len, extension_len, byte),
            Self::Extension { len, .. } if byte == b'\r' => Ok(Self::SizeLineFeed { len }),
            Self::Extension { len, extension_len } => step_in_extension(len, extension_len, byte),
            Self::SizeLineFeed { len: 0 } if byte == b'\n' => Ok(Self::TrailerStart { trailer_len: 0 }),
            Self::SizeLineFeed { len } if byte == b'\n' => Ok(Self::Data { left: len }),
            Self::SizeLineFeed { .. } => Err(BodyError::InvalidChunkSize),
            Self::DataCarriageReturn if byte == b'\r' => Ok(Self::DataLineFeed),
            Self::DataLineFeed if byte == b'\n' => Ok(Self::Size { len: 0, digit_count: 0 }),
            Self::Data { .. } | Self::DataCarriageReturn | Self::DataLineFeed => {
                Err(BodyError::InvalidChunkEnd)
            }
            Self::TrailerStart { .. } if byte == b'\r' => Ok(Self::LastLineFeed),
            Self::Trailer { trailer_len } if byte == b'\r' => Ok(Self::TrailerLineFeed { trailer_len }),
            Self::TrailerStart { trailer_len } | Self::Trailer { trailer_len } => {
                step_in_trailer(trailer_len, byte)
            }
            Self::TrailerLineFeed { trailer_len } if byte == b'\n' => Ok(Self::TrailerStart { trailer_len }),
            Self::LastLineFeed | Self::End if byte == b'\n' => Ok(Self::End),
            Self::TrailerLineFeed { .. } | Self::LastLineFeed | Self::End => Err(BodyError::InvalidTrailer),
        }
    }
}

/// "recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors due to
/// integer conversion overflows" -- RFC 9112 §7.1. Without a sign, a prefix or blanks before it, which others
/// take.
fn step_in_size(len: u64, digit_count: u8, byte: u8) -> Result<Place, BodyError> {
    match (byte, char::from(byte).to_digit(16)) {
        (b'\r', _) if digit_count > 0 => Ok(Place::SizeLineFeed { len }),
        (b';', _) if digit_count > 0 => Ok(Place::Extension { len, extension_len: 1 }),
        (b' ' | b'\t', _) if digit_count > 0 => Ok(Place::Blank { len, extension_len: 1 }),
        (_, Some(digit)) if digit_count < MAX_DIGIT_COUNT => {
            Ok(Place::Size { len: len << 4 | u64::from(digit), digit_count: digit_count + 1 })
        }
        _ => Err(BodyError::InvalidChunkSize),
    }
}

/// `chunk-ext = *( BWS ";" BWS chunk-ext-name .. )` (RFC 9112 §7.1.1), and "a recipient MUST parse for such bad
/// whitespace and remove it before interpreting the protocol element" -- RFC 9110 §5.6.3. It is none without
/// an extension behind it, and counts as a part of that.
const fn step_in_blank(len: u64, extension_len: usize, byte: u8) -> Result<Place, BodyError> {
    match byte {
        b' ' | b'\t' if extension_len < MAX_EXTENSION_LEN => {
            Ok(Place::Blank { len, extension_len: extension_len + 1 })
        }
        b';' => step_in_extension(len, extension_len, byte),
        b' ' | b'\t' => Err(BodyError::ChunkExtensionTooLong { max: MAX_EXTENSION_LEN }),
        _ => Err(BodyError::InvalidChunkSize),
    }
}

/// "A recipient MUST ignore unrecognized chunk extensions." -- RFC 9112 §7.1.1
const fn step_in_extension(len: u64, extension_len: usize, byte: u8) -> Result<Place, BodyError> {
    if !is_value_byte(byte) {
        return Err(BodyError::InvalidChunkSize);
    }
    // "A server ought to limit the total length of chunk extensions received in a request to an amount
    // reasonable for the services provided" -- RFC 9112 §7.1.1; and a client no less.
    if extension_len >= MAX_EXTENSION_LEN {
        return Err(BodyError::ChunkExtensionTooLong { max: MAX_EXTENSION_LEN });
    }
    Ok(Place::Extension { len, extension_len: extension_len + 1 })
}

const fn step_in_trailer(trailer_len: usize, byte: u8) -> Result<Place, BodyError> {
    if !is_value_byte(byte) {
        return Err(BodyError::InvalidTrailer);
    }
    if trailer_len >= MAX_TRAILER_LEN {
        return Err(BodyError::TrailersTooLong { max: MAX_TRAILER_LEN });
    }
    Ok(Place::Trailer { trailer_len: trailer_len + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, and whether the body is complete, read in pieces of `size`.
    fn decode(body: &[u8], size: usize) -> Result<(Vec<u8>, bool), BodyError> {
        let mut decoder = ChunkedDecoder::new();
        let mut data = Vec::new();
        for mut input in body.chunks(size) {
            while let Some(piece) = decoder.decode(&mut input)? {
                assert!(!piece.is_empty());
                data.extend_from_slice(piece);
            }
        }
        Ok((data, decoder.is_complete()))
    }

    fn result(body: &[u8]) -> Result<(Vec<u8>, bool), BodyError> {
        let whole = decode(body, body.len().max(1));
        for size in 1..=3 {
            assert_eq!(decode(body, size), whole, "{}", body.escape_ascii());
        }
        whole
    }

    #[test]
    fn chunks_are_joined() {
        for (body, data, is_complete) in [
            (&b""[..], &b""[..], false),
            (b"0\r\n\r\n", b"", true),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc", true),
            (b"3\r\nabc\r\n0002\r\n\r\n\r\n00\r\n\r\n", b"abc\r\n", true),
            (b"A;x=\"y\" z;\r\n0123456789\r\n0;last\r\nA: b\r\nC:\r\n\r\n", b"0123456789", true),
            (b"3 ;x\r\nabc\r\n0\t \t;y = z\r\n\r\n", b"abc", true),
            (b"a\r\n01234", b"01234", false),
            (b"3\r\nabc\r\n0\r\n", b"abc", false),
            (b"0000000000000001\r\na\r\n", b"a", false),
            (b"ffffffffffffffff\r\na", b"a", false),
        ] {
            assert_eq!(result(body), Ok((data.to_vec(), is_complete)), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn sizes_are_one_to_sixteen_hexadecimal_digits() {
        for size in ["", "+1", "-1", "0x1", " 1", "1 ", "1\t", "g", "1_0", "\u{ff11}", "00000000000000001"] {
            let body = format!("{size}\r\na\r\n0\r\n\r\n");
            assert_eq!(result(body.as_bytes()), Err(BodyError::InvalidChunkSize), "{size:?}");
        }
        for body in [
            &b"1 a\r\n"[..],
            b"1 \n",
            b"1 1\r\n",
            b" ;x\r\n",
            b"1\na\n",
            b"1\r\ra",
            b"1;a\nb",
            b"1;\0\r\n",
            b";a\r\n",
            b"\r\n",
        ] {
            assert_eq!(result(body), Err(BodyError::InvalidChunkSize), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn data_ends_in_crlf() {
        for body in [&b"1\r\nab"[..], b"1\r\na\n", b"1\r\na\r\r", b"1\r\na0\r\n"] {
            assert_eq!(result(body), Err(BodyError::InvalidChunkEnd), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn trailers_are_lines() {
        for body in [&b"0\r\n\n"[..], b"0\r\na\n", b"0\r\n\r\r", b"0\r\na\rb", b"0\r\n\0"] {
            assert_eq!(result(body), Err(BodyError::InvalidTrailer), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn extension_at_its_limit_passes_and_one_past_is_refused() {
        let body = |len: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(len - 1));
        assert_eq!(result(body(256).as_bytes()), Ok((b"a".to_vec(), true)));
        assert_eq!(result(body(257).as_bytes()), Err(BodyError::ChunkExtensionTooLong { max: 256 }));
        let blanks = |len: usize| format!("1{};\r\na\r\n0\r\n\r\n", " ".repeat(len - 1));
        assert_eq!(result(blanks(256).as_bytes()), Ok((b"a".to_vec(), true)));
        for len in [257, 258] {
            let error = BodyError::ChunkExtensionTooLong { max: 256 };
            assert_eq!(result(blanks(len).as_bytes()), Err(error), "{len}");
        }
    }

    #[test]
    fn trailers_at_their_limit_pass_and_one_past_is_refused() {
        let body = |len: usize| {
            let half = "x".repeat(len / 2);
            format!("0\r\n{half}\r\n{}\r\n\r\n", "x".repeat(len - half.len()))
        };
        assert_eq!(result(body(8192).as_bytes()), Ok((Vec::new(), true)));
        assert_eq!(result(body(8193).as_bytes()), Err(BodyError::TrailersTooLong { max: 8192 }));
    }

    #[test]
    fn what_follows_the_body_is_left() {
        let mut input = &b"0\r\n\r\nHTTP/1.1"[..];
        let mut decoder = ChunkedDecoder::new();
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(decoder.is_complete());
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert_eq!(input, b"HTTP/1.1");
    }
}
