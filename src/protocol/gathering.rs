//! A message whose pieces are put together.

use super::{Message, MessageKind, MessageRef};

/// Capacity that is kept though the messages that come can do without it; more is given back.
const KEPT_LEN: usize = 256 * 1024;
/// The least room for a direct read that is worth one.
const MIN_SPARE_LEN: usize = 16 * 1024;
/// The most that is read at a time: what was read is still in the cache when its mask is taken off.
const MAX_SPARE_LEN: usize = 256 * 1024;
/// How many bytes must have come before there is room for as many more.
const MIN_DOUBLED_LEN: usize = 64 * 1024;

/// The message being gathered, in the buffer that it will be delivered in.
///
/// Text goes into a `String`, piece by checked piece, so that it needn't be checked again
/// when it is handed out; bytes may also be read straight into place.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    text: String,
    /// The bytes; after `filled` there is room that has been filled before, or never.
    bytes: Vec<u8>,
    filled: usize,
}

impl Gathering {
    pub(super) fn push_text(&mut self, first: Option<char>, text: &str, max_len: usize) {
        let first_len = first.map_or(0, char::len_utf8);
        reserve(self.text.capacity(), self.text.len() + first_len + text.len(), max_len, |len| {
            self.text.reserve_exact(len.saturating_sub(self.text.len()));
        });
        self.text.extend(first);
        self.text.push_str(text);
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8], max_len: usize) {
        let end = self.filled + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.filled..end) {
            room.copy_from_slice(bytes);
        } else {
            self.bytes.truncate(self.filled);
            reserve(self.bytes.capacity(), end, max_len, |len| {
                self.bytes.reserve_exact(len.saturating_sub(self.filled));
            });
            self.bytes.extend_from_slice(bytes);
        }
        self.filled = end;
    }

    /// How many bytes of a binary message have come.
    pub(super) const fn filled_len(&self) -> usize {
        self.filled
    }

    /// Room to read into, for a payload of which `left` bytes are still to come; `None` where it
    /// would be too little to be worth it. When it runs low it grows to as many as have come:
    /// memory follows the bytes received and not the length announced.
    pub(super) fn spare(&mut self, left: usize) -> Option<&mut [u8]> {
        let low = self.bytes.len() - self.filled < MIN_SPARE_LEN;
        if left < MIN_SPARE_LEN || low && self.filled < MIN_DOUBLED_LEN {
            return None;
        }
        if low {
            let wanted = self.filled + left.min(self.filled);
            self.bytes.reserve_exact(wanted - self.bytes.len());
            self.bytes.resize(wanted, 0);
        }
        let end = self.bytes.len().min(self.filled + left.min(MAX_SPARE_LEN));
        self.bytes.get_mut(self.filled..end)
    }

    /// Says that `len` bytes of the room were filled; gives them, to take the mask off.
    pub(super) fn fill(&mut self, len: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled = start.saturating_add(len).min(self.bytes.len());
        self.bytes.get_mut(start..self.filled).unwrap_or_default()
    }

    pub(super) fn message(&self, kind: MessageKind) -> MessageRef<'_> {
        match kind {
            MessageKind::Text => MessageRef::Text(&self.text),
            MessageKind::Binary => MessageRef::Binary(self.bytes.get(..self.filled).unwrap_or_default()),
        }
    }

    /// The message, without a copy; leaves nothing behind.
    pub(super) fn take(&mut self, kind: MessageKind) -> Message {
        match kind {
            MessageKind::Text => Message::Text(core::mem::take(&mut self.text)),
            MessageKind::Binary => {
                self.bytes.truncate(core::mem::take(&mut self.filled));
                Message::Binary(core::mem::take(&mut self.bytes))
            }
        }
    }

    /// Forgets the message, and keeps its memory for the next.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.filled = 0;
    }

    pub(super) const fn capacity(&self) -> usize {
        self.text.capacity() + self.bytes.capacity()
    }

    /// Whether it has more memory than is kept for messages of this length.
    pub(super) fn is_too_large_for(&self, len: usize) -> bool {
        self.capacity() > len.saturating_mul(4).max(KEPT_LEN)
    }
}

/// Grows twofold, but never beyond `max_len` (or what is needed): the limit of a message is
/// the limit of its memory.
fn reserve(capacity: usize, needed: usize, max_len: usize, grow: impl FnOnce(usize)) {
    if needed > capacity {
        grow(needed.max(max_len.min(capacity.saturating_mul(2))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_reads_of_any_size_grow_the_buffer_by_doubling() {
        let mut gathering = Gathering::default();
        gathering.push_bytes(&[0; 64 * 1024], usize::MAX);
        let (mut growths, mut capacity) = (0, gathering.bytes.capacity());
        while gathering.filled_len() < 16 << 20 {
            let left = (16 << 20) - gathering.filled;
            match gathering.spare(left).map(|room| room.len()) {
                Some(room) => drop(gathering.fill(room.min(1460))),
                None => gathering.push_bytes(&vec![0; left.min(1460)], usize::MAX),
            }
            assert!(gathering.bytes.capacity() <= 2 * gathering.filled.max(64 * 1024));
            growths += usize::from(core::mem::replace(&mut capacity, gathering.bytes.capacity()) != capacity);
        }
        assert!(growths <= 10, "{growths}");
    }
}
