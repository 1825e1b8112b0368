//! WebSocket (RFC 6455) from the bytes up, without an async framework: clients and servers
//! in plain blocking code over `std::net`, an event-driven server for many thousands of
//! connections, a complete state machine without I/O for those who bring their own, and
//! server-sent events beside it.
//!
//! A client:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut ws = talkback::connect("ws://127.0.0.1:9001")?;
//! ws.send("hello")?;
//! println!("{:?}", ws.recv()?);
//! ws.close(None)?;
//! while ws.recv()?.is_some() {} // until the server has closed, too
//! # Ok(()) }
//! ```
//!
//! A server, a thread a connection:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! for stream in std::net::TcpListener::bind("127.0.0.1:9001")?.incoming() {
//!     std::thread::spawn(|| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!         let mut ws = talkback::accept(stream?)?;
//!         while let Some(message) = ws.recv()? { ws.send(&message)?; }
//!         Ok(())
//!     });
//! }
//! # Ok(()) }
//! ```
//!
//! A server of event loops, one a core:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! # #[cfg(feature = "server")] {
//! use talkback::http::Request;
//! use talkback::protocol::MessageRef;
//! use talkback::server::{Connection, Handler, Server};
//!
//! #[derive(Clone)]
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type State = (); // what each connection keeps, without locks
//!
//!     fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}
//!
//!     fn on_message(&mut self, _: &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
//!         connection.send(message).unwrap_or_default();
//!     }
//! }
//!
//! Server::bind("127.0.0.1:9001")?.run(Echo)?;
//! # }
//! # Ok(()) }
//! ```
//!
//! Rooms, which are read by every transport over one port:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! # #[cfg(all(feature = "rooms", feature = "server"))] {
//! use talkback::http::{Response, Status};
//! use talkback::room::{RoomConfig, Rooms};
//! use talkback::server::{Pages, Server};
//!
//! let rooms = Rooms::new(RoomConfig::default())?;
//! let pages = Pages::new(|_| Response::refusal(Status::NOT_FOUND, "there is nothing here"));
//! Server::bind("127.0.0.1:8080")?.run(rooms.mount(pages))?;
//! # }
//! # Ok(()) }
//! ```
//!
//! # Where to look
//! - `server::Server`: connections, pages, long polls and streams from event loops, one a core.
//! - [`connect`] and [`client::Connect`], [`accept`] and [`server::Accept`]: from an address or
//!   a socket to a connection. [`server::Exchange`]: pages, events and WebSocket on one port.
//! - `room::Rooms`: rooms on such a server, which browsers read by whatever gets through to them, and
//!   resume where they left off.
//! - [`WebSocket`]: send and receive; [`WebSocket::split`] for several threads.
//! - [`Config`]: every limit and deadline, with its default.
//! - [`protocol::Protocol`]: the connection as a state machine. Bytes in, events out, bytes
//!   out; no socket, no thread, no clock. [`handshake`] and [`http`] are its like for what
//!   comes before.
//! - [`sse`]: server-sent events, writing and reading. [`client::EventSource`] receives them, and
//!   connects again where it left off.
//! - `room::Rooms`: rooms that are read by every transport, over one port. Which one to take, and what each costs:
//!   `manual::which_transport`.
//!
//! # Features
//! - `deflate` (default): compresses messages by permessage-deflate, on the crate `zlib-rs`. See
//!   [`protocol::Deflate`] for the choice that matters.
//! - `server` (default): the event-driven server, on the crate `mio`.
//! - `rooms`: the log of a room, which is read by polls, streams, events and WebSockets alike, who is
//!   in it, and a client that comes back where it left off: the module `room`, on the crate `serde_json`.
//!   It needs no other feature; with `server` there are rooms over every transport, `room::Rooms`.
//! - `simd` (default): checks UTF-8 with SIMD instructions, by the crate `simdutf8`. Without
//!   it the standard library checks, about ten times slower on text that isn't ASCII.
//! - `tracing`: the event-driven server tells of openings, ends, answers, drops and its own end, as events
//!   of the crate `tracing` with the target `talkback`.
//! - `wide`: masks large payloads with the widest vector instructions of the CPU at hand (AVX2,
//!   AVX-512), by the crate `fearless_simd`: from 16 KiB on, a message takes 0.6 to 0.9 of the time.
//!
//! # Promises
//! There is no `unsafe` code here, and no panic in the face of any input. What a peer can make
//! a connection hold is bounded, and grows with the bytes that it sent, not with lengths that
//! it announces. Every wait has a deadline.

#![forbid(unsafe_code)]

pub mod blocking;
pub mod client;
pub mod entropy;
pub mod frame;
pub mod handshake;
pub mod http;
#[cfg(all(feature = "rooms", feature = "server"))]
pub mod manual;
pub mod protocol;
#[cfg(feature = "rooms")]
pub mod room;
pub mod server;
pub mod sse;

pub use blocking::{Error, Reader, WebSocket, Writer};
pub use client::{Connect, ConnectError, connect};
pub use frame::{CloseCode, CloseFrame};
pub use protocol::{Config, Message, MessageRef, Prepared};
pub use server::{Accept, AcceptError, accept, accept_with};
