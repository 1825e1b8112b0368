//! Masking: RFC 6455 §5.3.

use crate::entropy::Entropy;

/// How many bytes are masked in one step: a cache line, and the widest vector register there is.
const STEP_LEN: usize = 64;
/// From so many bytes on it pays to set such steps up.
const MIN_STEPS_LEN: usize = 512;
/// From so many bytes on it pays to begin the steps where a cache line begins: a store that
/// straddles two of them costs two, which makes 44 GB/s of 77.
const MIN_ALIGNED_LEN: usize = 2 * 1024;

/// Calls a function compiled for the CPU at hand, where the feature `wide` is on.
macro_rules! dispatched {
    ($function:ident($($argument:expr),*)) => {{
        #[cfg(feature = "wide")]
        fearless_simd::dispatch!(fearless_simd::Level::new(), _simd => $function::<STEP_LEN>($($argument),*));
        #[cfg(not(feature = "wide"))]
        $function::<STEP_LEN>($($argument),*);
    }};
}

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
    #[inline]
    pub const fn rotated(self, phase: usize) -> Self {
        // As a word: to rotate four bytes as a slice takes three calls.
        let bits = match phase % 4 {
            0 => 0,
            1 => 8,
            2 => 16,
            _ => 24,
        };
        Self(u32::from_le_bytes(self.0).rotate_right(bits).to_le_bytes())
    }

    /// The key again and again; `N` is a multiple of four.
    #[inline]
    fn repeated<const N: usize>(self) -> [u8; N] {
        let mut repeated = [0; N];
        repeated.as_chunks_mut().0.fill(self.0);
        repeated
    }
}

/// Masks `payload` in place, or takes the mask off: the two are one.
///
/// `phase` is how many bytes of the frame's payload stand before these, 0 for a whole
/// payload; only its remainder by 4 counts. One pass, no allocation.
#[inline]
pub fn apply_mask(payload: &mut [u8], key: MaskKey, phase: usize) {
    let key = key.rotated(phase);
    if payload.len() < MIN_STEPS_LEN { mask_words(payload, key) } else { mask_steps(payload, key) }
}

/// Copies `payload` to `out`, masked, in one pass. The two are of one length.
#[inline]
pub(crate) fn copy_masked(out: &mut [u8], payload: &[u8], key: MaskKey) {
    if payload.len() < MIN_STEPS_LEN { copy_words(out, payload, key) } else { copy_steps(out, payload, key) }
}

fn mask_steps(payload: &mut [u8], key: MaskKey) {
    let head_len = head_len(payload);
    let (head, rest) = payload.split_at_mut(head_len);
    mask_words(head, key);
    let key = key.rotated(head_len);
    let (steps, rest) = rest.as_chunks_mut();
    dispatched!(mask_each(steps, key.repeated()));
    mask_words(rest, key);
}

fn copy_steps(out: &mut [u8], payload: &[u8], key: MaskKey) {
    let head_len = head_len(out);
    let ((out_head, out), (head, payload)) = (out.split_at_mut(head_len), payload.split_at(head_len));
    copy_words(out_head, head, key);
    let key = key.rotated(head_len);
    let ((out_steps, out), (steps, rest)) = (out.as_chunks_mut(), payload.as_chunks());
    dispatched!(copy_each(out_steps, steps, key.repeated()));
    copy_words(out, rest, key);
}

/// How many bytes stand before the first step.
fn head_len(written: &[u8]) -> usize {
    if written.len() < MIN_ALIGNED_LEN { 0 } else { written.as_ptr().align_offset(STEP_LEN).min(STEP_LEN) }
}

#[inline(always)]
fn mask_each<const N: usize>(steps: &mut [[u8; N]], key: [u8; N]) {
    for step in steps {
        *step = xor(*step, key);
    }
}

#[inline(always)]
fn copy_each<const N: usize>(out_steps: &mut [[u8; N]], steps: &[[u8; N]], key: [u8; N]) {
    for (out, step) in out_steps.iter_mut().zip(steps) {
        *out = xor(*step, key);
    }
}

/// By value, and a loop of known length: the compiler makes vector instructions of it.
#[inline(always)]
fn xor<const N: usize>(mut bytes: [u8; N], key: [u8; N]) -> [u8; N] {
    for (byte, key) in bytes.iter_mut().zip(key) {
        *byte ^= key;
    }
    bytes
}

