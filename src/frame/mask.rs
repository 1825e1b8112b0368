//! Masking: RFC 6455 §5.3.

use crate::entropy::Entropy;

/// How many bytes are masked in one step: two vector registers of the least CPU in use.
const WIDE: usize = 32;

/// The four bytes that a client XORs into the payload of a frame.
///
/// ```
/// use talkback::frame::{MaskKey, apply_mask};
///
/// let key = MaskKey([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
/// apply_mask(&mut payload, key, 0);
/// assert_eq!(&payload, b"Hello");
/// ```
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 §5.3: the key is four bytes")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskKey(pub [u8; 4]);

impl MaskKey {
    /// A fresh key. "The masking key needs to be unpredictable" -- RFC 6455 §5.3.
    #[must_use]
    pub fn random(entropy: &mut Entropy) -> Self {
        Self(entropy.word().to_ne_bytes())
    }

    /// The key as it stands for a payload's part that begins `phase` bytes into it.
    #[must_use]
    pub fn rotated(self, phase: usize) -> Self {
        let Self(mut bytes) = self;
        bytes.rotate_left(phase % 4);
        Self(bytes)
    }
}

/// Masks `payload` in place, or takes the mask off: the two are one.
///
/// `phase` is how many bytes of the frame's payload stand before these, 0 for a whole
/// payload; only its remainder by 4 counts. One pass, no allocation.
pub fn apply_mask(payload: &mut [u8], key: MaskKey, phase: usize) {
    let MaskKey(key) = key.rotated(phase);
    let mut wide = [0; WIDE];
    wide.as_chunks_mut::<4>().0.fill(key);
    let (chunks, rest) = payload.as_chunks_mut::<WIDE>();
    for chunk in chunks {
        // A loop of known length: the compiler makes vector instructions of it.
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// Appends `payload` to `out`, masked.
pub(crate) fn extend_masked(out: &mut Vec<u8>, payload: &[u8], key: MaskKey) {
    // Each block is masked while it is still in the nearest cache from being copied.
    const BLOCK: usize = 8 * 1024; // a multiple of 4: each block begins at phase 0
    out.reserve(payload.len());
    for block in payload.chunks(BLOCK) {
        let start = out.len();
        out.extend_from_slice(block);
        if let Some(copied) = out.get_mut(start..) {
            apply_mask(copied, key, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §5.3, octet by octet.
    fn by_the_book(payload: &[u8], MaskKey(key): MaskKey, phase: usize) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, byte)| byte ^ key[(i + phase) % 4]).collect()
    }

    #[test]
    fn every_length_and_phase_agrees_with_the_definition() {
        let key = MaskKey([0x12, 0x34, 0x56, 0x78]);
        let payload: Vec<u8> = (0..=255).collect();
        for len in 0..payload.len() {
            for phase in 0..9 {
                let mut masked = payload[..len].to_vec();
                apply_mask(&mut masked, key, phase);
                assert_eq!(masked, by_the_book(&payload[..len], key, phase), "{len} {phase}");
            }
        }
    }

    #[test]
    fn copying_and_masking_agrees_with_masking_in_place() {
        let key = MaskKey([9, 8, 7, 6]);
        for len in [0, 1, 5, 8 * 1024 - 1, 8 * 1024, 8 * 1024 + 1, 20_001] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut out = b"before".to_vec();
            extend_masked(&mut out, &payload, key);
            assert_eq!(out[6..], by_the_book(&payload, key, 0));
        }
    }
}
