//! Server-sent events over a stream: HTML §9.2.

use std::io::{self, Write as _};

use crate::blocking::Stream;
use crate::http::{Response, Status};
use crate::sse::{Event, KEEP_ALIVE, RESPONSE_HEADERS, encode_comment, encode_retry};

/// A response that stays open and carries events to an `EventSource`.
///
/// Send a [`keep_alive`](Self::keep_alive) every 15 s of silence: proxies cut what is silent,
/// and only a write shows that the client is gone. Each call blocks while the client takes
/// nothing, for `Config::write_timeout` at most. Dropping it ends the stream, and the
/// `EventSource` connects again.
///
/// ```
/// use std::io::Cursor;
/// use talkback::blocking::Untimed;
/// use talkback::server::{Accept, Exchange};
/// use talkback::sse::Event;
///
/// let request = Cursor::new(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
/// let mut events = Exchange::read(Untimed(request), &Accept::new())?.events()?;
/// events.send(&Event::new("ten bottles").id("7")?)?;
/// let written = String::from_utf8(events.stream().0.get_ref().clone())?;
/// assert!(written.contains("Content-Type: text/event-stream\r\n"));
/// assert!(written.ends_with("id: 7\ndata: ten bottles\n\n\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventStream<S> {
    stream: S,
    /// What is written next, and the chunk around it: kept for their memory.
    block: Vec<u8>,
    chunk: Vec<u8>,
}

impl<S: Stream> EventStream<S> {
    /// Writes the response's head, at once.
    pub(super) fn open(mut stream: S) -> io::Result<Self> {
        let mut response = Response::new(Status::OK);
        for (name, value) in RESPONSE_HEADERS.iter().chain(&[("Connection", "close")]) {
            response = response.header(name, value).map_err(io::Error::other)?;
        }
        let mut head = Vec::new();
        response.encode_chunked_head(&mut head);
        stream.write_all(&head)?;
        stream.flush()?;
        Ok(Self { stream, block: Vec::new(), chunk: Vec::new() })
    }

    /// Sends an event, in one write.
    ///
    /// # Errors
    /// Those of the stream: the client is gone, or took nothing for too long. The stream is
    /// of no use after that.
    pub fn send(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.write(|block| event.encode(block))
    }

    /// Sends a comment, which clients don't show.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn comment(&mut self, text: &str) -> io::Result<()> {
        self.write(|block| encode_comment(text, block))
    }

    /// Sends the shortest comment: a sign of life.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn keep_alive(&mut self) -> io::Result<()> {
        self.write(|block| block.extend_from_slice(KEEP_ALIVE))
    }

    /// Tells the client how many milliseconds to wait before it connects again. A server that
    /// goes down gives each client another number, so that they don't come back all at once.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn retry(&mut self, milliseconds: u32) -> io::Result<()> {
        self.write(|block| encode_retry(milliseconds, block))
    }

    /// Ends the stream cleanly. An `EventSource` connects again after its `retry`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn finish(mut self) -> io::Result<()> {
        self.stream.write_all(b"0\r\n\r\n")?;
        self.stream.flush()
    }

    /// The stream below.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Writes a block as a chunk (RFC 9112 §7.1).
    fn write(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.block.clear();
        encode(&mut self.block);
        self.chunk.clear();
        write!(self.chunk, "{:x}\r\n", self.block.len())?;
        self.chunk.extend_from_slice(&self.block);
        self.chunk.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.chunk)?;
        self.stream.flush()
    }
}
