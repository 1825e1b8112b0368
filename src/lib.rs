//! WebSocket from the bytes up, without an async framework.

pub mod blocking;
pub mod client;
pub mod entropy;
pub mod frame;
pub mod handshake;
pub mod http;
pub mod protocol;
pub mod server;
pub mod sse;

pub use blocking::{Error, Reader, WebSocket, Writer};
pub use client::{Connect, ConnectError, connect};
pub use frame::{CloseCode, CloseFrame};
pub use protocol::{Config, Message, MessageRef, Prepared};
pub use server::{Accept, AcceptError, accept, accept_with};
