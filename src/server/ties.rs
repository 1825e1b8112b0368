//! What a connection, or a stream, has to do with others.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::connection::Hub;
use super::peer::{PeerState, Slot};

/// The ties of a connection; most have none.
#[derive(Debug, Default)]
pub(super) struct Link(Option<Box<Ties>>);

/// What a connection, or a stream, has to do with others.
#[derive(Debug, Default)]
pub(super) struct Ties {
    pub(super) peer: Option<Arc<PeerState>>,
    /// The numbers of the rooms that it is in.
    pub(super) rooms: Vec<u64>,
    /// Whether there is more for it in one of them than it could take.
    pub(super) behind: bool,
    /// Whether something was refused because it was full.
    pub(super) was_full: bool,
    /// Whether it was closed for that.
    pub(super) overflowed: bool,
}

impl Ties {
    /// It is over: what others know of it is no more.
    pub(super) fn forget(&self, hub: &mut Hub, slot: Slot) {
        if let Some(peer) = &self.peer {
            peer.closed.store(true, Ordering::Relaxed);
        }
        self.rooms.iter().for_each(|room| hub.members.leave(*room, slot.index, &hub.mailbox));
    }
}

impl Link {
    #[inline]
    pub(super) fn ties(&self) -> Option<&Ties> {
        self.0.as_deref()
    }

    #[inline]
    pub(super) fn ties_mut(&mut self) -> Option<&mut Ties> {
        self.0.as_deref_mut()
    }

    /// Its ties, from now on.
    #[inline]
    pub(super) fn tie(&mut self) -> &mut Ties {
        self.0.get_or_insert_default()
    }

    /// It is over.
    pub(super) fn forget(&self, hub: &mut Hub, slot: Slot) {
        self.ties().into_iter().for_each(|ties| ties.forget(hub, slot));
    }

    #[inline]
    pub(super) fn peer(&self) -> Option<&Arc<PeerState>> {
        self.ties().and_then(|ties| ties.peer.as_ref())
    }

    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.ties().is_some_and(|ties| ties.behind)
    }

    #[inline]
    pub(super) fn was_full(&self) -> bool {
        self.ties().is_some_and(|ties| ties.was_full)
    }

    /// Whether something was refused because it was full, and it is to be told now.
    #[inline]
    pub(super) fn take_was_full(&mut self) -> bool {
        self.ties_mut().is_some_and(|ties| std::mem::take(&mut ties.was_full))
    }
}
