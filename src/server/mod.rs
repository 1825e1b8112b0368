//! Servers: from an accepted stream to a connection, a page, or a stream of events.
//!
//! One thread a connection, blocking calls: [`accept`] for WebSocket alone, [`Exchange`] for
//! several things on one port.

mod accept;
mod error;
mod events;
mod exchange;

pub use accept::{Accept, accept, accept_with};
pub use error::AcceptError;
pub use events::EventStream;
pub use exchange::Exchange;
