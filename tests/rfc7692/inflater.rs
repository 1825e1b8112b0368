//! An inflater of our own, after RFC 1951: slow, strict, and with a window of exactly the bytes agreed on.

use super::*;

/// Reads what one side sends, message by message.
pub(crate) struct Inflater {
    window_len: usize,
    takeover: bool,
    history: Vec<u8>,
    /// The farthest that a copy has reached back.
    pub(crate) farthest: usize,
}

/// How many codes of each length there are, and the symbols in the order of their codes.
struct Huffman {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

const CODE_LEN_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Inflater {
    pub(crate) fn new(bits: u8, takeover: bool) -> Self {
        Self { window_len: 1 << bits, takeover, history: Vec::new(), farthest: 0 }
    }

    /// What the payload of a whole message holds. `None`: it can't be read, or does not end with a block.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if !self.takeover {
            self.history.clear();
        }
        let start = self.history.len();
        let bytes = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0 };
        while bits.at < bytes.len() * 8 {
            let last = bits.take(1)?;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => {
                    let lens: Vec<usize> = (0..288)
                        .map(|symbol| match symbol {
                            0..144 => 8,
                            144..256 => 9,
                            256..280 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.block(&mut bits, &Huffman::new(&lens), &Huffman::new(&[5; 30]))?;
                }
                2 => {
                    let (literals, distances) = tables(&mut bits)?;
                    self.block(&mut bits, &literals, &distances)?;
                }
                _ => return None,
            }
            assert_eq!(last, 0, "we never end the deflate stream");
        }
        Some(self.history[start..].to_vec())
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        bits.at = bits.at.next_multiple_of(8);
        let (len, complement) = (bits.take(16)?, bits.take(16)?);
        if len != !complement & 0xffff {
            return None;
        }
        for _ in 0..len {
            self.history.push(u8::try_from(bits.take(8)?).unwrap());
        }
        Some(())
    }

    fn block(&mut self, bits: &mut Bits<'_>, literals: &Huffman, distances: &Huffman) -> Option<()> {
        loop {
            match bits.symbol(literals)? {
                literal @ 0..256 => self.history.push(u8::try_from(literal).unwrap()),
                256 => return Some(()),
                symbol => {
                    let len = match symbol - 257 {
                        index @ 0..8 => 3 + index,
                        28 => 258,
                        index => scaled(bits, index, 4)? + 3,
                    };
                    let distance = match bits.symbol(distances)? {
                        index @ 0..4 => 1 + index,
                        index => scaled(bits, index, 2)? + 1,
                    };
                    self.farthest = self.farthest.max(distance);
                    if distance > self.window_len || distance > self.history.len() {
                        return None;
                    }
                    for _ in 0..len {
                        self.history.push(self.history[self.history.len() - distance]);
                    }
                }
            }
        }
    }
}

/// Lengths and distances grow by powers: `steps` symbols to each.
fn scaled(bits: &mut Bits<'_>, index: usize, steps: usize) -> Option<usize> {
    let extra = index / steps - 1;
    Some(((steps + index % steps) << extra) + bits.take(extra)?)
}

fn tables(bits: &mut Bits<'_>) -> Option<(Huffman, Huffman)> {
    let (literal_count, distance_count, len_count) =
        (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut code_lens = [0; 19];
    for index in &CODE_LEN_ORDER[..len_count] {
        code_lens[*index] = bits.take(3)?;
    }
    let code_lens = Huffman::new(&code_lens);
    let mut lens = Vec::new();
    while lens.len() < literal_count + distance_count {
        let (len, count) = match bits.symbol(&code_lens)? {
            16 => (*lens.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len, 1),
        };
        lens.extend(std::iter::repeat_n(len, count));
    }
    let (literals, distances) = lens.split_at(literal_count);
    Some((Huffman::new(literals), Huffman::new(distances)))
}

impl Huffman {
    fn new(lens: &[usize]) -> Self {
        let mut counts = [0; 16];
        lens.iter().for_each(|len| counts[*len] += 1);
        let mut symbols: Vec<usize> = (0..lens.len()).filter(|symbol| lens[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lens[*symbol]);
        counts[0] = 0;
        Self { counts, symbols }
    }
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for index in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << index;
            self.at += 1;
        }
        Some(value)
    }

    fn symbol(&mut self, huffman: &Huffman) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &huffman.counts[1..] {
            code |= self.take(1)?;
            if code < first + count {
                return huffman.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

#[test]
fn reads_the_examples_and_holds_to_its_window() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let mut inflater = Inflater::new(9, true);
    assert_eq!(inflater.message(&hello).as_deref(), Some(&b"Hello"[..]));
    assert_eq!(inflater.message(&[0xf2, 0x00, 0x11, 0x00, 0x00]).as_deref(), Some(&b"Hello"[..]));
    assert_eq!(Inflater::new(9, true).message(&[0xf2, 0x00, 0x11, 0x00, 0x00]), None);
    assert_eq!(inflater.message(&hello[..6]), None);
    // Two equal halves of 1,000 bytes that don't shrink: the second one is a copy from afar.
    let (half, twice) = (noise(1000), noise(1000).repeat(2));
    for level in [1, 6, 9] {
        let payload = Deflater::new(level, 15).message(&twice);
        assert!(payload.len() < 1100);
        let mut wide = Inflater::new(10, true);
        assert_eq!(wide.message(&payload), Some(twice.clone()));
        assert_eq!(wide.farthest, half.len());
        assert_eq!(Inflater::new(9, true).message(&payload), None);
    }
}
