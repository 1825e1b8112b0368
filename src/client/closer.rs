//! Ending an event source from another thread.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Closes an [`EventSource`](super::EventSource), from any thread. Cloning it is cheap.
///
/// WHATWG HTML §9.2.2
///
/// ```no_run
/// use talkback::client::EventSource;
///
/// let mut source = EventSource::connect("http://localhost:8080/events")?;
/// let closer = source.closer();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(60));
///     closer.close();
/// });
/// while let Some(event) = source.recv()? {
///     println!("{}", event.data);
/// }
/// # Ok::<(), talkback::client::EventSourceError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Closer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    closed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    /// Another handle of the stream that is read; none once it is closed.
    stream: Option<TcpStream>,
}

impl Closer {
    /// Ends the event source: a `recv` that waits for the server, or to connect again, returns `None`, and
    /// so does each later one. One that is connecting TCP does so first, for
    /// [`Subscribe::connect_timeout`](super::Subscribe::connect_timeout) at most. Doesn't block.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        if let Some(stream) = state.stream.take() {
            end(&stream);
        }
        drop(state);
        self.0.closed.notify_all();
    }

    /// Whether the event source has ended: it was closed or dropped, the server said so, or it failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Has `close` end this stream, in place of the one before.
    pub(super) fn watch(&self, stream: &TcpStream) -> io::Result<()> {
        let stream = stream.try_clone()?;
        let mut state = self.lock();
        if state.is_closed {
            end(&stream);
        } else {
            state.stream = Some(stream);
        }
        Ok(())
    }

    /// Lets go of the stream: it would stay open.
    pub(super) fn unwatch(&self) {
        self.lock().stream = None;
    }

    /// Waits for so long, or until it is closed.
    pub(super) fn wait(&self, time: Duration) {
        let waited = self.0.closed.wait_timeout_while(self.lock(), time, |state| !state.is_closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A thread that panicked while it held the lock left nothing half done in there.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes whoever reads it. That it has ended already is as well.
fn end(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap_or_default();
}
