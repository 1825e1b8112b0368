//! Bytes to values: the interpretation of an event stream, in one pass over bytes that may be cut anywhere.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::time::Duration;

const DEFAULT_MAX_LEN: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads an event stream, however its bytes are cut.
///
/// Give it each piece of the response's body in turn, and take out events until there is none. Where the
/// stream ends, what was unfinished is dropped, as the standard has it; call [`restart`](Self::restart) for
/// the next one.
///
/// The time taken grows with the bytes alone, not with the number of pieces. Bytes that are not UTF-8 are
/// replaced, not refused. Memory is bounded by [`max_line_len`](Self::max_line_len) for the line under way and
/// the name (up to three times as long where it was not UTF-8), by [`max_event_len`](Self::max_event_len) for
/// the data, and by [`max_id_len`](Self::max_id_len) for each of two ids, the last one and the one of the event
/// under way; a buffer that grew may hold twice as much. WHATWG HTML §9.2.6.
///
/// ```
/// use talkback::sse::Parser;
///
/// let mut parser = Parser::new();
/// let mut seen = Vec::new();
/// for piece in ["id: 1\nda", "ta: one\n", "\ndata: two\n\ndata: unfinished"] {
///     let mut input = piece.as_bytes();
///     while let Some(event) = parser.next_event(&mut input)? {
///         seen.push((event.data.to_owned(), event.last_event_id.to_owned()));
///     }
/// }
/// assert_eq!(seen, [("one".into(), "1".into()), ("two".into(), "1".into())]);
/// # Ok::<(), talkback::sse::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parser {
    max_line_len: usize,
    max_event_len: usize,
    max_id_len: usize,
    /// The start of a line whose end has not come; never longer than `max_line_len`.
    line: Vec<u8>,
    /// Each line of data with an LF behind it, so that empty means no data.
    data: String,
    name: String,
    /// The id of the block under way; committed when the block ends.
    id: Option<String>,
    last_event_id: String,
    retry: Option<Duration>,
    /// No line has ended yet, so the next may begin with a byte order mark.
    at_start: bool,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    /// `data` and `name` were handed out, and are to be cleared.
    dispatched: bool,
    error: Option<ParseError>,
}

