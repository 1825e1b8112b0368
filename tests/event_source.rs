//! The client of server-sent events against servers made by hand, hostile ones among them, and against the
//! crate's own. Each server answers one connection after the other as its script says, and no others: what
//! a client asks for, and how often, is checked at the end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod net;

#[path = "event_source/answers.rs"]
mod answers;
#[path = "event_source/closing.rs"]
mod closing;
#[path = "event_source/retrying.rs"]
mod retrying;
#[path = "event_source/script.rs"]
mod script;
#[path = "event_source/servers.rs"]
mod servers;
#[path = "event_source/streams.rs"]
mod streams;
