//! Bytes that wait to be sent.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

/// Capacity that is kept once all is sent; more is given back.
const KEPT_LEN: usize = 4 * 1024;

/// How long the tail may get, unless a single frame is longer: what is sent is then given
/// back piece by piece, and not only when nothing waits.
const MAX_TAIL_LEN: usize = 16 * 1024;

/// A queue of bytes: small frames are put together in `tail`, large or shared payloads wait
/// before it, each in a piece of its own.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// How much of `tail` was sent already; only while there are no pieces.
    tail_sent: usize,
    pieces_len: usize,
}

impl Output {
    pub(crate) const fn len(&self) -> usize {
        self.pieces_len + self.tail.len() - self.tail_sent
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that waits, in order.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let tail = self.tail.get(self.tail_sent..).unwrap_or_default();
        let tail = (!tail.is_empty()).then_some(tail);
        self.pieces.iter().map(|piece| &**piece).chain(tail)
    }

    /// Says that `len` bytes will be appended: they begin a new tail if this one gets too long.
    pub(super) fn make_room(&mut self, len: usize) {
        if self.tail.len().saturating_add(len) > MAX_TAIL_LEN {
            self.cut_tail();
        }
    }

    /// Where to append small things.
    pub(super) const fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
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
        self.tail.extend_from_slice(bytes);
    }

    /// Forgets the first `len` bytes: they were sent.
    pub(crate) fn sent(&mut self, mut len: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let taken = len.min(piece.len());
            piece.advance(taken);
            self.pieces_len -= taken;
            len -= taken;
            if !piece.is_empty() {
                return;
            }
            self.pieces.pop_front();
        }
        self.tail_sent = self.tail_sent.saturating_add(len).min(self.tail.len());
        if self.tail_sent == self.tail.len() {
            self.tail.clear();
            self.tail_sent = 0;
            if self.tail.capacity() > KEPT_LEN {
                self.release();
            }
        }
    }

    /// Gives the memory back, if nothing waits in it.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Makes a piece of the tail, so that another may follow it.
    fn cut_tail(&mut self) {
        let mut piece = Bytes::from(core::mem::take(&mut self.tail));
        piece.advance(core::mem::take(&mut self.tail_sent));
        self.pieces_len += piece.len();
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
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
