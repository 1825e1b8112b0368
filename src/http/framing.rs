//! What a head says about the length of the body.

use super::{Headers, HttpError};

/// The two headers that end a body, at most one of them there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Framing {
    pub(super) content_length: Option<u64>,
    pub(super) has_transfer_encoding: bool,
}

impl Framing {
    pub(super) fn decode(headers: &Headers) -> Result<Self, HttpError> {
        let mut content_length = None;
        for value in headers.all("Content-Length") {
            let length = decode_length(value).ok_or(HttpError::InvalidContentLength)?;
            // "If a message is received without Transfer-Encoding and with an invalid Content-Length header
            // field, then the message framing is invalid and the recipient MUST treat it as an unrecoverable
            // error" -- RFC 9112 §6.3
            if content_length.is_some_and(|other| other != length) {
                return Err(HttpError::InvalidContentLength);
            }
            content_length = Some(length);
        }
        let has_transfer_encoding = headers.contains("Transfer-Encoding");
        // "Such a message might indicate an attempt to perform request smuggling or response splitting and
        // ought to be handled as an error" -- RFC 9112 §6.3
        if has_transfer_encoding && content_length.is_some() {
            return Err(HttpError::LengthWithTransferEncoding);
        }
        Ok(Self { content_length, has_transfer_encoding })
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110 §8.6); `parse` alone would take a plus sign.
fn decode_length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok()?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_digits_alone() {
        assert_eq!(decode_length(b"0"), Some(0));
        assert_eq!(decode_length(b"18446744073709551615"), Some(u64::MAX));
        for value in [&b""[..], b"+1", b"-1", b"1 ", b"0x1", b"1, 1", b"18446744073709551616", b"\xb9"] {
            assert_eq!(decode_length(value), None, "{}", value.escape_ascii());
        }
    }
}
