//! Values to bytes: each function here writes one whole block, ended by its empty line.

use std::fmt;

/// The longest event id that [`Event::id`] takes, in bytes.
///
/// Browsers send the id back in a `Last-Event-ID` header whatever its size, and a head that the server finds
/// too large ends the stream for good.
pub const MAX_ID_LEN: usize = 128;

/// A comment without text, to be sent when nothing else was, so that proxies and clients see the stream is
/// alive.
///
/// Every 15 s is usual. Clients show it to nobody: where their code must notice, send a named [`Event`]
/// instead.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// An event to be sent: data always, a name, an id and a reconnection time if wanted.
///
/// Whatever the strings hold, one `Event` is read back as one event: data is split into lines, and a name or
/// an id that would end its line is refused when it is given. There is no event without data, as readers
/// dispatch none; for the id or the reconnection time alone there are [`encode_id`] and [`encode_retry`].
///
/// Borrows its strings and allocates nothing until it is encoded. WHATWG HTML §9.2.5.
///
/// ```
/// use talkback::sse::{EncodeError, Event};
///
/// let mut out = Vec::new();
/// Event::new("hello").name("greeting")?.id("42")?.retry(3000).encode(&mut out);
/// assert_eq!(out, b"event: greeting\nid: 42\nretry: 3000\ndata: hello\n\n");
///
/// let forged = Event::new("hello").name("greeting\ndata: forged");
/// assert_eq!(forged, Err(EncodeError::InvalidName { byte: b'\n', position: 8 }));
/// # Ok::<(), EncodeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an event does nothing until it is encoded"]
pub struct Event<'a> {
    data: &'a str,
    /// Without CR, LF and NUL; empty where the event has the default name.
    name: &'a str,
    /// Visible ASCII, at most `MAX_ID_LEN` bytes.
    id: Option<&'a str>,
    retry: Option<u32>,
}

impl<'a> Event<'a> {
    /// Makes an event of this data, named `message` and without an id of its own.
    ///
    /// Any text will do, the empty one too. CR, LF and CRLF each end a line, and reach the reader as LF.
    pub const fn new(data: &'a str) -> Self {
        Self { data, name: "", id: None, retry: None }
    }

    /// Names the event: the type that a browser's `addEventListener` is given.
    ///
    /// The default is `message`, and the empty name means it too.
    ///
    /// # Errors
    /// [`EncodeError::InvalidName`] if the name holds CR, LF or NUL.
    pub fn name(self, name: &'a str) -> Result<Self, EncodeError> {
        match name.bytes().enumerate().find(|(_, byte)| matches!(byte, b'\r' | b'\n' | 0)) {
            Some((position, byte)) => Err(EncodeError::InvalidName { byte, position }),
            None => Ok(Self { name, ..self }),
        }
    }

    /// Sets the id, which the client sends back as `Last-Event-ID` when it reconnects.
    ///
    /// It stays the client's last event id until another is sent. The empty id resets it: the client then
    /// sends none.
    ///
    /// # Errors
    /// - [`EncodeError::IdTooLong`] if it is longer than [`MAX_ID_LEN`].
    /// - [`EncodeError::InvalidId`] if it holds anything but visible ASCII, 0x21 to 0x7e.
    pub fn id(self, id: &'a str) -> Result<Self, EncodeError> {
        check_id(id)?;
        Ok(Self { id: Some(id), ..self })
    }

    /// Sets how long the client waits before it reconnects, in milliseconds, from now on.
    pub const fn retry(self, milliseconds: u32) -> Self {
        Self { retry: Some(milliseconds), ..self }
    }

    /// Appends the event to `out`.
    ///
    /// Copies the strings once; reserves room at first, so that a growing `out` seldom reallocates twice.
    pub fn encode(&self, out: &mut Vec<u8>) {
        // The names of the fields and the digits of the time; more lines of data than one cost a little more.
        const FIELDS_LEN: usize = 48;
        out.reserve(self.data.len() + self.name.len() + self.id.map_or(0, str::len) + FIELDS_LEN);
        if !self.name.is_empty() {
            put_field(b"event", self.name, out);
        }
        if let Some(id) = self.id {
            put_field(b"id", id, out);
        }
        if let Some(milliseconds) = self.retry {
            put_field(b"retry", &milliseconds.to_string(), out);
        }
        put_lines(b"data", self.data, out);
    }
}

/// Appends a comment, which readers skip, to `out`.
///
/// Takes any text: each of its lines becomes a comment of its own. For a bare sign of life there is
/// [`KEEP_ALIVE`].
///
/// ```
/// let mut out = Vec::new();
/// talkback::sse::encode_comment("draining\ndata: no event", &mut out);
/// assert_eq!(out, b": draining\n: data: no event\n\n");
/// ```
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    put_lines(b"", text, out);
}

