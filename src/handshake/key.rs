//! The proof that the server speaks WebSocket: RFC 6455 §4.2.2, step 5.4.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` that answers this `Sec-WebSocket-Key`.
pub(super) fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// The value of `Sec-WebSocket-Key` for these bytes.
pub(super) fn encode_key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Whether this is "a nonce consisting of a randomly selected 16-byte value that has been
/// base64-encoded" (RFC 6455 §4.1), in canonical base64.
pub(super) fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §1.3 and §4.2.2.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys() {
        assert!(is_key(&encode_key([0xff; 16])));
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",    // no padding
            "dGhlIHNhbXBsZSBub25jZQ=",   // too little
            "dGhlIHNhbXBsZSBub25jZR==",  // bits beyond the last byte
            "dGhlIHNhbXBsZSBub25jZQ== ", // a blank
            "dGhlIHNhbXBsZSBub25j",      // 15 bytes
            "dGhlIHNhbXBsZSBub25jZTEy",  // 18 bytes
            "dGhlIHNhbXBsZSBub25jZ-==",  // base64url
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }
}
