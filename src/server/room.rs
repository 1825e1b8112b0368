//! Rooms: a message to many connections, in any loop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::peer::{Command, Mailbox, lock};
use crate::handshake::DeflateParameters;
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
pub struct Room(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    number: u64,
    max_kept_len: usize,
    log: Mutex<Log>,
}

/// What not all members have been sent yet. The mailboxes' locks are taken while this one is held, never the
/// other way round.
#[derive(Debug, Default)]
struct Log {
    kept: VecDeque<Prepared>,
    kept_len: usize,
    /// How many publications there were: the number of the last one.
    last: u64,
    loops: Vec<Reader>,
}

/// A loop that has members.
#[derive(Debug)]
struct Reader {
    mailbox: Arc<Mailbox>,
    /// Whether it knows that there is news.
    told: bool,
    /// Up to which publication none of its members needs any.
    done: u64,
}

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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inside { number, max_kept_len, log: Mutex::default() }))
    }

    /// Sends a message to all members. Costs one allocation and one copy, however many they are;
    /// never blocks.
    pub fn publish<'m>(&self, message: impl Into<MessageRef<'m>>) {
        self.publish_prepared(&Prepared::new(message));
    }

    /// Sends a message that was framed, and perhaps compressed, before.
    pub fn publish_prepared(&self, prepared: &Prepared) {
        let log = &mut *lock(&self.0.log);
        if log.loops.is_empty() {
            return log.last += 1; // nobody will ask for it
        }
        log.push(prepared.clone(), self.0.max_kept_len);
        for reader in &mut log.loops {
            if !std::mem::replace(&mut reader.told, true) {
                reader.mailbox.post(Command::News(self.clone()));
            }
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// Has a loop told of what is published from now on; the number of the last publication before.
    pub(super) fn add_loop(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let log = &mut *lock(&self.0.log);
        if log.reader(mailbox).is_none() {
            log.loops.push(Reader { mailbox: Arc::clone(mailbox), told: false, done: log.last });
        }
        log.last
    }

    /// No member is left in a loop.
    pub(super) fn remove_loop(&self, mailbox: &Arc<Mailbox>) {
        let log = &mut *lock(&self.0.log);
        log.loops.retain(|reader| !Arc::ptr_eq(&reader.mailbox, mailbox));
        log.forget();
    }

    /// What was published behind `after`, in the form that was agreed on, for a loop that is told of the next
    /// one again.
    pub(super) fn news(
        &self,
        mailbox: &Arc<Mailbox>,
        after: u64,
        agreed: Option<&DeflateParameters>,
    ) -> Batch {
        let log = &mut *lock(&self.0.log);
        if let Some(reader) = log.reader(mailbox) {
            reader.told = false;
        }
        log.batch(after, agreed, usize::MAX)
    }

    /// What is kept behind `after`, of about `max_len` bytes at most, in the form that was agreed on.
    pub(super) fn read(&self, after: u64, agreed: Option<&DeflateParameters>, max_len: usize) -> Batch {
        lock(&self.0.log).batch(after, agreed, max_len)
    }

    /// All members in a loop have had all up to `done`.
    pub(super) fn note_done(&self, mailbox: &Arc<Mailbox>, done: u64) {
        let log = &mut *lock(&self.0.log);
        if let Some(reader) = log.reader(mailbox) {
            reader.done = done;
        }
        log.forget();
    }
}

impl Log {
    fn reader(&mut self, mailbox: &Arc<Mailbox>) -> Option<&mut Reader> {
        self.loops.iter_mut().find(|reader| Arc::ptr_eq(&reader.mailbox, mailbox))
    }

    /// The number of the publication before the first that is kept.
    fn before_kept(&self) -> u64 {
        self.last.saturating_sub(u64::try_from(self.kept.len()).unwrap_or(u64::MAX))
    }

    fn push(&mut self, prepared: Prepared, max_len: usize) {
        self.kept_len += cost(&prepared);
        self.kept.push_back(prepared);
        self.last += 1;
        while self.kept_len > max_len && self.kept.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.kept_len -= self.kept.pop_front().as_ref().map_or(0, cost);
    }

    /// Keeps no longer what all have had.
    fn forget(&mut self) {
        let done = self.loops.iter().map(|reader| reader.done).min().unwrap_or(self.last);
        while !self.kept.is_empty() && self.before_kept() < done {
            self.pop();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    fn batch(&self, after: u64, agreed: Option<&DeflateParameters>, max_len: usize) -> Batch {
        let oldest = self.before_kept();
        let after = after.clamp(oldest, self.last);
        let skipped = usize::try_from(after - oldest).unwrap_or(usize::MAX);
        let mut frames = self.kept.iter().skip(skipped).map(|prepared| prepared.frame_for(agreed));
        let (Some(first), second) = (frames.next(), frames.next()) else {
            return Batch { after, oldest, ..Batch::default() };
        };
        let Some(second) = second else {
            return Batch { after, oldest, bytes: first.clone(), ends: vec![first.len()] };
        };
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in [first, second].into_iter().chain(frames) {
            if !bytes.is_empty() && bytes.len() + frame.len() > max_len {
                break;
            }
            bytes.extend_from_slice(frame);
            ends.push(bytes.len());
        }
        Batch { after, oldest, bytes: bytes.into(), ends }
    }
}

fn cost(prepared: &Prepared) -> usize {
    prepared.payload().len() + PUBLICATION_LEN
}

/// Publications that follow each other, framed, to be written to many.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The number of the publication before the first.
    pub(super) after: u64,
    /// The number of the publication before the first that was kept then.
    pub(super) oldest: u64,
    pub(super) bytes: Bytes,
    /// Where each frame ends.
    ends: Vec<usize>,
}

impl Batch {
    /// The number of the last publication.
    pub(super) fn last(&self) -> u64 {
        self.number(self.ends.len())
    }

    /// Where the bytes begin that follow a publication. All of it must be in here, or before.
    pub(super) fn offset(&self, publication: u64) -> usize {
        let count = usize::try_from(publication.saturating_sub(self.after)).unwrap_or(usize::MAX);
        let ends = self.ends.get(..count).unwrap_or(&self.ends);
        ends.last().copied().unwrap_or_default()
    }

    /// Of a writer that got to `offset`: the publication that it is in, or behind, and where that ends.
    pub(super) fn reached(&self, offset: usize) -> (u64, usize) {
        let whole = self.ends.partition_point(|end| *end <= offset);
        let begun = whole.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        match self.ends.get(whole) {
            Some(end) if begun < offset => (self.number(whole + 1), *end),
            _ => (self.number(whole), offset),
        }
    }

    fn number(&self, count: usize) -> u64 {
        self.after.saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(texts: &[&str], max_len: usize) -> Log {
        let mut log = Log::default();
        texts.iter().for_each(|text| log.push(Prepared::new(*text), max_len));
        log
    }

    #[test]
    fn a_batch_holds_whole_frames_and_knows_where_they_end() {
        let log = log(&["a", "bc", "def"], usize::MAX);
        let batch = log.batch(0, None, usize::MAX);
        assert_eq!(batch.bytes, b"\x81\x01a\x81\x02bc\x81\x03def"[..]);
        assert_eq!((batch.after, batch.last()), (0, 3));
        assert_eq!([0, 1, 2, 3, 4].map(|number| batch.offset(number)), [0, 3, 7, 12, 12]);
        let reached = [0, 1, 2, 3, 4, 7, 8, 12].map(|offset| batch.reached(offset));
        assert_eq!(reached, [(0, 0), (1, 3), (1, 3), (1, 3), (2, 7), (2, 7), (3, 12), (3, 12)]);

        let batch = log.batch(1, None, 6);
        assert_eq!((&batch.bytes[..], batch.after, batch.last()), (&b"\x81\x02bc"[..], 1, 2));
        let batch = log.batch(2, None, 0);
        assert_eq!((&batch.bytes[..], batch.after, batch.last()), (&b"\x81\x03def"[..], 2, 3));
        for after in [3, 4] {
            let batch = log.batch(after, None, usize::MAX);
            assert_eq!((batch.bytes.len(), batch.after, batch.last()), (0, 3, 3));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_last_one_is_kept_in_any_case() {
        let both = 2 * PUBLICATION_LEN + 2;
        assert_eq!(log(&["a", "b"], both).batch(0, None, usize::MAX).after, 0);
        assert_eq!(log(&["a", "b"], both - 1).batch(0, None, usize::MAX).after, 1);
        let log = log(&["a", "b"], 0);
        assert_eq!((log.kept.len(), log.kept_len, log.last), (1, 1 + PUBLICATION_LEN, 2));
    }

    #[test]
    fn what_all_have_had_is_kept_no_longer() {
        let mailbox = |poll: &mio::Poll| Arc::new(Mailbox::new(poll.registry(), mio::Token(0)).unwrap());
        let polls = [mio::Poll::new().unwrap(), mio::Poll::new().unwrap()];
        let [one, other] = [mailbox(&polls[0]), mailbox(&polls[1])];
        let room = Room::new();
        room.publish("nobody is in there");
        assert_eq!((room.add_loop(&one), room.add_loop(&other)), (1, 1));
        room.publish("a");
        room.publish("b");
        let kept = |room: &Room| {
            let log = lock(&room.0.log);
            (log.kept.len(), log.kept_len)
        };
        let cost = PUBLICATION_LEN + 1;
        room.note_done(&one, 3);
        assert_eq!(kept(&room), (2, 2 * cost));
        room.note_done(&other, 2);
        assert_eq!(kept(&room), (1, cost));
        room.remove_loop(&other);
        assert_eq!(kept(&room), (0, 0));
        let mut commands = Vec::new();
        one.take(&mut commands);
        assert!(matches!(commands[..], [Command::News(_)]), "told once until it has looked");
    }
}
