//! A handler that keeps the books of its connections, and threads that send to them from outside.
//!
//! Everybody numbers what he sends: clients their talk, each pusher the mail to each client, and its news to all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use talkback::http::Request;
use talkback::protocol::{MessageRef, SendError};
use talkback::server::{Closed, Connection, Handler, Peer, Room};
use talkback::{CloseCode, CloseFrame};

use crate::net::*;

/// How many threads send from outside.
pub(crate) const PUSHER_COUNT: usize = 2;

/// What binary messages begin with: an echo, what was sent to one, what was published.
pub(crate) const TALK: u8 = 0;
pub(crate) const MAIL: u8 = 1;
pub(crate) const NEWS: u8 = 2;

/// The code that pushers close with.
pub(crate) const KICKED: u16 = 4000;

/// How long pieces of mail are of which there are many, to one who doesn't read.
const FLOOD_LEN: usize = 64 * 1024;
/// After so many were refused, he may read.
const MAX_REFUSED_COUNT: u64 = 3;

/// The bytes that end each payload.
pub(crate) static FILL: [u8; FLOOD_LEN] = [7; FLOOD_LEN];

/// A payload: what it is, three numbers, and the rest.
pub(crate) fn payload(kind: u8, pusher: usize, n: u32, number: u32, len: usize) -> Vec<u8> {
    let pusher = u8::try_from(pusher).unwrap();
    let mut bytes = Vec::with_capacity(len + 10);
    bytes.extend([kind, pusher]);
    bytes.extend(n.to_be_bytes());
    bytes.extend(number.to_be_bytes());
    bytes.extend(&FILL[..len]);
    bytes
}

/// What the handler knows of a connection that has ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) closed: Closed,
    /// All messages that came.
    pub(crate) came: u32,
    pub(crate) talked: u32,
    pub(crate) answered: u32,
    /// How much mail was taken for it, by pusher, and how much was refused.
    pub(crate) mailed: [u32; PUSHER_COUNT],
    pub(crate) refused: u64,
    /// How much news there was before it began, and before it ended.
    pub(crate) before: [u32; PUSHER_COUNT],
    pub(crate) published: [u32; PUSHER_COUNT],
}

/// One whom a pusher may send to.
struct Addressee {
    number: u32,
    peer: Peer,
    mailed: u32,
    refused: u64,
    /// Whether he doesn't read before mail was refused.
    slow: bool,
}

#[derive(Default)]
struct Pusher {
    addressees: Vec<Addressee>,
    published: u32,
}

/// The handler, and what all its clones, the pushers and the clients share. What has ended is in there until its
/// client has compared it: the books don't grow with time.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Shared>);

#[derive(Default)]
struct Shared {
    room: Room,
    pushers: [Mutex<Pusher>; PUSHER_COUNT],
    ends: Mutex<HashMap<u32, End>>,
    kick_count: AtomicU64,
    /// Numbers that came twice, or in a wrong order.
    fault_count: AtomicU64,
    over: AtomicBool,
}

impl Books {
    /// How the connection ended, once it has.
    pub(crate) fn take_end(&self, number: u32) -> Option<End> {
        self.0.ends.lock().unwrap().remove(&number)
    }

    /// Whether mail was refused, or will not be any more.
    pub(crate) fn was_full(&self, number: u32) -> bool {
        self.0.pushers.iter().all(|pusher| {
            let pusher = pusher.lock().unwrap();
            let found = pusher.addressees.iter().find(|other| other.number == number);
            found.is_none_or(|found| found.refused >= MAX_REFUSED_COUNT || found.peer.is_closed())
        })
    }

    /// At the end: nothing is left over, nothing was wrong. How many were closed by pushers.
    #[track_caller]
    pub(crate) fn close(&self) -> u64 {
        assert_eq!(self.0.ends.lock().unwrap().len(), 0, "there are ends that nobody knows of");
        assert!(self.0.pushers.iter().all(|pusher| pusher.lock().unwrap().addressees.is_empty()));
        assert_eq!(self.0.fault_count.load(Ordering::Relaxed), 0);
        self.0.kick_count.load(Ordering::Relaxed)
    }

    /// Sends mail and news until [`end_pushing`](Self::end_pushing), with a pause behind each.
    pub(crate) fn push(&self, index: usize, pause: Duration) {
        let mut random = Random(0xfeed + index as u64);
        while !self.0.over.load(Ordering::Relaxed) {
            let mut pusher = self.0.pushers[index].lock().unwrap();
            let len = random.below(2000);
            if random.below(10) == 0 {
                self.0.room.publish(&payload(NEWS, index, pusher.published, 0, len));
                pusher.published += 1;
            } else if !pusher.addressees.is_empty() {
                let one = random.below(pusher.addressees.len());
                let one = &mut pusher.addressees[one];
                one.mail(index, len);
                if random.below(100) == 0 {
                    let kicked = CloseCode::new(KICKED).unwrap();
                    one.peer.close(CloseFrame::new(kicked, "enough"));
                    self.0.kick_count.fetch_add(1, Ordering::Relaxed);
                }
            }
            for one in &mut pusher.addressees {
                if one.slow && one.refused < MAX_REFUSED_COUNT {
                    one.mail(index, FLOOD_LEN);
                }
            }
            drop(pusher);
            thread::sleep(pause);
        }
    }

