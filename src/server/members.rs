//! Who of a loop is in which room, and how far each has got.

use std::collections::btree_map::Entry::Vacant;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::feed::Feed;
use super::peer::Mailbox;

/// Who of a loop is in which room.
#[derive(Debug, Default)]
pub(super) struct Members {
    rooms: HashMap<u64, Gathering>,
}

/// The members of a room in a loop.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) feed: Feed,
    /// Up to which publication all have been served that are not behind.
    pub(super) served: u64,
    /// In the order of their places, so that those are walked through from one end to the other.
    pub(super) members: BTreeMap<u32, Member>,
    pub(super) behind_count: usize,
}

#[derive(Debug)]
pub(super) struct Member {
    /// The last publication that was written to it, or that it joined behind.
    pub(super) cursor: u64,
    /// Whether it couldn't take all: it goes on by itself when it can.
    pub(super) behind: bool,
}

impl Members {
    /// Lets one in that has had all up to `after`; without one, it gets what is published from now on. Whether it
    /// is behind; `None`: it was in there.
    pub(super) fn join(
        &mut self,
        feed: &Feed,
        after: Option<u64>,
        index: u32,
        mailbox: &Arc<Mailbox>,
    ) -> Option<bool> {
        let last = feed.add_loop(mailbox);
        let gathering = self.rooms.entry(feed.number()).or_insert_with(|| Gathering {
            feed: feed.clone(),
            served: last,
            members: BTreeMap::new(),
            behind_count: 0,
        });
        let Vacant(place) = gathering.members.entry(index) else { return None };
        // What was published since the others were served comes to this one with them.
        let cursor = after.map_or(last, |after| after.min(last));
        let behind = cursor < gathering.served;
        place.insert(Member { cursor, behind });
        gathering.behind_count += usize::from(behind);
        Some(behind)
    }

    pub(super) fn leave(&mut self, room: u64, index: u32, mailbox: &Arc<Mailbox>) {
        let Some(gathering) = self.rooms.get_mut(&room) else { return };
        if gathering.members.remove(&index).is_some_and(|member| member.behind) {
            gathering.caught_up(mailbox);
        }
        if gathering.members.is_empty() {
            gathering.feed.remove_loop(mailbox);
            self.rooms.remove(&room);
        }
    }

    /// A room whose members are to be served meanwhile; [`put_back`](Self::put_back) follows.
    pub(super) fn take(&mut self, feed: &Feed) -> Option<Gathering> {
        self.rooms.remove(&feed.number())
    }

    pub(super) fn put_back(&mut self, gathering: Gathering) {
        self.rooms.insert(gathering.feed.number(), gathering);
    }

    pub(super) fn of(&mut self, room: u64) -> Option<&mut Gathering> {
        self.rooms.get_mut(&room)
    }
}

impl Gathering {
    /// One that was behind is no longer, or no longer here.
    pub(super) fn caught_up(&mut self, mailbox: &Arc<Mailbox>) {
        self.behind_count -= 1;
        self.note_done(mailbox);
    }

    /// If none is behind, what they have had isn't kept for them.
    pub(super) fn note_done(&self, mailbox: &Arc<Mailbox>) {
        if self.behind_count == 0 {
            self.feed.note_done(mailbox, self.served);
        }
    }
}
