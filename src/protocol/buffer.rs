//! The receive window: bytes that have come and are not decoded yet.

/// What a window begins with: room for a read of some small messages.
const INITIAL_LEN: usize = 4 * 1024;

/// A buffer that is read into again and again, and holds nothing until it is asked for room.
///
/// All of `bytes` is always initialised, so that no read has to fill it with zeros first.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// What is filled and not consumed; `start <= end <= bytes.len()`.
    start: usize,
    end: usize,
    /// Whether the last read filled all the room there was: more would have come.
    was_filled: bool,
}

impl Window {
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

    /// Room to read into, at the end. It grows, twofold up to `max_len`, while reads fill
    /// it; it is empty only while `max_len` bytes wait to be decoded.
    pub(super) fn spare(&mut self, max_len: usize) -> &mut [u8] {
        self.compact();
        let first_len = INITIAL_LEN.min(max_len);
        let small = self.bytes.len() < first_len || self.end == self.bytes.len();
        if small || core::mem::take(&mut self.was_filled) {
            let grown = (self.bytes.len() * 2).clamp(first_len, max_len);
            self.bytes.resize(grown.max(self.end), 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// What there is of that room without moving anything.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `len` bytes of the room were filled.
    pub(super) fn fill(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.bytes.len());
        self.was_filled = self.end == self.bytes.len();
    }

    /// Copies `bytes` to the end, whatever the length. Moves nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
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
        let mut window = Window::default();
        for expected in [4096, 8192, 10_000, 10_000] {
            let room = window.spare(10_000).len();
            assert_eq!(room, expected);
            window.fill(room);
            window.clear();
        }
        window.spare(10_000);
        window.fill(1);
        assert_eq!(window.spare(10_000).len(), 9_999);
    }

    #[test]
    fn is_full_only_while_nothing_is_consumed() {
        let mut window = Window::default();
        let room = window.spare(16).len();
        window.fill(room);
        assert!(window.spare(16).is_empty());
        *window.decode().1 += 3;
        assert_eq!(window.spare(16).len(), 3);
    }

    #[test]
    fn a_push_does_not_make_the_room_small() {
        let mut window = Window::default();
        window.push(b"abc");
        assert_eq!(window.spare(10_000).len(), INITIAL_LEN - 3);
        assert_eq!(window.filled(), b"abc");
    }

    #[test]
    fn released_only_when_empty() {
        let mut window = Window::default();
        window.push(b"abc");
        window.release();
        assert_eq!((window.len(), window.filled()), (3, &b"abc"[..]));
        window.clear();
        window.release();
        assert_eq!(window.bytes.capacity(), 0);
    }
}
