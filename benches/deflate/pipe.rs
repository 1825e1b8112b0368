//! A connection in memory: frames of the cycle in, replies out. No call to the system, no
//! waiting; a read when nothing is due says so once, as a socket does.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::peer::Cycle;

#[derive(Clone)]
pub struct Pipe(Rc<RefCell<Ends>>);

struct Ends {
    cycle: Rc<Cycle>,
    next: usize,
    /// How much of the frame that is due was read; `None`: none is due.
    read: Option<usize>,
    reply: Vec<u8>,
}

impl Pipe {
    pub fn new(cycle: &Rc<Cycle>) -> Self {
        Self(Rc::new(RefCell::new(Ends { cycle: cycle.clone(), next: 0, read: None, reply: Vec::new() })))
    }

    /// Makes the next frame due.
    pub fn arm(&self) {
        let mut ends = self.0.borrow_mut();
        ends.read = Some(0);
        ends.reply.clear();
    }

    /// Goes on to the frame after this one.
    pub fn advance(&self) {
        let mut ends = self.0.borrow_mut();
        ends.next = (ends.next + 1) % ends.cycle.frames.len();
    }

    pub fn reply_len(&self) -> usize {
        self.0.borrow().reply.len()
    }

    pub fn with_reply<T>(&self, look: impl FnOnce(&mut Vec<u8>, &str) -> T) -> T {
        let Ends { cycle, next, reply, .. } = &mut *self.0.borrow_mut();
        look(reply, &cycle.texts[*next])
    }

    pub fn with_payload<T>(&self, look: impl FnOnce(&[u8], &mut Vec<u8>) -> T) -> T {
        let Ends { cycle, next, reply, .. } = &mut *self.0.borrow_mut();
        look(&cycle.payloads[*next], reply)
    }

    /// `None`: nothing is due.
    pub fn read(&self, into: &mut [u8]) -> Option<usize> {
        let mut ends = self.0.borrow_mut();
        let start = ends.read?;
        let rest = &ends.cycle.frames[ends.next][start..];
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        ends.read = (len < rest.len()).then_some(start + len);
        Some(len)
    }

    pub fn write(&self, bytes: &[u8]) {
        self.0.borrow_mut().reply.extend_from_slice(bytes);
    }

    /// Bytes that the pipe itself holds, which are not the server's.
    pub fn capacity(&self) -> usize {
        self.0.borrow().reply.capacity()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.read(into.initialize_unfilled()) {
            Some(len) => into.advance(len),
            None => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pieces.iter().for_each(|piece| self.write(piece));
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
