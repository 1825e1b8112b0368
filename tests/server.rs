//! The event-driven server, over sockets of this machine. Each test has a server of its own, and ends by
//! draining it: `run` returns, every connection that was opened has ended once, nothing is left over.
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
#[path = "server/closing.rs"]
mod closing;
#[path = "server/deadlines.rs"]
mod deadlines;
#[path = "server/drain.rs"]
mod drain;
#[path = "server/event_streams.rs"]
mod event_streams;
#[path = "server/held.rs"]
mod held;
#[path = "server/http.rs"]
mod http;
#[path = "server/load.rs"]
mod load;
#[path = "server/messages.rs"]
mod messages;
#[path = "server/panics.rs"]
mod panics;
#[path = "server/peers.rs"]
mod peers;
#[path = "server/rooms.rs"]
mod rooms;
#[path = "server/streams.rs"]
mod streams;
