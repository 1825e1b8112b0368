//! Long polls that wait for news.

use std::collections::HashMap;

use super::super::{ClientId, Cursor};
use super::responses::{no_content, with_all};
use crate::http::Response;
use crate::server::Held;

/// Those that wait in a room: one a client, and those of whom nobody knows who they are.
#[derive(Debug, Default)]
pub(super) struct Polls {
    of_clients: HashMap<ClientId, Poll>,
    others: Vec<Poll>,
}

#[derive(Debug)]
pub(super) struct Poll {
    pub(super) held: Held,
    pub(super) client: Option<ClientId>,
    pub(super) after: Cursor,
    /// What lets a page of another origin read the answer.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Poll {
    pub(super) fn respond(self, response: Response) {
        self.held.respond(with_all(response, &self.headers));
    }

    fn waits(&self) -> bool {
        !self.held.is_closed()
    }
}

impl Polls {
    /// Has one wait. One of the same client that waits already is ended: it has been given up.
    pub(super) fn push(&mut self, poll: Poll) {
        let Self { of_clients, others } = self;
        // Those whose time was up are in here as well: they are looked for when the room for more is used up.
        let Some(client) = poll.client.clone() else {
            if others.len() == others.capacity() {
                others.retain(Poll::waits);
            }
            return others.push(poll);
        };
        if of_clients.len() == of_clients.capacity() {
            of_clients.retain(|_, poll| poll.waits());
        }
        if let Some(before) = of_clients.insert(client, poll) {
            before.respond(no_content());
        }
    }

    /// Gives those that there is something for in a log that ends there.
    pub(super) fn take_behind(&mut self, end: Cursor) -> Vec<Poll> {
        let Self { of_clients, others } = std::mem::take(self);
        let all = others.into_iter().chain(of_clients.into_values());
        let (behind, waiting): (Vec<_>, Vec<_>) = all.partition(|poll| poll.after != end);
        waiting.into_iter().for_each(|poll| self.push(poll));
        behind
    }

    pub(super) fn forget_closed(&mut self) {
        let Self { of_clients, others } = self;
        others.retain(Poll::waits);
        others.shrink_to(others.len() * 2);
        of_clients.retain(|_, poll| poll.waits());
        of_clients.shrink_to(of_clients.len() * 2);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.others.is_empty() && self.of_clients.is_empty()
    }
}
