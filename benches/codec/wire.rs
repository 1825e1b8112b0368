//! A wire in memory, and what stands at its ends: where frames come from, where they go, and
//! the application that messages are delivered to.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;

use crate::workload::{Direction, Row, Workload};

/// What a contestant is given.
#[derive(Clone)]
pub struct Setup {
    pub workload: Rc<Workload>,
    pub wire: Wire,
    pub inbox: Inbox,
}

impl Setup {
    /// `pad`: how far into its allocation the source begins. Addresses matter.
    pub fn new(row: Row, pad: usize) -> Self {
        let workload = Rc::new(Workload::new(row));
        let mut source = vec![0; pad];
        if row.direction == Direction::Receive {
            source.extend_from_slice(&workload.frames);
        }
        let wire = Wire {
            source: source.into(),
            start: pad,
            at: pad,
            sink: vec![0; workload.frames.len()].into(),
            watch: Rc::default(),
        };
        let inbox = Inbox { workload: workload.clone(), watch: Rc::default() };
        Self { workload, wire, inbox }
    }
}

/// A connection that is always ready. Reads give the cycle of frames over and over, cut at its
/// end; writes are copied away, as a kernel does.
pub struct Wire {
    source: Rc<[u8]>,
    start: usize,
    at: usize,
    sink: Box<[u8]>,
    watch: Rc<Watch>,
}

/// What the wire has seen.
#[derive(Default)]
pub struct Watch {
    pub call_count: Cell<u64>,
    /// Whether all that is written is kept.
    pub capturing: Cell<bool>,
    pub captured: RefCell<Vec<u8>>,
}

impl Clone for Wire {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            start: self.start,
            at: self.at,
            sink: self.sink.clone(),
            watch: self.watch.clone(),
        }
    }
}

impl Wire {
    pub fn watch(&self) -> Rc<Watch> {
        self.watch.clone()
    }

    fn count(&self) {
        self.watch.call_count.set(self.watch.call_count.get() + 1);
    }

    #[inline]
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let bytes = self.read_up_to(into.len());
        into[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    /// What a read of at most so many bytes gives, yet to be copied.
    #[inline]
    pub fn read_up_to(&mut self, len: usize) -> &[u8] {
        self.count();
        if self.at == self.source.len() {
            self.at = self.start;
        }
        let start = self.at;
        self.at += len.min(self.source.len() - start);
        &self.source[start..self.at]
    }

    #[inline(always)]
    pub fn give(&mut self, bytes: &[u8]) {
        self.count();
        self.copy(0, bytes);
    }

    #[inline(always)]
    pub fn give_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> usize {
        self.count();
        let mut len = 0;
        for piece in pieces {
            self.copy(len, piece);
            len += piece.len();
        }
        len
    }

    #[inline(always)]
    fn copy(&mut self, at: usize, bytes: &[u8]) {
        self.sink[at..at + bytes.len()].copy_from_slice(bytes);
        black_box(&mut self.sink);
        if self.watch.capturing.get() {
            self.capture(bytes);
        }
    }

    #[cold]
    fn capture(&self, bytes: &[u8]) {
        self.watch.captured.borrow_mut().extend_from_slice(bytes);
    }
}

impl Read for Wire {
    #[inline]
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.take(into))
    }
}

impl Write for Wire {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.give(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.give_all(pieces.iter().map(|piece| &**piece)))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The application: it is shown each message that was received.
#[derive(Clone)]
pub struct Inbox {
    workload: Rc<Workload>,
    pub watch: Rc<InboxWatch>,
}

#[derive(Default)]
pub struct InboxWatch {
    /// Whether messages are compared with those sent.
    pub verifying: Cell<bool>,
    pub verified_count: Cell<usize>,
}

impl Inbox {
    #[inline]
    pub fn deliver(&self, payload: &[u8]) {
        if self.watch.verifying.get() {
            self.verify(payload);
        }
        black_box(payload);
    }

    #[cold]
    fn verify(&self, payload: &[u8]) {
        let count = self.watch.verified_count.get();
        let messages = &self.workload.messages;
        assert!(payload == messages[count % messages.len()], "message {count} came wrong");
        self.watch.verified_count.set(count + 1);
    }
}
