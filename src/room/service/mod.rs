//! Rooms on a server: every transport over one port.

mod access;
mod answers;
mod asked;
mod config;
mod here;
mod keeper;
mod mounted;
mod polls;
mod responses;
mod rooms;
mod seat;
mod served;
mod source;
mod upward;

pub use access::{Access, Admission, Anybody, Refusal};
pub use config::RoomConfig;
pub use mounted::{Mounted, MountedState};
pub use rooms::Rooms;
