//! Rooms on the event-driven server, in every transport, over sockets of this machine.
//!
//! Two tests read through a proxy that cuts connections, for two seconds; for a minute of it, and its figures:
//!
//! ```text
//! TALKBACK_DROPS_SECS=60 cargo test --features rooms --test rooms -- --nocapture drops::
//! ```
#![cfg(all(feature = "rooms", feature = "server"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod net;

#[path = "rooms/access.rs"]
mod access;
// They look at the process that serves as Linux shows it.
#[cfg(target_os = "linux")]
#[path = "server/child.rs"]
mod child;
#[path = "rooms/churn.rs"]
mod churn;
#[path = "rooms/clients.rs"]
mod clients;
#[cfg(feature = "deflate")]
#[path = "rooms/compressed.rs"]
mod compressed;
#[cfg(target_os = "linux")]
#[path = "rooms/crowd.rs"]
mod crowd;
#[path = "rooms/drops.rs"]
mod drops;
#[path = "rooms/ends.rs"]
mod ends;
#[path = "rooms/here.rs"]
mod here;
#[cfg(target_os = "linux")]
#[path = "rooms/idle.rs"]
mod idle;
#[path = "rooms/long_polls.rs"]
mod long_polls;
#[path = "rooms/nonsense.rs"]
mod nonsense;
#[path = "rooms/origins.rs"]
mod origins;
#[path = "rooms/own.rs"]
mod own;
#[cfg(target_os = "linux")]
#[path = "rooms/part.rs"]
mod part;
#[cfg(target_os = "linux")]
#[path = "server/playing.rs"]
mod playing;
#[path = "rooms/proxy.rs"]
mod proxy;
#[path = "rooms/readers.rs"]
mod readers;
#[path = "rooms/refusals.rs"]
mod refusals;
#[path = "rooms/resuming.rs"]
mod resuming;
#[path = "rooms/serving.rs"]
mod serving;
#[cfg(target_os = "linux")]
#[path = "rooms/slow.rs"]
mod slow;
#[path = "rooms/wire.rs"]
mod wire;
