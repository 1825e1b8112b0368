//! Rooms: a message to many connections, in any loop.

use std::collections::{HashMap, HashSet};
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
    /// The loops that have, or had, members.
    loops: Mutex<Vec<Arc<Mailbox>>>,
}

impl Default for Room {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inside { number, loops: Mutex::default() }))
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
        for mailbox in &*lock(&self.0.loops) {
            mailbox.post(Command::Publish(self.0.number, prepared.clone()));
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// Has publications sent to a loop, too.
    pub(super) fn add_loop(&self, mailbox: &Arc<Mailbox>) {
        let mut loops = lock(&self.0.loops);
        if !loops.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
            loops.push(Arc::clone(mailbox));
        }
    }
}

/// Who of a loop is in which room.
#[derive(Debug, Default)]
pub(super) struct Members {
    rooms: HashMap<u64, HashSet<u32>>,
}

impl Members {
    /// Whether it was not in there.
    pub(super) fn join(&mut self, room: u64, index: u32) -> bool {
        self.rooms.entry(room).or_default().insert(index)
    }

    pub(super) fn leave(&mut self, room: u64, index: u32) {
        if let Some(members) = self.rooms.get_mut(&room) {
            members.remove(&index);
            if members.is_empty() {
                self.rooms.remove(&room);
            }
        }
    }

    pub(super) fn of(&self, room: u64) -> impl Iterator<Item = u32> {
        self.rooms.get(&room).into_iter().flatten().copied()
    }
}
