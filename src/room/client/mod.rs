//! The client of a room: over WebSocket, and over as many connections as it takes.
//!
//! ```text
//! RoomClient ── open ──> RoomReader ── sender ──> RoomSender, for any thread
//! (options)              recv: connects, receives, connects again
//! ```

mod address;
mod error;
mod event;
mod fault;
mod object;
mod place;
mod queue;
mod queue_error;
mod reader;
mod room_client;
mod sender;
mod shared;
mod writing;

pub use error::RoomClientError;
pub use event::{Present, RoomEvent};
pub use fault::ServerFault;
pub use queue_error::QueueError;
pub use reader::RoomReader;
pub use room_client::RoomClient;
pub use sender::RoomSender;