/// Appends a block that sets the client's last event id, and dispatches nothing, to `out`.
///
/// Use it to move the point of resumption on where the client was sent no event. The empty id resets it.
///
/// # Errors
/// As [`Event::id`]; `out` is then as it was.
///
/// ```
/// let mut out = Vec::new();
/// talkback::sse::encode_id("43", &mut out)?;
/// assert_eq!(out, b"id: 43\n\n");
/// # Ok::<(), talkback::sse::EncodeError>(())
/// ```
pub fn encode_id(id: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    check_id(id)?;
    put_lines(b"id", id, out);
    Ok(())
}

/// Appends a block that sets the client's reconnection time, in milliseconds, and dispatches nothing, to
/// `out`.
///
/// A server about to end its streams sends each a different one, so that the clients do not all return at
/// once.
///
/// ```
/// let mut out = Vec::new();
/// talkback::sse::encode_retry(3000, &mut out);
/// assert_eq!(out, b"retry: 3000\n\n");
/// ```
pub fn encode_retry(milliseconds: u32, out: &mut Vec<u8>) {
    put_lines(b"retry", &milliseconds.to_string(), out);
}

fn check_id(id: &str) -> Result<(), EncodeError> {
    if id.len() > MAX_ID_LEN {
        return Err(EncodeError::IdTooLong { len: id.len(), max: MAX_ID_LEN });
    }
    match id.bytes().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
        Some((position, byte)) => Err(EncodeError::InvalidId { byte, position }),
        None => Ok(()),
    }
}

/// Writes a field for each line of the text, then the empty line that ends the block.
fn put_lines(field: &[u8], text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    // Most texts are one line, and two searches for a byte are much faster than one for either of two.
    let has_lines = text.contains('\n') || text.contains('\r');
    while let Some((line, after)) = if has_lines { rest.split_once(['\r', '\n']) } else { None } {
        put_field(field, line, out);
        let crlf = rest.get(line.len()..).is_some_and(|end| end.starts_with("\r\n"));
        rest = if crlf { after.strip_prefix('\n').unwrap_or(after) } else { after };
    }
    put_field(field, rest, out);
    out.push(b'\n');
}

/// Writes one line; the value holds no end of line.
fn put_field(field: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field);
    out.push(b':');
    if !value.is_empty() {
        // "If value starts with a U+0020 SPACE character, remove it from value." -- WHATWG HTML §9.2.6. That
        // one is ours, so that a space of the value's own is kept.
        out.push(b' ');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'\n');
}

/// Why a name or an id cannot be sent: the caller's fault, and nothing was written.
///
/// ```
/// use talkback::sse::{EncodeError, Event};
///
/// let error = Event::new("").id("two words").unwrap_err();
/// assert_eq!(error, EncodeError::InvalidId { byte: b' ', position: 3 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event name holds CR, LF or NUL.
    InvalidName {
        /// The byte that may not stand there.
        byte: u8,
        /// Its offset in the name.
        position: usize,
    },
    /// The id holds something other than visible ASCII.
    InvalidId {
        /// The byte that may not stand there.
        byte: u8,
        /// Its offset in the id.
        position: usize,
    },
    /// The id is too long to come back in a header.
    IdTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is allowed, [`MAX_ID_LEN`].
        max: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { byte, position } => {
                write!(f, "event name has byte {byte:#04x} at {position}")
            }
            Self::InvalidId { byte, position } => {
                write!(f, "event id has byte {byte:#04x} at {position}")
            }
            Self::IdTooLong { len, max } => {
                write!(f, "event id of {len} bytes, at most {max} allowed")
            }
        }
    }
}

impl std::error::Error for EncodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(event: Event<'_>) -> String {
        let mut out = Vec::new();
        event.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_end_of_line_starts_a_line_of_data() {
        assert_eq!(encoded(Event::new("a\nb\rc\r\nd")), "data: a\ndata: b\ndata: c\ndata: d\n\n");
        assert_eq!(encoded(Event::new("\n\r\r\n\n")), "data:\ndata:\ndata:\ndata:\ndata:\n\n");
        assert_eq!(encoded(Event::new("a\r")), "data: a\ndata:\n\n");
    }

    #[test]
    fn empty_data_is_written_as_a_bare_field() {
        assert_eq!(encoded(Event::new("")), "data:\n\n");
    }

    #[test]
    fn leading_spaces_are_kept_behind_ours() {
        assert_eq!(encoded(Event::new(" a").name(" n").unwrap()), "event:  n\ndata:  a\n\n");
    }

    #[test]
    fn empty_name_is_the_default_and_empty_id_resets() {
        assert_eq!(encoded(Event::new("a").name("").unwrap().id("").unwrap()), "id:\ndata: a\n\n");
    }

    #[test]
    fn encode_appends() {
        let mut out = b"before".to_vec();
        Event::new("a").encode(&mut out);
        encode_comment("", &mut out);
        encode_id("", &mut out).unwrap();
        encode_retry(u32::MAX, &mut out);
        assert_eq!(out, b"beforedata: a\n\n:\n\nid:\n\nretry: 4294967295\n\n");
    }

    #[test]
    fn empty_comment_is_the_keep_alive() {
        let mut out = Vec::new();
        encode_comment("", &mut out);
        assert_eq!(out, KEEP_ALIVE);
    }
}
