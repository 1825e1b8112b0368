//! The event-driven server, over sockets of this machine. Each test has a server of its own, and ends by
//! draining it: `run` returns, every connection that was opened has ended once, nothing is left over.
//!
//! The soak takes some seconds; for ten minutes of it, and its figures:
//!
//! ```text
//! TALKBACK_SOAK_SECS=600 cargo test --test server -- --nocapture --exact \
//!     soak::every_message_is_accounted_for_while_connections_come_and_go
//! ```
#![cfg(feature = "server")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod net;

#[path = "server/app.rs"]
mod app;
#[path = "server/backpressure.rs"]
mod backpressure;
#[path = "server/bodies.rs"]
mod bodies;
#[path = "server/books.rs"]
mod books;
#[path = "server/child.rs"]
mod child;
#[path = "server/clients.rs"]
mod clients;
#[path = "server/closing.rs"]
mod closing;
#[path = "server/deadlines.rs"]
mod deadlines;
// They look at the process that serves as Linux shows it.
#[cfg(target_os = "linux")]
#[path = "server/descriptors.rs"]
mod descriptors;
#[path = "server/drain.rs"]
mod drain;
#[path = "server/event_streams.rs"]
mod event_streams;
#[path = "server/held.rs"]
mod held;
#[path = "server/http.rs"]
mod http;
#[cfg(target_os = "linux")]
#[path = "server/idle.rs"]
mod idle;
#[path = "server/messages.rs"]
mod messages;
#[path = "server/panics.rs"]
mod panics;
#[cfg(target_os = "linux")]
#[path = "server/part.rs"]
mod part;
#[path = "server/peers.rs"]
mod peers;
#[cfg(target_os = "linux")]
#[path = "server/playing.rs"]
mod playing;
#[path = "server/rooms.rs"]
mod rooms;
#[path = "server/soak.rs"]
mod soak;
#[path = "server/streams.rs"]
mod streams;