    pub(crate) fn end_pushing(&self) {
        self.0.over.store(true, Ordering::Relaxed);
    }

    fn published(&self) -> [u32; PUSHER_COUNT] {
        std::array::from_fn(|index| self.0.pushers[index].lock().unwrap().published)
    }

    /// Gets no more mail: how much there was, by pusher, and how much was refused.
    fn cross_out(&self, number: u32) -> Option<([u32; PUSHER_COUNT], u64)> {
        let mut refused = 0;
        let mut mailed = [0; PUSHER_COUNT];
        for (pusher, mailed) in self.0.pushers.iter().zip(&mut mailed) {
            let addressees = &mut pusher.lock().unwrap().addressees;
            let place = addressees.iter().position(|one| one.number == number)?;
            let one = addressees.swap_remove(place);
            *mailed = one.mailed;
            refused += one.refused;
        }
        Some((mailed, refused))
    }

    fn note_fault(&self) {
        self.0.fault_count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Addressee {
    fn mail(&mut self, pusher: usize, len: usize) {
        match self.peer.send(payload(MAIL, pusher, self.mailed, self.number, len)) {
            Ok(()) => self.mailed += 1,
            Err(SendError::Full { .. }) => self.refused += 1,
            Err(_) => {}
        }
    }
}

/// What the handler keeps of an open connection.
pub(crate) struct Visit {
    number: u32,
    came: u32,
    talked: u32,
    answered: u32,
    drained: u32,
    before: [u32; PUSHER_COUNT],
    /// How much mail there was when it wanted no more.
    mailed: Option<([u32; PUSHER_COUNT], u64)>,
}

impl Visit {
    fn answer_talk(&mut self, connection: &mut Connection<'_>, talk: &[u8]) -> bool {
        let n = talk.get(2..6).map(|n| u32::from_be_bytes(n.try_into().unwrap()));
        let right = talk[0] == TALK && n == Some(self.talked);
        self.talked += 1;
        // Who doesn't read isn't read either: answers always have room.
        match connection.send(talk) {
            Ok(()) => self.answered += 1,
            Err(SendError::Closing) => {}
            Err(_) => return false,
        }
        right
    }
}

impl Handler for Books {
    type State = Visit;

    fn on_open(&mut self, connection: &mut Connection<'_>, request: &Request) -> Visit {
        let (number, slow) = request.query().unwrap().split_once('&').unwrap();
        let (number, slow) = (number.parse().unwrap(), slow == "slow");
        let peer = connection.peer();
        // No news comes between what is counted as before and what is heard.
        let mut pushers: Vec<_> = self.0.pushers.iter().map(|pusher| pusher.lock().unwrap()).collect();
        connection.join(&self.0.room);
        for pusher in &mut pushers {
            let peer = peer.clone();
            pusher.addressees.push(Addressee { number, peer, mailed: 0, refused: 0, slow });
        }
        let before = std::array::from_fn(|index| pushers[index].published);
        drop(pushers);
        connection.send(&*words("hello", &before)).unwrap();
        Visit { number, came: 0, talked: 0, answered: 0, drained: 0, before, mailed: None }
    }

    fn on_message(&mut self, visit: &mut Visit, connection: &mut Connection<'_>, message: MessageRef<'_>) {
        visit.came += 1;
        let right = match message {
            MessageRef::Text("bye") => {
                connection.close(None).unwrap_or_default(); // or a pusher has closed it already
                true
            }
            MessageRef::Text("settle") => {
                visit.mailed = self.cross_out(visit.number);
                let (mailed, _) = visit.mailed.unwrap();
                let [published, drained] = [self.published(), [visit.drained; PUSHER_COUNT]];
                let settled = words("settled", &[mailed, published, drained].concat());
                matches!(connection.send(&*settled), Ok(()) | Err(SendError::Closing))
            }
            MessageRef::Binary(talk) => visit.answer_talk(connection, talk),
            MessageRef::Text(_) => false,
        };
        if !right {
            self.note_fault();
        }
    }

    fn on_drained(&mut self, visit: &mut Visit, _: &mut Connection<'_>) {
        visit.drained += 1;
    }

    fn on_close(&mut self, visit: Visit, closed: &Closed) {
        let Visit { number, came, talked, answered, before, mailed, .. } = visit;
        let (mailed, refused) = mailed.or_else(|| self.cross_out(number)).unwrap();
        let (closed, published) = (closed.clone(), self.published());
        let end = End { closed, came, talked, answered, mailed, refused, before, published };
        if self.0.ends.lock().unwrap().insert(number, end).is_some() {
            self.note_fault();
        }
    }
}

fn words(word: &str, numbers: &[u32]) -> String {
    numbers.iter().fold(word.to_owned(), |words, number| format!("{words} {number}"))
}
