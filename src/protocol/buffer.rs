//! Bytes in one piece: those that have come and are not decoded yet (the receive window), or
//! those that wait to be sent.

use bytes::{Buf, Bytes};

/// What a window begins with: room for a read of some small messages.
const INITIAL_LEN: usize = 4 * 1024;

/// A buffer that is filled at its end again and again, and holds nothing until it is asked for
/// room.
///
/// All of `bytes` is always initialised, so that nothing has to be filled with zeros before it
/// is read into, or masked into.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What is filled and not consumed; `start <= end <= bytes.len()`.
    start: usize,
    end: usize,
    /// Where the room ended that was given to the last read.
    room_end: usize,
}

impl Buffer {
    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// All that was ever filled, to decode in place, and where the unconsumed part begins.
    #[inline]
    pub(super) fn decode(&mut self) -> (&mut [u8], &mut usize) {
        (self.bytes.get_mut(..self.end).unwrap_or_default(), &mut self.start)
    }

    /// The same bytes, to look at what `decode`'s user found in them.
    #[inline]
    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// What is not consumed.
    #[inline]
    pub(super) fn unconsumed(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Says that the first `len` bytes of that are done with.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// How many bytes were filled since it was last empty, consumed or not.
    pub(super) const fn filled_len(&self) -> usize {
        self.end
    }

    /// Room for `len` bytes, at the end.
    #[inline]
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < len {
            self.grow(len);
        }
        self.bytes.get_mut(self.end..self.end + len).unwrap_or_default()
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        if self.bytes.is_empty() && len > INITIAL_LEN {
            self.bytes = vec![0; len]; // may be zero already, fresh from the system
        } else {
            self.bytes.truncate(self.end);
            self.bytes.reserve(len);
            self.bytes.resize(self.bytes.capacity(), 0);
        }
    }

    /// Room to read up to `wanted` bytes into, at the end. There may be less: it grows twofold,
    /// while reads fill it.
    pub(super) fn spare(&mut self, wanted: usize) -> &mut [u8] {
        let was_filled = self.end == self.room_end; // more would have come
        self.compact();
        let needed = self.end.saturating_add(wanted);
        let small = self.bytes.len() < INITIAL_LEN.min(needed) || self.end == self.bytes.len();
        if (was_filled || small) && self.bytes.len() < needed {
            let grown = (self.bytes.len() * 2).max(INITIAL_LEN).min(needed);
            self.bytes.resize(grown, 0);
        }
        self.room_end = self.bytes.len().min(needed);
        self.bytes.get_mut(self.end..self.room_end).unwrap_or_default()
    }

    /// What there is of that room without moving anything.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `len` bytes of the room were filled.
    #[inline]
    pub(super) fn fill(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.bytes.len());
    }

    /// Copies `bytes` to the end, whatever the length. Moves nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.append(|vec| vec.extend_from_slice(bytes));
    }

    /// Lets `append` append to what was filled.
    pub(super) fn append<R>(&mut self, append: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.bytes.truncate(self.end);
        let result = append(&mut self.bytes);
        self.end = self.bytes.len();
        self.start = self.start.min(self.end);
        result
    }

    /// How much memory it has.
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What is not consumed, without a copy.
    pub(super) fn into_bytes(self) -> Bytes {
        let Self { mut bytes, start, end, .. } = self;
        bytes.truncate(end);
        let mut bytes = Bytes::from(bytes);
        bytes.advance(start);
        bytes
    }

    /// Drops all that is not consumed.
    pub(super) const fn clear(&mut self) {
        self.start = self.end;
    }

    /// Gives the memory back, if nothing waits in it.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Moves what is left to the front: less than one header or control frame, unless the
    /// caller left events untaken.
    pub(super) fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_reads_fill_it_and_no_further() {
        let mut window = Buffer::default();
        for expected in [4096, 8192, 10_000, 10_000] {
            let room = window.spare(10_000).len();
            assert_eq!(room, expected);
            window.fill(room);
            window.clear();
        }
        window.spare(10_000);
        window.fill(1);
        assert_eq!(window.spare(9_999).len(), 9_999);
        assert_eq!(window.spare(20_000).len(), 9_999); // the last read didn't fill it
        assert_eq!(window.spare(100).len(), 100);
    }

    #[test]
    fn has_room_again_when_something_is_consumed() {
        let mut window = Buffer::default();
        let room = window.spare(16).len();
        window.fill(room);
        assert!(window.spare(0).is_empty());
        *window.decode().1 += 3;
        assert_eq!(window.spare(3).len(), 3);
    }

    #[test]
    fn a_push_does_not_make_the_room_small() {
        let mut window = Buffer::default();
        window.push(b"abc");
        assert_eq!(window.spare(9_997).len(), INITIAL_LEN - 3);
        assert_eq!(window.filled(), b"abc");
    }

    #[test]
    fn released_only_when_empty() {
        let mut window = Buffer::default();
        window.push(b"abc");
        window.release();
        assert_eq!((window.len(), window.filled()), (3, &b"abc"[..]));
        window.clear();
        window.release();
        assert_eq!(window.bytes.capacity(), 0);
    }
}