/// An event as it was received; it borrows from the [`Parser`] until its next call.
///
/// ```
/// use talkback::sse::Parser;
///
/// let mut parser = Parser::new();
/// let event = parser.next_event(&mut &b"event: joined\ndata: Ada\n\n"[..])?.unwrap();
/// assert_eq!((event.name, event.data, event.last_event_id), ("joined", "Ada", ""));
/// # Ok::<(), talkback::sse::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerEvent<'a> {
    /// The event's type; `message` where the server gave none.
    pub name: &'a str,
    /// The lines of data, with an LF between them.
    pub data: &'a str,
    /// The last id that the server sent, with this event or before it; empty where there is none.
    pub last_event_id: &'a str,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// Makes a parser at the start of a stream; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_line_len: DEFAULT_MAX_LEN,
            max_event_len: DEFAULT_MAX_LEN,
            max_id_len: DEFAULT_MAX_LEN,
            line: Vec::new(),
            data: String::new(),
            name: String::new(),
            id: None,
            last_event_id: String::new(),
            retry: None,
            at_start: true,
            after_cr: false,
            dispatched: false,
            error: None,
        }
    }

    /// Sets the longest line to accept, in bytes as received, without its end; by default 1 MiB.
    ///
    /// Comments count as well, and so does the name of the field.
    #[must_use]
    pub fn max_line_len(self, max_line_len: usize) -> Self {
        Self { max_line_len, ..self }
    }

    /// Sets the longest data of an event to accept, in bytes as handed out; by default 1 MiB.
    #[must_use]
    pub fn max_event_len(self, max_event_len: usize) -> Self {
        Self { max_event_len, ..self }
    }

    /// Sets the longest id to accept, in bytes as handed out; by default 1 MiB.
    ///
    /// An id is sent back in a header, and few servers take one of more than some KiB. A longer one is an
    /// error, not ignored: a stream that is resumed behind an older id brings the same events again.
    #[must_use]
    pub fn max_id_len(self, max_id_len: usize) -> Self {
        Self { max_id_len, ..self }
    }

    /// Starts with a last event id that was kept from an earlier stream; by default the empty one.
    #[must_use]
    pub fn resume_after(self, last_event_id: impl Into<String>) -> Self {
        Self { last_event_id: last_event_id.into(), ..self }
    }

    /// Consumes bytes from the front of `input` until an event is complete.
    ///
    /// Call it again with what is left of `input`, until it returns `None`. Copies the data once, or twice
    /// where a line was cut; allocates where its buffers have to grow, and for each id.
    ///
    /// `None` means that all of `input` was consumed and more is needed.
    ///
    /// # Errors
    /// After an error each call returns the same one, until [`restart`](Self::restart).
    /// - [`ParseError::LineTooBig`] if a line is longer than [`max_line_len`](Self::max_line_len).
    /// - [`ParseError::EventTooBig`] if data is longer than [`max_event_len`](Self::max_event_len).
    /// - [`ParseError::IdTooBig`] if an id is longer than [`max_id_len`](Self::max_id_len).
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<ServerEvent<'_>>, ParseError> {
        Ok(self.find_event(input)?.then(|| self.event()))
    }

    /// As [`next_event`](Self::next_event), but tells only whether there is one, for callers that have to
    /// read on where there is none; [`event`](Self::event) is it.
    pub(crate) fn find_event(&mut self, input: &mut &[u8]) -> Result<bool, ParseError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if mem::take(&mut self.dispatched) {
            self.data.clear();
            self.name.clear();
        }
        self.dispatched = self.advance(input).inspect_err(|error| self.error = Some(*error))?;
        Ok(self.dispatched)
    }

    /// The id to send as `Last-Event-ID` when reconnecting, from the last block that was complete; if empty,
    /// send none.
    ///
    /// It holds no CR, LF or NUL. It may hold any other character: the server chose it.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long the server asked its clients to wait before they reconnect; `None` if it did not.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Begins a new stream, after reconnecting: drops what was unfinished, and the error if there was one.
    ///
    /// The limits, the last event id and the reconnection time stay.
    pub fn restart(&mut self) {
        let Self { max_line_len, max_event_len, max_id_len, retry, .. } = *self;
        let last_event_id = mem::take(&mut self.last_event_id);
        *self = Self { max_line_len, max_event_len, max_id_len, retry, last_event_id, ..Self::new() };
    }

    /// Whether an event is complete; if not, `input` is empty.
    fn advance(&mut self, input: &mut &[u8]) -> Result<bool, ParseError> {
        loop {
            // Whatever byte comes after a CR, it settles whether the line ended in CRLF.
            if let Some((first, rest)) = input.split_first()
                && mem::take(&mut self.after_cr)
                && *first == b'\n'
            {
                *input = rest;
            }
            let Some((line, end, rest)) = split_line(input) else {
                self.check_line(input)?;
                self.line.extend_from_slice(mem::take(input));
                return Ok(false);
            };
            self.check_line(line)?;
            *input = rest;
            self.after_cr = end == b'\r';
            if self.end_line(line)? {
                return Ok(true);
            }
        }
    }

    /// Refuses a line before it is stored; `more` is what has come of it since.
    fn check_line(&self, more: &[u8]) -> Result<(), ParseError> {
        let max = self.max_line_len;
        if self.line.len().saturating_add(more.len()) > max {
            return Err(ParseError::LineTooBig { max });
        }
        Ok(())
    }

    /// Takes the last part of a line, and interprets the line in place if that is all of it.
    fn end_line(&mut self, last: &[u8]) -> Result<bool, ParseError> {
        if self.line.is_empty() {
            return self.interpret(last);
        }
        let mut line = mem::take(&mut self.line);
        line.extend_from_slice(last);
        let complete = self.interpret(&line);
        line.clear();
        self.line = line;
        complete
    }

    fn interpret(&mut self, line: &[u8]) -> Result<bool, ParseError> {
        let line = if mem::take(&mut self.at_start) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            return Ok(self.end_block());
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let field = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.append_data(&decode(value))?,
            b"event" => {
                self.name.clear();
                self.name.push_str(&decode(value));
            }
            // "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the
            // field value. Otherwise, ignore the field." -- WHATWG HTML §9.2.6
            b"id" if !value.contains(&0) => self.id = Some(self.decode_id(value)?),
            b"retry" => self.retry = decode_retry(value).or(self.retry),
            // A comment has an empty name here; "otherwise: The field is ignored."
            _ => {}
        }
        Ok(false)
    }

    /// What isn't UTF-8 never gets shorter by decoding, so that nothing long is decoded.
    fn decode_id(&self, value: &[u8]) -> Result<String, ParseError> {
        let error = ParseError::IdTooBig { max: self.max_id_len };
        if value.len() > self.max_id_len {
            return Err(error);
        }
        let id = decode(value);
        if id.len() > self.max_id_len { Err(error) } else { Ok(id.into_owned()) }
    }

    fn append_data(&mut self, value: &str) -> Result<(), ParseError> {
        let max = self.max_event_len;
        if self.data.len().saturating_add(value.len()) > max {
            return Err(ParseError::EventTooBig { max });
        }
        self.data.push_str(value);
        self.data.push('\n');
        Ok(())
    }

    /// Ends a block; whether it is an event. The id counts and the name is forgotten also where it is none.
    fn end_block(&mut self) -> bool {
        // Moved, not copied: a long id followed by short events would cost its length for each.
        if let Some(id) = self.id.take() {
            self.last_event_id = id;
        }
        if self.data.is_empty() {
            self.name.clear();
        }
        !self.data.is_empty()
    }

    /// The event that was found last.
    pub(crate) fn event(&self) -> ServerEvent<'_> {
        ServerEvent {
            name: if self.name.is_empty() { "message" } else { &self.name },
            data: self.data.strip_suffix('\n').unwrap_or(&self.data),
            last_event_id: &self.last_event_id,
        }
    }
}

