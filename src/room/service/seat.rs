//! Somebody who reads a room: counted as here as long as this is there.

use std::sync::Arc;
use std::time::Duration;

use super::super::ClientId;
use super::keeper::Keeper;
use super::served::Served;

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) room: Arc<Served>,
    pub(super) name: String,
    /// `None`: nobody knows who it is, and it isn't counted.
    pub(super) client: Option<ClientId>,
    pub(super) is_read_only: bool,
    pub(super) keeper: Arc<Keeper>,
    pub(super) grace: Duration,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(client) = &self.client
            && self.room.leave(client, self.grace)
        {
            self.keeper.note(&self.room);
        }
    }
}
