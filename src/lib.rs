//! WebSocket from the bytes up, without an async framework.

pub mod entropy;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod protocol;
pub mod sse;

pub use protocol::{Config, Message, MessageRef};
