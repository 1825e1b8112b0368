//! A JSON object as each transport carries it.

use bytes::Bytes;

use super::Cursor;
use crate::protocol::Prepared;
use crate::sse::Event;

/// A JSON object in one buffer: the block of an event stream has the line in it, and the line has the object.
///
/// ```text
/// id: 000000000000feed-7\ndata: {"id":...}\n\n
/// └───────────────────── event ──────────────┘
///                               └── line ──┘
/// ```
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    event: Bytes,
    line: Bytes,
}

impl Encoded {
    /// Encodes `json`, which must be in one line, as the event `name` (empty: the default one), behind which
    /// a reader is at `cursor`; without one, where it was.
    pub(super) fn new(name: &str, cursor: Option<Cursor>, json: &str) -> Self {
        let plain = Event::new(json);
        // Neither is ever refused: the names are ours, and a cursor is short and visible ASCII.
        let named = plain.name(name).unwrap_or(plain);
        let (id, mut block) = (cursor.map(|cursor| cursor.to_string()), Vec::new());
        let event = id.as_deref().and_then(|id| named.id(id).ok());
        event.unwrap_or(named).encode(&mut block);
        let event = Bytes::from(block);
        let end = event.len().saturating_sub(1);
        let start = end.saturating_sub(json.len() + 1);
        let line = event.get(start..end).map(|line| event.slice_ref(line)).unwrap_or_default();
        Self { event, line }
    }

    /// Tells a reader where it is.
    #[cfg(feature = "server")]
    pub(super) fn place(cursor: Cursor) -> Self {
        Self::new("place", Some(cursor), &format!(r#"{{"id":"{cursor}"}}"#))
    }

    pub(super) const fn event(&self) -> &Bytes {
        &self.event
    }

    pub(super) const fn line(&self) -> &Bytes {
        &self.line
    }

    pub(super) fn json(&self) -> &[u8] {
        self.line.split_last().map_or(&[], |(_, json)| json)
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(self.json()).unwrap_or_default()
    }

    pub(super) fn websocket(&self) -> Prepared {
        Prepared::new(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_buffer_has_all_of_them() {
        let encoded = Encoded::new("", Some(Cursor::new(0xfeed, 7)), "{\"a\":\"\u{e4}\"}");
        assert_eq!(&encoded.event()[..], "id: 000000000000feed-7\ndata: {\"a\":\"\u{e4}\"}\n\n".as_bytes());
        assert_eq!(&encoded.line()[..], "{\"a\":\"\u{e4}\"}\n".as_bytes());
        assert_eq!(encoded.text(), "{\"a\":\"\u{e4}\"}");
        assert_eq!(encoded.websocket().payload(), encoded.json());
        let named = Encoded::new("gap", Some(Cursor::new(0, 0)), "{}");
        assert_eq!(&named.event()[..], b"event: gap\nid: 0000000000000000-0\ndata: {}\n\n");
    }
}
