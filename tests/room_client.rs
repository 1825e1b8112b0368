//! The client of a room against servers made by hand: honest ones that lose connections, and others.
#![cfg(feature = "rooms")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod net;

#[path = "room_client/closing.rs"]
mod closing;
#[path = "room_client/exactly_once.rs"]
mod exactly_once;
#[path = "room_client/giving_up.rs"]
mod giving_up;
#[path = "room_client/model.rs"]
mod model;
#[path = "room_client/nonsense.rs"]
mod nonsense;
#[path = "room_client/publishing.rs"]
mod publishing;
#[path = "room_client/script.rs"]
mod script;
#[path = "room_client/states.rs"]
mod states;
