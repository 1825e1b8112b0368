//! The way from a receiver to its stream and to its sending half, whether those are its
//! own or shared with other threads.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::stream::never_zero;
use super::{Error, Stream, Wait};
use crate::protocol::{MessageRef, Outbound};

/// How many pieces one write takes at most.
const MAX_SLICE_COUNT: usize = 16;

pub(super) trait Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;
    /// Lets the sending half do something; it may be another thread's, too.
    fn with_outbound(&mut self, act: &mut dyn FnMut(&mut Outbound));
    /// Writes what is queued, unless another thread is at it and will.
    fn flush(&mut self) -> Result<(), Error>;
    /// Writes what is queued before the connection ends, after another thread's write.
    fn flush_last(&mut self) -> Result<(), Error>;
    fn shutdown(&mut self, how: Shutdown);
    /// The longest that a read may wait, so that what other threads did is noticed.
    fn max_wait(&self) -> Option<Duration>;
    /// When our close was sent, if it was.
    fn close_sent_at(&mut self) -> Option<Instant>;
    /// Why another thread has ended the connection, if one did.
    fn failure(&mut self) -> Option<Error>;
}

/// Writes some of `slices`, at least a byte. A write that takes nothing for as long as
/// `timeout` is an error; one that takes nothing at once is `WouldBlock`.
pub(super) fn write_some<'a>(
    stream: &mut impl Write,
    slices: impl Iterator<Item = &'a [u8]>,
    timeout: Option<Duration>,
) -> Result<usize, Error> {
    let mut pieces = [IoSlice::new(&[]); MAX_SLICE_COUNT];
    let mut count = 0;
    for (piece, slice) in pieces.iter_mut().zip(slices) {
        *piece = IoSlice::new(slice);
        count += 1;
    }
    let pieces = pieces.get(..count).unwrap_or_default();
    let start = Instant::now();
    loop {
        match stream.write_vectored(pieces) {
            Ok(0) => return Err(Error::Disconnected),
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_wait(&error) => {
                // The kernel's clock ticks coarser than ours.
                let waited = start.elapsed() + Duration::from_millis(10);
                return Err(match timeout {
                    Some(timeout) if waited >= timeout => Error::Timeout(Wait::Write),
                    _ => Error::Io(ErrorKind::WouldBlock.into()),
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has a stream that buffers pass on what was written.
pub(super) fn flush_stream(stream: &mut impl Write) -> io::Result<()> {
    loop {
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_wait(&error) => return Err(ErrorKind::WouldBlock.into()),
            result => return result,
        }
    }
}

/// Whether a read or write was cut short by its timeout, or would have blocked.
pub(super) fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A stream and a sending half of one's own.
#[derive(Debug)]
pub(super) struct Direct<S> {
    pub(super) stream: S,
    pub(super) outbound: Outbound,
    pub(super) write_timeout: Option<Duration>,
    /// Whether the stream was told of the write timeout.
    pub(super) timed: bool,
    /// Whether the stream may hold back what was written.
    pub(super) unflushed: bool,
    pub(super) close_sent_at: Option<Instant>,
}

impl<S: Stream> Direct<S> {
    /// Tells the stream of the write timeout, once.
    fn time_writes(&mut self) -> Result<(), Error> {
        if !self.timed {
            self.stream.set_write_timeout(never_zero(self.write_timeout))?;
            self.timed = true;
        }
        Ok(())
    }

    fn flush_stream(&mut self) -> Result<(), Error> {
        flush_stream(&mut self.stream)?;
        self.unflushed = false;
        Ok(())
    }

    /// Sends a message behind what is queued; where the stream would block, the rest waits.
    pub(super) fn send(&mut self, message: MessageRef<'_>) -> Result<(), Error> {
        self.time_writes()?;
        self.unflushed = true;
        let Self { stream, outbound, write_timeout, .. } = self;
        match outbound.send_with(message, |pieces| write_some(stream, pieces.iter().copied(), *write_timeout))
        {
            // The rest is queued.
            Err(error) if error.is_retryable() => return Ok(()),
            result => result?,
        }
        match self.flush_stream() {
            // It is taken, and not to be sent again.
            Err(error) if error.is_retryable() => Ok(()),
            result => result,
        }
    }
}

impl<S: Stream> Link for Direct<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn with_outbound(&mut self, act: &mut dyn FnMut(&mut Outbound)) {
        act(&mut self.outbound);
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.outbound.is_empty() && !self.unflushed {
            return Ok(());
        }
        self.time_writes()?;
        self.unflushed = true;
        while !self.outbound.is_empty() {
            let len = write_some(&mut self.stream, self.outbound.output(), self.write_timeout)?;
            self.outbound.sent(len);
        }
        self.flush_stream()
    }

    fn flush_last(&mut self) -> Result<(), Error> {
        self.flush()
    }

    fn shutdown(&mut self, how: Shutdown) {
        // The peer may have ended it before.
        self.stream.shutdown(how).unwrap_or_default();
    }

    fn max_wait(&self) -> Option<Duration> {
        None
    }

    fn close_sent_at(&mut self) -> Option<Instant> {
        self.close_sent_at
    }

    fn failure(&mut self) -> Option<Error> {
        None
    }
}
