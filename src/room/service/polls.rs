//! Long polls that wait for news.

use super::super::{ClientId, Cursor};
use super::responses::{no_content, with_all};
use crate::server::Held;

/// Those that wait in a room.
#[derive(Debug, Default)]
pub(super) struct Polls(Vec<Poll>);

#[derive(Debug)]
pub(super) struct Poll {
    pub(super) held: Held,
    pub(super) client: Option<ClientId>,
    pub(super) after: Cursor,
    /// What lets a page of another origin read the answer.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Polls {
    /// Has one wait. One of the same client that waits already is ended: it has been given up.
    pub(super) fn push(&mut self, poll: Poll) {
        // Those whose time was up are in here as well: they are looked for when the room for more is used up.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|poll| !poll.held.is_closed());
        }
        let same = |other: &Poll| poll.client.is_some() && other.client == poll.client;
        if let Some(index) = self.0.iter().position(same) {
            let Poll { held, headers, .. } = self.0.swap_remove(index);
            held.respond(with_all(no_content(), &headers));
        }
        self.0.push(poll);
    }

    pub(super) fn take(&mut self) -> Vec<Poll> {
        std::mem::take(&mut self.0)
    }

    pub(super) fn forget_closed(&mut self) {
        self.0.retain(|poll| !poll.held.is_closed());
        self.0.shrink_to(self.0.len() * 2);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
