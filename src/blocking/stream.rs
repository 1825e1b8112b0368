//! What a blocking connection runs over.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A byte stream whose waits can be bounded: a socket, or something above one.
///
/// Implemented for `TcpStream`, for `UnixStream`, and for anything else that is
/// `Read + Write` by [`Untimed`]. Implement it for a stream above a socket (TLS, a proxy)
/// by passing the calls on to the socket.
///
/// ```
/// use std::io::{self, IoSlice, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::time::Duration;
///
/// /// Counts what is read.
/// struct Counted(TcpStream, u64);
///
/// impl Read for Counted {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         let len = self.0.read(buffer)?;
///         self.1 += len as u64;
///         Ok(len)
///     }
/// }
/// # impl Write for Counted {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.0.write(bytes) }
/// #     fn flush(&mut self) -> io::Result<()> { self.0.flush() }
/// # }
/// // .. and Write likewise
/// impl talkback::blocking::Stream for Counted {
///     fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
///         self.0.set_read_timeout(timeout)
///     }
///     fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
///         self.0.set_write_timeout(timeout)
///     }
///     fn shutdown(&self, how: Shutdown) -> io::Result<()> {
///         self.0.shutdown(how)
///     }
///     fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
///         self.0.set_nodelay(nodelay)
///     }
/// }
/// ```
pub trait Stream: Read + Write {
    /// Bounds each later read: past `timeout` (never zero) it returns `WouldBlock` or
    /// `TimedOut`, with nothing lost. `None`: without bound.
    ///
    /// # Errors
    /// Those of the system.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Bounds each later write that makes no progress, likewise.
    ///
    /// # Errors
    /// Those of the system.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one direction, or both, for every handle of the stream.
    ///
    /// # Errors
    /// Those of the system.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Has small writes sent at once rather than gathered, where the stream knows the
    /// difference (`TCP_NODELAY`): without it, a second small message waits for the peer's
    /// acknowledgement of the first, some 40 ms. Does nothing unless implemented.
    ///
    /// # Errors
    /// Those of the system.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let _ = nodelay;
        Ok(())
    }
}

/// A timeout as a stream takes it: zero would be refused, or mean "for ever".
pub(crate) fn never_zero(timeout: Option<Duration>) -> Option<Duration> {
    timeout.map(|timeout| timeout.max(Duration::from_millis(1)))
}

/// Passes the three calls on to the socket's own.
macro_rules! impl_stream {
    ($socket:ty $(, $more:item)*) => {
        impl Stream for $socket {
            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(timeout)
            }

            fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(timeout)
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.shutdown(how)
            }

            $($more)*
        }
    };
}

impl_stream!(
    TcpStream,
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set_nodelay(nodelay)
    }
);
#[cfg(unix)]
impl_stream!(std::os::unix::net::UnixStream);

/// Anything that reads and writes, without deadlines: pipes, in-memory streams, foreign types.
///
/// What the stream waits for, the connection waits for: a silent peer holds it for ever.
/// Deadlines are looked at only when a call of the stream returns.
///
/// ```
/// use std::io::Cursor;
/// use talkback::blocking::{Untimed, WebSocket};
/// use talkback::protocol::{Config, Message, Role};
///
/// let recorded = Cursor::new(b"\x81\x05Hello\x88\x02\x03\xe8".to_vec());
/// let mut ws = WebSocket::from_stream(Untimed(recorded), Role::Client, Config::default());
/// assert_eq!(ws.recv()?, Some(Message::from("Hello")));
/// # Ok::<(), talkback::blocking::Error>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "a wrapper and nothing else")]
#[derive(Debug, Clone, Default)]
pub struct Untimed<T>(pub T);

impl<T: Read> Read for Untimed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<T: Write> Write for Untimed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Read + Write> Stream for Untimed<T> {
    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}
