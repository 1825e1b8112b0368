//! Bytes that wait to be sent.

use std::collections::{VecDeque, vec_deque};

use bytes::{Buf, Bytes};

use super::buffer::Buffer;

/// Capacity that is kept once all is sent; more is given back.
const KEPT_LEN: usize = 256 * 1024;

/// How long the tail may get, unless a single frame is longer: what is sent is then given
/// back piece by piece, and not only when nothing waits.
const MAX_TAIL_LEN: usize = 64 * 1024;

/// A queue of bytes: small frames are put together in `tail`, large or shared payloads wait
/// before it, each in a piece of its own.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Bytes>,
    /// Some of it may be sent already, but only while there are no pieces.
    tail: Buffer,
    pieces_len: usize,
}

impl Output {
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.pieces_len + self.tail.len()
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that waits, in order.
    #[inline]
    pub(crate) fn slices(&self) -> Slices<'_> {
        self.slices_and([&[], &[]])
    }

    /// All that waits, and `last` behind it.
    #[inline]
    pub(crate) fn slices_and<'a>(&'a self, last: [&'a [u8]; 2]) -> Slices<'a> {
        let [header, payload] = last;
        Slices { pieces: self.pieces.iter(), rest: [self.tail.unconsumed(), header, payload] }
    }

    /// All that waits, if it is in one piece.
    #[inline]
    pub(super) fn single(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then(|| self.tail.unconsumed())
    }

    /// The tail, to append `len` bytes or fewer to: a new one if this one would get too long.
    #[inline]
    pub(super) fn tail(&mut self, len: usize) -> &mut Buffer {
        if self.tail.filled_len() + len > MAX_TAIL_LEN {
            self.cut_tail();
        }
        &mut self.tail
    }

    /// The tail, if it has room for `len` bytes already.
    #[inline]
    pub(super) fn roomy_tail(&mut self, len: usize) -> Option<&mut Buffer> {
        let fits = self.tail.filled_len() + len <= MAX_TAIL_LEN && self.tail.rest().len() >= len;
        fits.then_some(&mut self.tail)
    }

    /// Appends `piece` without a copy.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.cut_tail();
        self.pieces_len += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// Appends all of `other`, without a copy where that saves one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            core::mem::swap(self, other);
        } else {
            self.cut_tail();
            other.cut_tail();
            self.pieces_len += core::mem::take(&mut other.pieces_len);
            self.pieces.append(&mut other.pieces);
        }
    }

    /// Appends a copy of `bytes`.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.tail(bytes.len()).push(bytes);
    }

    /// Forgets the first `len` bytes: they were sent.
    #[inline]
    pub(crate) fn sent(&mut self, mut len: usize) {
        if !self.pieces.is_empty() {
            len = self.pieces_sent(len);
        }
        self.tail.consume(len);
        if self.tail.capacity() > KEPT_LEN {
            self.release();
        }
    }

    /// Forgets [`single`](Self::single).
    #[inline]
    pub(super) fn clear(&mut self) {
        self.tail.consume(self.tail.len());
        if self.tail.capacity() > KEPT_LEN {
            self.release();
        }
    }

    /// What of `len` is left for the tail.
    #[inline(never)]
    fn pieces_sent(&mut self, mut len: usize) -> usize {
        while let Some(piece) = self.pieces.front_mut() {
            let taken = len.min(piece.len());
            piece.advance(taken);
            self.pieces_len -= taken;
            len -= taken;
            if !piece.is_empty() {
                break;
            }
            self.pieces.pop_front();
        }
        len
    }

    /// Gives the memory back, if nothing waits in it.
    #[inline(never)]
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Makes a piece of the tail, so that another may follow it.
    fn cut_tail(&mut self) {
        if !self.tail.is_empty() {
            let piece = core::mem::take(&mut self.tail).into_bytes();
            self.pieces_len += piece.len();
            self.pieces.push_back(piece);
        }
    }
}

/// What waits in an [`Output`], none of it empty.
#[derive(Debug, Clone)]
pub(crate) struct Slices<'a> {
    pieces: vec_deque::Iter<'a, Bytes>,
    rest: [&'a [u8]; 3],
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(piece) = self.pieces.next() {
            return Some(piece);
        }
        self.rest.iter_mut().map(core::mem::take).find(|slice| !slice.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(output: &Output) -> Vec<u8> {
        output.slices().flatten().copied().collect()
    }

    #[test]
    fn keeps_the_order_through_any_partial_sends() {
        for step in 1..=12 {
            let mut output = Output::default();
            output.extend(b"abc");
            output.push(Bytes::from_static(b"defg"));
            output.push(Bytes::new());
            output.push(Bytes::from_static(b"hi"));
            output.extend(b"jkl");
            let mut got = Vec::new();
            while !output.is_empty() {
                let before = all(&output);
                assert_eq!(before.len(), output.len());
                let len = step.min(before.len());
                got.extend_from_slice(&before[..len]);
                output.sent(len);
            }
            assert_eq!(got, b"abcdefghijkl");
        }
    }

    #[test]
    fn append_moves_everything() {
        for sent in 0..=3 {
            let (mut first, mut second) = (Output::default(), Output::default());
            first.extend(b"abc");
            first.sent(sent);
            second.extend(b"de");
            second.push(Bytes::from_static(b"f"));
            second.sent(1);
            first.append(&mut second);
            assert!(second.is_empty());
            assert_eq!(all(&first), [&b"abc"[sent..], b"ef"].concat());
        }
    }

    #[test]
    fn a_large_tail_is_given_back() {
        let mut output = Output::default();
        output.extend(&[0; KEPT_LEN + 1]);
        output.sent(KEPT_LEN + 1);
        assert_eq!(output.tail.capacity(), 0);
        output.extend(b"small");
        output.sent(5);
        assert!(output.tail.capacity() > 0);
        output.release();
        assert_eq!(output.tail.capacity(), 0);
    }
}
