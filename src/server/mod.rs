//! Servers: from a port to connections, pages and streams.
//!
//! - One thread a connection, blocking calls: [`accept`] for WebSocket alone, [`Exchange`] for
//!   several things on one port.
//! - One loop a core, for many thousands of connections: `Server`, with a `Handler`; behind the feature `server`.

mod accept;
#[cfg(feature = "server")]
mod accepting;
#[cfg(feature = "server")]
mod bodies;
#[cfg(feature = "server")]
mod connection;
mod cors;
#[cfg(feature = "server")]
mod counters;
#[cfg(feature = "server")]
mod entry;
mod error;
#[cfg(feature = "server")]
mod event_loop;
mod events;
#[cfg(feature = "server")]
mod events_peer;
mod exchange;
#[cfg(feature = "server")]
mod fan_out;
#[cfg(feature = "server")]
mod feed;
#[cfg(feature = "server")]
mod handler;
#[cfg(feature = "server")]
mod head;
#[cfg(feature = "server")]
mod held;
#[cfg(feature = "server")]
mod mail;
#[cfg(feature = "server")]
mod means;
#[cfg(feature = "server")]
mod members;
#[cfg(feature = "server")]
mod pages;
#[cfg(feature = "server")]
mod peer;
#[cfg(feature = "server")]
mod requests;
#[cfg(feature = "server")]
mod room;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod stream_peer;
#[cfg(feature = "server")]
mod streams;
#[cfg(feature = "server")]
mod ties;
#[cfg(feature = "server")]
mod timers;
#[cfg(feature = "server")]
mod trace;
#[cfg(feature = "server")]
mod turn;

pub use accept::{Accept, accept, accept_with};
#[cfg(feature = "server")]
pub use connection::Connection;
pub use cors::Cors;
#[cfg(feature = "server")]
pub use counters::Snapshot;
pub use error::AcceptError;
pub use events::EventStream;
#[cfg(feature = "server")]
pub use events_peer::EventPeer;
pub use exchange::Exchange;
#[cfg(all(feature = "server", feature = "rooms"))]
pub(crate) use feed::{Feed, Form, Source};
#[cfg(feature = "server")]
pub use handler::{Answer, Closed, Handler};
#[cfg(feature = "server")]
pub use held::{Held, Hold};
#[cfg(feature = "server")]
pub use pages::Pages;
#[cfg(all(feature = "server", feature = "rooms"))]
pub(crate) use peer::lock;
#[cfg(feature = "server")]
pub use peer::{Peer, PeerId};
#[cfg(feature = "server")]
pub use room::Room;
#[cfg(feature = "server")]
pub use serve::{Overflow, Server, ServerHandle};
#[cfg(all(feature = "server", feature = "rooms"))]
pub(crate) use stream_peer::Follow;
#[cfg(feature = "server")]
pub use stream_peer::{StreamHead, StreamPeer};
