//! The one place that asks the system for randomness: mask keys, handshake nonces.
//!
//! The seed comes from the keys of [`RandomState`], which the standard library draws from the
//! system's generator, 128 bits once a thread; each generator hashes them anew (SipHash), and
//! draws a ChaCha8 key stream from there. RFC 6455 §10.3 wants mask keys that a script can't
//! foresee, and a fresh one for each frame: that is what this is for, and no more. Where a
//! stronger source is at hand, [`Entropy::from_seed`] takes its bytes.

use core::fmt;
use std::hash::{BuildHasher, RandomState};

/// "expand 32-byte k", the constant words of ChaCha.
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
const DOUBLE_ROUNDS: usize = 4;
/// How many blocks are made at once. With fewer than these the compiler unrolls what it could make
/// vector instructions of: 18 instructions a word become 47.
const LANE_COUNT: usize = 16;

/// The same word of each block.
type Lanes = [u32; LANE_COUNT];

/// A generator of unpredictable bytes.
///
/// Make one a connection and keep it; it takes a little over 1 KiB. Making one asks the system's generator for 128 bits
/// (at the first use in a thread) and costs about 100 ns; four bytes cost about 2 ns. It
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
    /// The counter of the block made last.
    counter: u64,
    blocks: [Lanes; 16],
    /// How many words of `blocks` were handed out.
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
        Self { key, counter: 0, blocks: [[0; LANE_COUNT]; 16], used: 16 * LANE_COUNT }
    }

    /// The next 32 bits.
    #[inline]
    pub fn word(&mut self) -> u32 {
        if self.used >= self.blocks.as_flattened().len() {
            self.refill();
        }
        let word = self.blocks.as_flattened().get(self.used).copied().unwrap_or_default();
        self.used += 1;
        word
    }

    #[cold]
    fn refill(&mut self) {
        let counters = [0; LANE_COUNT].map(|_| {
            self.counter = self.counter.wrapping_add(1);
            self.counter
        });
        self.blocks = chacha_blocks(&self.key, counters);
        self.used = 0;
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

/// Blocks of the ChaCha8 key stream, nonce 0 (RFC 8439 §2.3, with 8 rounds and a counter of 64
/// bits), side by side: each step is one instruction for all of them.
fn chacha_blocks(key: &[u32; 8], counters: [u64; LANE_COUNT]) -> [Lanes; 16] {
    let half = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or_default();
    let [c0, c1, c2, c3] = CONSTANTS.map(|word| [word; LANE_COUNT]);
    let [k0, k1, k2, k3, k4, k5, k6, k7] = key.map(|word| [word; LANE_COUNT]);
    let (low, high) = (counters.map(half), counters.map(|counter| half(counter >> 32)));
    let nonce = [0; LANE_COUNT];
    let start = [c0, c1, c2, c3, k0, k1, k2, k3, k4, k5, k6, k7, low, high, nonce, nonce];
    let mut blocks = start;
    for _ in 0..DOUBLE_ROUNDS {
        double_round(&mut blocks);
    }
    for (word, start) in blocks.as_flattened_mut().iter_mut().zip(start.as_flattened()) {
        *word = word.wrapping_add(*start);
    }
    blocks
}

/// Columns, then diagonals.
fn double_round([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: &mut [Lanes; 16]) {
    quarter_round(a, e, i, m);
    quarter_round(b, f, j, n);
    quarter_round(c, g, k, o);
    quarter_round(d, h, l, p);
    quarter_round(a, f, k, p);
    quarter_round(b, g, l, m);
    quarter_round(c, h, i, n);
    quarter_round(d, e, j, o);
}

/// On every lane: the compiler makes vector instructions of the loop.
fn quarter_round(a: &mut Lanes, b: &mut Lanes, c: &mut Lanes, d: &mut Lanes) {
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        (*a, *d) = add_xor_rotate(*a, *b, *d, 16);
        (*c, *b) = add_xor_rotate(*c, *d, *b, 12);
        (*a, *d) = add_xor_rotate(*a, *b, *d, 8);
        (*c, *b) = add_xor_rotate(*c, *d, *b, 7);
    }
}

/// `sum += term; mixed = (mixed ^ sum) <<< bits`
const fn add_xor_rotate(sum: u32, term: u32, mixed: u32, bits: u32) -> (u32, u32) {
    let sum = sum.wrapping_add(term);
    (sum, (mixed ^ sum).rotate_left(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first block of ChaCha8 with an all-zero key and nonce
    /// (draft-strombergson-chacha-test-vectors, TC1, 8 rounds, 256-bit key).
    #[test]
    fn key_stream_is_chacha8() {
        let blocks = chacha_blocks(&[0; 8], [0; LANE_COUNT]);
        let first: Vec<u8> = blocks.iter().flat_map(|lanes| lanes[0].to_le_bytes()).collect();
        let expected = [
            0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6, 0x7f, 0x5b, 0xb8, 0xe8, 0x1f, 0x09, 0xa5, 0xa1,
            0x2c, 0x84, 0x0e, 0xc3, 0xce, 0x9a, 0x7f, 0x3b, 0x18, 0x1b, 0xe1, 0x88, 0xef, 0x71, 0x1a, 0x1e,
        ];
        assert_eq!(first[..32], expected);
    }

    #[test]
    fn a_lane_is_the_block_of_its_counter() {
        let counters = [u64::from(u32::MAX); LANE_COUNT];
        let counters = core::array::from_fn(|lane| counters[lane].wrapping_add(lane as u64));
        let blocks = chacha_blocks(&[7; 8], counters);
        for (lane, counter) in counters.into_iter().enumerate() {
            let alone = chacha_blocks(&[7; 8], [counter; LANE_COUNT]);
            assert!(blocks.iter().zip(&alone).all(|(lanes, alone)| lanes[lane] == alone[0]));
        }
    }

    #[test]
    fn words_do_not_repeat_across_blocks_or_generators() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..8 {
            let mut entropy = Entropy::from_system();
            for _ in 0..512 {
                seen.insert(u64::from(entropy.word()) << 32 | u64::from(entropy.word()));
            }
        }
        assert_eq!(seen.len(), 8 * 512);
    }

    #[test]
    fn odd_lengths_are_filled() {
        let bytes: [u8; 35] = Entropy::from_seed([1; 32]).bytes();
        assert_ne!(bytes.last_chunk::<3>(), Some(&[0; 3]));
    }
}
