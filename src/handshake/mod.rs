//! The upgrade from HTTP, both roles, without I/O (RFC 6455 §4, §9.1).

mod client;
mod deflate;
mod error;
mod key;
mod offer;
mod policy;
mod server;

pub use client::{ClientHandshake, Negotiated};
pub use deflate::{DeflateParameters, WindowBits};
pub use error::{BuildError, HandshakeError, ResponseError};
pub use offer::{MAX_OFFER_COUNT, Offer};
pub use policy::{Origins, Policy};
pub use server::Upgrade;

/// Whether the handshake sets this header itself, or it would change what the handshake means.
fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 5] = ["Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding"];
    const PREFIX: &str = "Sec-WebSocket-";
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || name.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}