/// Splits off the first line: the line, its CR or LF, and what follows; `None` if no line ends here.
fn split_line(input: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let len = input.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = input.split_at_checked(len)?;
    let (end, rest) = rest.split_first()?;
    Some((line, *end, rest))
}

/// Decodes one value; as a line ends any character, this gives what decoding the whole stream would.
fn decode(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// "If the field value consists of only ASCII digits, then interpret the field value as an integer in base
/// ten, and set the event stream's reconnection time to that integer." -- WHATWG HTML §9.2.6. One that no
/// `u64` holds is ignored.
fn decode_retry(value: &[u8]) -> Option<Duration> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().map(Duration::from_millis)
}

/// Why a stream cannot be read on: the server's fault. Close the connection.
///
/// ```
/// use talkback::sse::{ParseError, Parser};
///
/// let mut parser = Parser::new().max_line_len(16);
/// let error = parser.next_event(&mut &b"data: more than sixteen bytes"[..]);
/// assert_eq!(error, Err(ParseError::LineTooBig { max: 16 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// A line is longer than [`Parser::max_line_len`].
    LineTooBig {
        /// The limit, in bytes.
        max: usize,
    },
    /// The data of an event is longer than [`Parser::max_event_len`].
    EventTooBig {
        /// The limit, in bytes.
        max: usize,
    },
    /// An id is longer than [`Parser::max_id_len`].
    IdTooBig {
        /// The limit, in bytes.
        max: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooBig { max } => write!(f, "line of more than {max} bytes in event stream"),
            Self::EventTooBig { max } => write!(f, "event with more than {max} bytes of data"),
            Self::IdTooBig { max } => write!(f, "event id of more than {max} bytes"),
        }
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after(stream: &[u8]) -> Option<Duration> {
        let mut parser = Parser::new();
        assert_eq!(parser.next_event(&mut &stream[..]), Ok(None));
        parser.retry()
    }

    #[test]
    fn retry_is_of_ascii_digits_alone() {
        assert_eq!(retry_after(b"retry: 3000\n"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(b"retry:0\n"), Some(Duration::ZERO));
        for ignored in ["", " ", "+1", "-1", "  1", "1.5", "1 ", "1e3", "\u{661}"] {
            let stream = format!("retry:{ignored}\n");
            assert_eq!(retry_after(stream.as_bytes()), None, "{ignored:?}");
        }
    }

    #[test]
    fn retry_that_overflows_is_ignored() {
        assert_eq!(retry_after(b"retry: 18446744073709551615\n"), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(retry_after(b"retry: 18446744073709551616\n"), None);
        assert_eq!(retry_after(b"retry: 7\nretry: 18446744073709551616\n"), Some(Duration::from_millis(7)));
    }

    #[test]
    fn id_counts_when_its_block_ends() {
        let mut parser = Parser::new();
        assert_eq!(parser.next_event(&mut &b"id: 7\n"[..]), Ok(None));
        assert_eq!(parser.last_event_id(), "");
        assert_eq!(parser.next_event(&mut &b"\n"[..]), Ok(None));
        assert_eq!(parser.last_event_id(), "7");
    }

    #[test]
    fn event_is_dispatched_at_the_cr_and_its_lf_ends_nothing_more() {
        let mut parser = Parser::new();
        let mut input = &b"data: a\r\n\r"[..];
        assert_eq!(parser.next_event(&mut input).unwrap().map(|event| event.data), Some("a"));
        assert_eq!(parser.next_event(&mut &b"\ndata: b\n"[..]), Ok(None));
        assert_eq!(parser.next_event(&mut &b"\n"[..]).unwrap().map(|event| event.data), Some("b"));
    }

    #[test]
    fn restart_keeps_what_reconnecting_needs_and_no_more() {
        let mut parser = Parser::new().max_line_len(8);
        let lost = b"retry:5\nid:1\n\nevent:x\ndata:y\nid:2\ntoo long a line";
        assert_eq!(parser.next_event(&mut &lost[..]), Err(ParseError::LineTooBig { max: 8 }));
        parser.restart();
        assert_eq!((parser.last_event_id(), parser.retry()), ("1", Some(Duration::from_millis(5))));
        let event = parser.next_event(&mut &b"\xef\xbb\xbfdata:\n\n"[..]).unwrap().unwrap();
        assert_eq!((event.name, event.data, event.last_event_id), ("message", "", "1"));
        assert_eq!(parser.next_event(&mut &b"123456789"[..]), Err(ParseError::LineTooBig { max: 8 }));
    }

    #[test]
    fn id_at_its_limit_passes_and_one_past_is_refused() {
        let mut parser = Parser::new().max_id_len(4);
        assert_eq!(parser.next_event(&mut &b"id: 1234\n\nid: 5\xff\n\n"[..]), Ok(None));
        assert_eq!(parser.last_event_id(), "5\u{fffd}");
        // Also past it once decoded.
        for stream in [&b"id: 12345\n\n"[..], b"id: 12\xff\n\n"] {
            assert_eq!(parser.next_event(&mut &stream[..]), Err(ParseError::IdTooBig { max: 4 }));
            parser.restart();
        }
        assert_eq!(parser.last_event_id(), "5\u{fffd}");
    }

    #[test]
    fn resuming_starts_with_the_id_given() {
        let mut parser = Parser::new().resume_after("41");
        let event = parser.next_event(&mut &b"data\n\n"[..]).unwrap().unwrap();
        assert_eq!(event.last_event_id, "41");
    }
}
