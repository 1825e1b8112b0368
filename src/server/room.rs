//! Rooms: a message to many connections, in any loop.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::peer::{Command, Mailbox, lock};
use crate::protocol::{MessageRef, Prepared};

/// A group of connections, which anybody can publish to, from any thread.
///
/// Cloning gives the same room. Connections join it with
/// [`Connection::join`](super::Connection::join), and leave it when they end. A publication is
/// framed once, and its bytes are shared by all that it is written to; several to the same peer
/// in one turn of its loop go out in one write.
///
/// ```
/// use talkback::server::Room;
///
/// let room = Room::new();
/// room.publish("to all who are in it"); // nobody yet
/// ```
#[derive(Debug, Clone)]
pub struct Room(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    number: u64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// The loops that have, or had, members.
    loops: Vec<Arc<Mailbox>>,
    /// How many publications there were: the number of the last one.
    count: u64,
}

impl Default for Room {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inside { number, told: Mutex::default() }))
    }
}

impl Room {
    /// A room with nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a message to all members. Costs one allocation and one copy, however many they are;
    /// never blocks. Members that too much waits for are treated as
    /// [`Server::overflow`](super::Server::overflow) says.
    pub fn publish<'m>(&self, message: impl Into<MessageRef<'m>>) {
        self.publish_prepared(&Prepared::new(message));
    }

    /// Sends a message that was framed, and perhaps compressed, before.
    pub fn publish_prepared(&self, prepared: &Prepared) {
        let told = &mut *lock(&self.0.told);
        told.count += 1;
        for mailbox in &told.loops {
            mailbox.post(Command::Publish(Publication {
                room: self.0.number,
                number: told.count,
                prepared: prepared.clone(),
            }));
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// Has publications sent to a loop, too; the number of the last one before.
    pub(super) fn add_loop(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let mut told = lock(&self.0.told);
        if !told.loops.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
            told.loops.push(Arc::clone(mailbox));
        }
        told.count
    }
}

/// What all members of a room hear that joined before it.
#[derive(Debug)]
pub(super) struct Publication {
    /// The number of the room.
    pub(super) room: u64,
    /// The how manieth of the room it is.
    pub(super) number: u64,
    pub(super) prepared: Prepared,
}

/// Who of a loop is in which room.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// With the last publication before each joined: it may still be on its way to the loop. In the order of
    /// their places, so that those are walked through from one end to the other.
    rooms: HashMap<u64, BTreeMap<u32, u64>>,
}

impl Members {
    /// Whether it was not in there.
    pub(super) fn join(&mut self, room: u64, index: u32, last: u64) -> bool {
        let members = self.rooms.entry(room).or_default();
        let before = members.len();
        members.entry(index).or_insert(last);
        members.len() > before
    }

    pub(super) fn leave(&mut self, room: u64, index: u32) {
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&index);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    /// Those of a room, as they are now, each with the last publication that it is not to hear.
    pub(super) fn of(&self, room: u64) -> Vec<(u32, u64)> {
        let members = self.rooms.get(&room).into_iter().flatten();
        members.map(|(index, last)| (*index, *last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_hears_what_is_published_from_then_on() {
        let mut members = Members::default();
        assert!(members.join(7, 1, 0));
        assert!(members.join(7, 2, 5));
        assert!(!members.join(7, 1, 5), "it is in there, and misses nothing");
        assert_eq!(members.of(7), [(1, 0), (2, 5)]);
        members.leave(7, 1);
        assert_eq!(members.of(7), [(2, 5)]);
        assert!(members.of(8).is_empty());
    }
}
