//! Sockets on their way from the system to a loop.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};

use super::entry::Entry;
use super::event_loop::{EventLoop, as_usize};
use super::peer::Command;
use super::{Handler, trace};
use crate::http::RequestDecoder;

/// How many sockets are accepted in one turn.
const MAX_ACCEPT_COUNT: usize = 64;
/// How long to wait with the next socket when there is no place for it, or the system has run out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many sockets all loops together have, and may have.
#[derive(Debug)]
pub(super) struct Places {
    taken: AtomicUsize,
    max_count: usize,
}

impl Places {
    pub(super) const fn new(max_count: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max_count }
    }

    /// Takes one, if there is one: the loop that accepts does.
    fn take(&self) -> bool {
        let is_free = self.taken.load(Ordering::Relaxed) < self.max_count;
        if is_free {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
        is_free
    }

    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Handler> EventLoop<H> {
    pub(super) fn accept(&mut self, now: Instant) {
        for _ in 0..MAX_ACCEPT_COUNT {
            let Some(listener) = &self.listener else { return };
            if !self.places.take() {
                self.accept_again = Some(now + ACCEPT_PAUSE); // who comes waits for one to go
                return;
            }
            let accepted = listener.accept();
            if accepted.is_err() {
                self.places.give_back();
            }
            match accepted {
                Ok((stream, _)) => self.hand_over(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // It went away before it was taken.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                // Out of file descriptors, or of memory: some will end.
                Err(error) => {
                    trace::accept_paused(&error, ACCEPT_PAUSE);
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        self.accept_again = Some(now); // there may be more: after the others had their turn
    }

    /// Gives a socket to the loop whose turn it is.
    fn hand_over(&mut self, stream: TcpStream) {
        let to = self.mailboxes.get(self.next_mailbox);
        self.next_mailbox = (self.next_mailbox + 1) % self.mailboxes.len().max(1);
        match to {
            Some(mailbox) if !Arc::ptr_eq(mailbox, &self.means.hub.mailbox) => {
                mailbox.post(Command::Serve(stream.into()));
            }
            _ => self.serve(stream),
        }
    }

    pub(super) fn serve(&mut self, mut stream: TcpStream) {
        if self.drain.is_some() {
            return self.places.give_back(); // it was on its way from the loop that accepts
        }
        // It fails on a socket that is gone already: that shows soon.
        stream.set_nodelay(true).unwrap_or_default();
        let index = self.free.pop().or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).ok()
        });
        let Some(index) = index else { return self.places.give_back() };
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(as_usize(index)), interest).is_err() {
            self.free.push(index);
            return self.places.give_back();
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        let decoder = RequestDecoder::new(self.means.accept.head_limits);
        if let Some(place) = self.entries.get_mut(as_usize(index)) {
            *place = Some(Entry::new(stream, self.next_generation, decoder, self.means.now));
        }
        self.settle(index, Some(false));
    }
}