/// The same word by word; `N` is a multiple of four. Outside of a loop the compiler makes a detour of bytes, and
/// inside of one it gathers words from several steps at once, which takes three times as long.
#[inline(always)]
fn xor_words<const N: usize>(mut bytes: [u8; N], MaskKey(key): MaskKey) -> [u8; N] {
    for word in bytes.as_chunks_mut().0 {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    bytes
}

/// In steps that every CPU has, then ever shorter words: little to set up.
#[inline(always)]
fn mask_words(payload: &mut [u8], key: MaskKey) {
    let (steps, rest) = payload.as_chunks_mut::<32>();
    mask_each(steps, key.repeated());
    let rest = mask_first::<16>(rest, key);
    let rest = mask_first::<8>(rest, key);
    let rest = mask_first::<4>(rest, key);
    for (byte, key) in rest.iter_mut().zip(key.0) {
        *byte ^= key;
    }
}

/// Masks the first `N` bytes, if there are so many; what follows them.
#[inline(always)]
fn mask_first<const N: usize>(payload: &mut [u8], key: MaskKey) -> &mut [u8] {
    if payload.len() < N {
        return payload;
    }
    let (first, rest) = payload.split_at_mut(N);
    if let Some(first) = first.first_chunk_mut::<N>() {
        *first = xor_words(*first, key);
    }
    rest
}

/// The same from one place to another.
#[inline(always)]
fn copy_words(out: &mut [u8], payload: &[u8], key: MaskKey) {
    let ((out_steps, out), (steps, rest)) = (out.as_chunks_mut::<32>(), payload.as_chunks::<32>());
    copy_each(out_steps, steps, key.repeated());
    let (out, rest) = copy_first::<16>(out, rest, key);
    let (out, rest) = copy_first::<8>(out, rest, key);
    let (out, rest) = copy_first::<4>(out, rest, key);
    for ((out, byte), key) in out.iter_mut().zip(rest).zip(key.0) {
        *out = byte ^ key;
    }
}

#[inline(always)]
fn copy_first<'o, 'p, const N: usize>(
    out: &'o mut [u8],
    payload: &'p [u8],
    key: MaskKey,
) -> (&'o mut [u8], &'p [u8]) {
    if payload.len() < N {
        return (out, payload);
    }
    let ((out_first, out), (first, rest)) = (out.split_at_mut(N), payload.split_at(N));
    if let (Some(out), Some(first)) = (out_first.first_chunk_mut::<N>(), first.first_chunk::<N>()) {
        *out = xor_words(*first, key);
    }
    (out, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §5.3, octet by octet.
    fn by_the_book(payload: &[u8], MaskKey(key): MaskKey, phase: usize) -> Vec<u8> {
        payload.iter().enumerate().map(|(i, byte)| byte ^ key[(i + phase) % 4]).collect()
    }

    const KEY: MaskKey = MaskKey([0x12, 0x34, 0x56, 0x78]);

    fn payload(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    /// Every short length, and those around the edges from which on there are steps, and aligned ones.
    fn lens() -> impl Iterator<Item = usize> {
        let edge = |len| len - 2..len + STEP_LEN + 2;
        (0..256).chain(edge(MIN_STEPS_LEN)).chain(edge(MIN_ALIGNED_LEN)).chain([20_001])
    }

    #[test]
    fn every_length_phase_and_address_agrees_with_the_definition() {
        for len in lens() {
            for phase in 0..9 {
                let mut masked = payload(phase + len); // the phase is also how far the address is off
                let original = masked.clone();
                apply_mask(&mut masked[phase..], KEY, phase);
                assert_eq!(masked[phase..], by_the_book(&original[phase..], KEY, phase), "{len} {phase}");
                assert_eq!(masked[..phase], original[..phase]);
            }
        }
    }

    #[test]
    fn copying_and_masking_agrees_with_masking_in_place() {
        for len in lens() {
            for offset in 0..5 {
                let payload = payload(len);
                let mut out = vec![0; offset + len];
                copy_masked(&mut out[offset..], &payload, KEY);
                assert_eq!(out[offset..], by_the_book(&payload, KEY, 0), "{len} {offset}");
            }
        }
    }
}
