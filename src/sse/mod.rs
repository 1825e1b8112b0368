//! Server-sent events: values to bytes and bytes to values, without I/O.
//!
//! A server answers with [`RESPONSE_HEADERS`] and then sends what [`Event::encode`], [`encode_comment`],
//! [`encode_id`] and [`encode_retry`] write; each writes one whole block, so blocks can be sent in any order
//! and joined freely. A client gives what it reads to a [`Parser`] and takes events out.
//!
//! The format is that of the HTML standard (WHATWG HTML §9.2). What carries it, the HTTP exchange with its
//! chunks, its reconnecting and its deadlines, belongs to the layers above.
//!
//! ```
//! use talkback::sse::{Event, Parser};
//!
//! let mut stream = Vec::new();
//! Event::new("first line\nsecond line").name("news")?.id("7")?.encode(&mut stream);
//! assert_eq!(stream, b"event: news\nid: 7\ndata: first line\ndata: second line\n\n");
//!
//! let mut parser = Parser::new();
//! let mut input = stream.as_slice();
//! while let Some(event) = parser.next_event(&mut input)? {
//!     assert_eq!((event.name, event.data), ("news", "first line\nsecond line"));
//! }
//! assert_eq!(parser.last_event_id(), "7");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod parser;
mod writer;

pub use parser::{ParseError, Parser, ServerEvent};
pub use writer::{EncodeError, Event, KEEP_ALIVE, MAX_ID_LEN, encode_comment, encode_id, encode_retry};

/// The media type of an event stream, for a client's `Accept` and for its check of the answer's
/// `Content-Type`.
///
/// WHATWG HTML §9.2.5.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// The headers, beside the framing of the body, that a response carrying an event stream needs.
///
/// Send them at once, before the first event, with `Transfer-Encoding: chunked` under HTTP/1.1 or a body
/// until close under HTTP/1.0. `no-transform` and `X-Accel-Buffering` keep proxies from compressing or
/// holding back the events.
pub const RESPONSE_HEADERS: &[(&str, &str)] =
    &[("Content-Type", MEDIA_TYPE), ("Cache-Control", "no-store, no-transform"), ("X-Accel-Buffering", "no")];
