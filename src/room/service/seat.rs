//! Somebody who reads a room: counted as here as long as this is there.

use std::fmt;
use std::sync::Arc;

use super::super::ClientId;
use super::served::Served;

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) room: Arc<Served>,
    /// `None`: nobody knows who it is, and it isn't counted.
    pub(super) client: Option<ClientId>,
    pub(super) is_read_only: bool,
}

impl Seat {
    /// What a stream keeps, which can say nothing: without a client the room alone, to be small.
    pub(super) fn for_stream(self) -> Arc<dyn fmt::Debug + Send + Sync> {
        if self.client.is_some() { Arc::new(self) } else { Arc::clone(&self.room) as _ }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            self.room.leave(client, self.room.grace);
        }
    }
}
