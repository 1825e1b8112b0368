//! RFC 6455: a test for each MUST and MUST NOT that the core decides, in both roles, named for its section.
//! What is received is fed in every style and in several cuts; what is sent is compared on the wire.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod pair;

#[path = "rfc6455/closing.rs"]
mod closing;
#[path = "rfc6455/frames.rs"]
mod frames;
#[path = "rfc6455/handshake.rs"]
mod handshake;
#[path = "rfc6455/messages.rs"]
mod messages;
