//! Rooms: a message to many connections, in any loop.

use std::collections::VecDeque;

use bytes::Bytes;

use super::feed::{Feed, Form, Source};
use crate::protocol::{MessageRef, Prepared};

/// What a publication counts as, besides its bytes.
const PUBLICATION_LEN: usize = 128;

/// A group of connections, which anybody can publish to, from any thread.
///
/// Cloning gives the same room. Connections join it with
/// [`Connection::join`](super::Connection::join), and leave it when they end. A publication is
/// framed once, and kept once until all members have it: each reads on from where it is, at its own
/// pace, so that a slow one costs nothing, and several publications to one go out in one write. What is sent
/// to a single connection may overtake them.
///
/// ```
/// use talkback::server::Room;
///
/// let room = Room::new();
/// room.publish("to all who are in it"); // nobody yet
/// ```
#[derive(Debug, Clone)]
pub struct Room(Feed<Frames>);

impl Default for Room {
    fn default() -> Self {
        Self::with_max_kept_len(1024 * 1024)
    }
}

impl Room {
    /// A room with nobody in it, that keeps 1 MiB of publications at most.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A room with nobody in it, that keeps so many bytes of publications at most, each with 128 bytes of its
    /// own, and the last one in any case. Members that fall behind by more are treated as
    /// [`Server::overflow`](super::Server::overflow) says: they miss what is kept no more, or are closed.
    #[must_use]
    pub fn with_max_kept_len(max_kept_len: usize) -> Self {
        Self(Feed::new(Frames { max_len: max_kept_len, ..Frames::default() }))
    }

    /// Sends a message to all members. Costs one allocation and one copy, however many they are;
    /// never blocks.
    pub fn publish<'m>(&self, message: impl Into<MessageRef<'m>>) {
        self.publish_prepared(&Prepared::new(message));
    }

    /// Sends a message that was framed, and perhaps compressed, before.
    pub fn publish_prepared(&self, prepared: &Prepared) {
        self.0.with(|frames| frames.push(prepared.clone()));
    }

    pub(super) fn feed(&self) -> Feed {
        self.0.of_any()
    }
}

/// What not all members have been sent yet.
#[derive(Debug, Default)]
struct Frames {
    max_len: usize,
    kept: VecDeque<Prepared>,
    kept_len: usize,
    last: u64,
}

impl Frames {
    fn push(&mut self, prepared: Prepared) {
        self.kept_len += cost(&prepared);
        self.kept.push_back(prepared);
        self.last += 1;
        while self.kept_len > self.max_len && self.kept.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.kept_len -= self.kept.pop_front().as_ref().map_or(0, cost);
    }
}

impl Source for Frames {
    fn last(&self) -> u64 {
        self.last
    }

    fn before_kept(&self) -> u64 {
        self.last.saturating_sub(u64::try_from(self.kept.len()).unwrap_or(u64::MAX))
    }

    fn pieces(&self, skip: usize, form: &Form) -> Box<dyn Iterator<Item = Bytes> + '_> {
        // Connections alone join a room of frames.
        let agreed = if let Form::Frames(agreed) = form { *agreed } else { None };
        let kept = self.kept.iter().skip(skip);
        Box::new(kept.map(move |prepared| prepared.frame_for(agreed.as_ref()).clone()))
    }

    fn forget(&mut self, done: u64) {
        while !self.kept.is_empty() && self.before_kept() < done {
            self.pop();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    fn drops(&self) -> bool {
        true
    }
}

fn cost(prepared: &Prepared) -> usize {
    prepared.payload().len() + PUBLICATION_LEN
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::feed::Batch;
    use super::super::peer::{Command, Mailbox};
    use super::*;

    fn read(room: &Room, after: u64, max_len: usize) -> Batch {
        room.feed().read(after, Form::Frames(None), max_len)
    }

    fn mailbox(poll: &mio::Poll) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(poll.registry(), mio::Token(0)).unwrap())
    }

    fn kept(room: &Room) -> (usize, usize) {
        room.0.with(|frames| (frames.kept.len(), frames.kept_len))
    }

    #[test]
    fn a_batch_holds_whole_frames_and_knows_where_they_end() {
        let poll = mio::Poll::new().unwrap();
        let room = Room::new();
        room.feed().add_loop(&mailbox(&poll));
        ["a", "bc", "def"].iter().for_each(|text| room.publish(*text));
        let batch = read(&room, 0, usize::MAX);
        assert_eq!(batch.bytes, b"\x81\x01a\x81\x02bc\x81\x03def"[..]);
        assert_eq!((batch.after, batch.last()), (0, 3));
        assert_eq!([0, 1, 2, 3, 4].map(|number| batch.offset(number)), [0, 3, 7, 12, 12]);
        let reached = [0, 1, 2, 3, 4, 7, 8, 12].map(|offset| batch.reached(offset));
        assert_eq!(reached, [(0, 0), (1, 3), (1, 3), (1, 3), (2, 7), (2, 7), (3, 12), (3, 12)]);

        let batch = read(&room, 1, 6);
        assert_eq!((&batch.bytes[..], batch.after, batch.last()), (&b"\x81\x02bc"[..], 1, 2));
        let batch = read(&room, 2, 0);
        assert_eq!((&batch.bytes[..], batch.after, batch.last()), (&b"\x81\x03def"[..], 2, 3));
        for after in [3, 4] {
            let batch = read(&room, after, usize::MAX);
            assert_eq!((batch.bytes.len(), batch.after, batch.last()), (0, 3, 3));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_last_one_is_kept_in_any_case() {
        let both = 2 * PUBLICATION_LEN + 2;
        let poll = mio::Poll::new().unwrap();
        let mailbox = mailbox(&poll);
        for (max_len, after) in [(both, 0), (both - 1, 1), (0, 1)] {
            let room = Room::with_max_kept_len(max_len);
            room.feed().add_loop(&mailbox);
            ["a", "b"].iter().for_each(|text| room.publish(*text));
            assert_eq!(read(&room, 0, usize::MAX).after, after);
            let count = 2 - usize::try_from(after).unwrap();
            assert_eq!(kept(&room), (count, count * (1 + PUBLICATION_LEN)));
        }
    }

    #[test]
    fn what_all_have_had_is_kept_no_longer() {
        let polls = [mio::Poll::new().unwrap(), mio::Poll::new().unwrap()];
        let [one, other] = [mailbox(&polls[0]), mailbox(&polls[1])];
        let room = Room::new();
        room.publish("nobody is in there");
        let feed = room.feed();
        assert_eq!((feed.add_loop(&one), feed.add_loop(&other)), (1, 1));
        room.publish("a");
        room.publish("b");
        let cost = PUBLICATION_LEN + 1;
        feed.note_done(&one, 3);
        assert_eq!(kept(&room), (2, 2 * cost));
        feed.note_done(&other, 2);
        assert_eq!(kept(&room), (1, cost));
        feed.remove_loop(&other);
        assert_eq!(kept(&room), (0, 0));
        let mut commands = Vec::new();
        one.take(&mut commands);
        assert!(matches!(commands[..], [Command::News(_)]), "told once until it has looked");
    }
}
