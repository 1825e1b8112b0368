//! The one place that asks the system for randomness: mask keys, handshake nonces.
//!
//! The seed comes from the keys of [`RandomState`], which the standard library draws from the
//! system's generator, 128 bits once a thread; each generator hashes them anew (SipHash), and
//! draws a ChaCha12 key stream from there. RFC 6455 §10.3 wants mask keys that a script can't
//! foresee, and a fresh one for each frame: that is what this is for, and no more. Where a
//! stronger source is at hand, [`Entropy::from_seed`] takes its bytes.

use core::fmt;
use std::hash::{BuildHasher, RandomState};

/// "expand 32-byte k", the constant words of ChaCha.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const DOUBLE_ROUNDS: usize = 6;

/// A generator of unpredictable bytes.
///
/// Make one a connection and keep it. Making one asks the system's generator for 128 bits
/// (at the first use in a thread) and costs about 100 ns; four bytes cost about 3 ns. It
/// never blocks and doesn't allocate.
///
/// ```
/// use talkback::entropy::Entropy;
///
/// let mut entropy = Entropy::from_system();
/// let nonce: [u8; 16] = entropy.bytes();
/// assert_ne!(nonce, entropy.bytes());
/// // The same seed gives the same bytes: for tests and for replaying a fuzzer's find.
/// assert_eq!(Entropy::from_seed([7; 32]).word(), Entropy::from_seed([7; 32]).word());
/// ```
pub struct Entropy {
    key: [u32; 8],
    counter: u64,
    block: [u32; 16],
    /// How many words of `block` were handed out; 16: none are left.
    used: usize,
}

impl Entropy {
    /// A generator seeded by way of the standard library's hash keys, see above.
    #[must_use]
    pub fn from_system() -> Self {
        let state = RandomState::new();
        let mut seed = [0; 32];
        for (word, part) in (0_u8..).zip(seed.chunks_exact_mut(8)) {
            part.copy_from_slice(&state.hash_one(word).to_le_bytes());
        }
        Self::from_seed(seed)
    }

    /// A generator whose bytes follow from `seed` alone: for tests, or for seeds from a source
    /// of your own. A client whose mask keys can be foreseen is open to the attack of RFC 6455 §10.3.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let mut key = [0; 8];
        for (word, bytes) in key.iter_mut().zip(seed.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { key, counter: 0, block: [0; 16], used: 16 }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        if self.used >= self.block.len() {
            self.block = chacha_block(&self.key, self.counter);
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let word = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        word
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for part in bytes.chunks_mut(4) {
            for (byte, random) in part.iter_mut().zip(self.word().to_le_bytes()) {
                *byte = random;
            }
        }
        bytes
    }
}

impl fmt::Debug for Entropy {
    /// Shows nothing of the state: what was drawn from it stays a secret in logs, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// One block of the ChaCha12 key stream, nonce 0 (RFC 8439 §2.3, with 12 rounds).
fn chacha_block(key: &[u32; 8], counter: u64) -> [u32; 16] {
    let [c0, c1, c2, c3] = CONSTANTS;
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let [n0, n1] = [counter & 0xffff_ffff, counter >> 32].map(|half| u32::try_from(half).unwrap_or_default());
    let start = [[c0, c1, c2, c3], [k0, k1, k2, k3], [k4, k5, k6, k7], [n0, n1, 0, 0]];
    let mut rows = start;
    for _ in 0..DOUBLE_ROUNDS {
        quarter_rounds(&mut rows);
        diagonals(&mut rows, 1);
        quarter_rounds(&mut rows);
        diagonals(&mut rows, 3);
    }
    let mut block = [0; 16];
    let mixed = rows.as_flattened().iter().zip(start.as_flattened());
    for (out, (word, start)) in block.iter_mut().zip(mixed) {
        *out = word.wrapping_add(*start);
    }
    block
}

/// The quarter round on the four columns at once.
fn quarter_rounds([a, b, c, d]: &mut [[u32; 4]; 4]) {
    add_xor_rotate(a, b, d, 16);
    add_xor_rotate(c, d, b, 12);
    add_xor_rotate(a, b, d, 8);
    add_xor_rotate(c, d, b, 7);
}

/// `sum += term; mixed = (mixed ^ sum) <<< bits`, column by column.
fn add_xor_rotate(sum: &mut [u32; 4], term: &[u32; 4], mixed: &mut [u32; 4], bits: u32) {
    for ((sum, term), mixed) in sum.iter_mut().zip(term).zip(mixed) {
        *sum = sum.wrapping_add(*term);
        *mixed = (*mixed ^ *sum).rotate_left(bits);
    }
}

/// Turns the diagonals into columns (`by` 1), or back (`by` 3).
fn diagonals([_, b, c, d]: &mut [[u32; 4]; 4], by: usize) {
    b.rotate_left(by);
    c.rotate_left(2);
    d.rotate_right(by);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first block of ChaCha12 with an all-zero key and nonce
    /// (draft-strombergson-chacha-test-vectors, TC1, 12 rounds, 256-bit key).
    #[test]
    fn key_stream_is_chacha12() {
        let mut entropy = Entropy::from_seed([0; 32]);
        let expected =
            [0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53, 0x81, 0x1f, 0xce, 0x12, 0x5f, 0x26, 0x83, 0xd5];
        assert_eq!(entropy.bytes::<16>(), expected);
    }

    #[test]
    fn words_do_not_repeat_across_blocks_or_generators() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..8 {
            let mut entropy = Entropy::from_system();
            for _ in 0..64 {
                seen.insert(u64::from(entropy.word()) << 32 | u64::from(entropy.word()));
            }
        }
        assert_eq!(seen.len(), 8 * 64);
    }

    #[test]
    fn odd_lengths_are_filled() {
        let bytes: [u8; 35] = Entropy::from_seed([1; 32]).bytes();
        assert_ne!(bytes.last_chunk::<3>(), Some(&[0; 3]));
    }
}
