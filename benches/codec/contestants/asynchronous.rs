//! What the rivals have in common: the wire as tokio knows one, and a way to run futures that
//! never wait.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Running;
use crate::wire::{Setup, Wire};

/// The wire is always ready, and so is what is built on it.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waits, though the wire is ready"),
    }
}

impl AsyncRead for Wire {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // As a socket does: without zeroing what is about to be overwritten.
        into.put_slice(self.get_mut().read_up_to(into.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().give(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.get_mut().give_all(pieces.iter().map(|piece| &**piece))))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What there is to send, in the form that a rival wants it.
pub struct Messages<M> {
    messages: Vec<M>,
    next: usize,
}

impl<M> Messages<M> {
    pub fn new(setup: &Setup, make: impl FnMut(Bytes) -> M) -> Self {
        Self { messages: setup.workload.messages.iter().cloned().map(make).collect(), next: 0 }
    }

    #[inline]
    pub fn next(&mut self) -> &mut M {
        let index = self.next;
        self.next = crate::workload::next_index(index, self.messages.len());
        &mut self.messages[index]
    }
}

/// A rival that is a sink. Its messages are cheap to clone.
pub struct SinkSender<S, M> {
    pub sink: S,
    pub messages: Messages<M>,
}

impl<S: Sink<M, Error: Debug> + Unpin, M: Clone> Running for SinkSender<S, M> {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                self.sink.send(self.messages.next().clone()).await.unwrap();
            }
        });
    }
}
