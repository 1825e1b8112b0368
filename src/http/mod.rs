//! HTTP/1.1: requests and responses, their heads and their bodies.
//!
//! A server gives everything that it has read so far to a [`RequestDecoder`] after each read, and gets a
//! [`Request`] as soon as the head is whole. A client does the same with a [`ResponseDecoder`]. Answers are
//! built as a [`Response`] and written by [`Response::encode`].
//!
//! The syntax is read by the crate `httparse`, behind a scanner that looks at each byte once, as it arrives,
//! and refuses what request smuggling is made of: bare line feeds, folded lines, spaces before the colon,
//! control bytes. What is not HTTP is refused at its first wrong byte, so that nobody waits for the end of a
//! head that never comes. A [`Request`] that exists is well-formed: one valid Host, a target of a known form,
//! at most one way to tell where its body ends.
//!
//! What follows a head is taken apart by a [`BodyDecoder`]: chunks, a length, or, of a response, all until the
//! connection ends. [`Request::has_body`] says whether a request has one.
//!
//! ```
//! use talkback::http::{HeadLimits, Request, RequestDecoder, Response, Status};
//!
//! let mut decoder = RequestDecoder::new(HeadLimits::default());
//! let mut received = b"GET /rooms?name=tea HTTP/1.1\r\nHo".to_vec();
//! assert!(decoder.decode(&received)?.is_none());
//!
//! received.extend_from_slice(b"st: localhost\r\n\r\n");
//! let (request, _head_len) = decoder.decode(&received)?.expect("the head is whole");
//! assert_eq!(request.path(), "/rooms");
//! assert_eq!(request.query_value("name").as_deref(), Some("tea"));
//!
//! let mut output = Vec::new();
//! Response::new(Status::OK).header("Content-Type", "text/plain")?.body("hello").encode(&mut output);
//! assert!(output.starts_with(b"HTTP/1.1 200 OK\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod body;
mod chunked;
mod error;
mod framing;
mod head;
mod headers;
mod query;
mod request;
mod response;
mod status;
pub(crate) mod syntax;
mod target;

pub use authority::Authority;
pub use body::{BodyDecoder, BodyError};
pub use error::{HeaderError, HttpError};
pub use head::HeadLimits;
pub use headers::Headers;
pub use request::{Request, RequestDecoder};
pub use response::{Response, ResponseDecoder, Version};
pub use status::Status;
