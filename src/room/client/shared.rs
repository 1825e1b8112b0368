//! What the threads of a client share: the one that receives, the one that writes, and those that publish.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::QueueError;
use super::queue::{Queue, Waiting};
use crate::room::MessageId;

/// The longest state that is sent in the query, in bytes: many a server bounds heads of requests to 8 KiB. A
/// longer one is sent once there is a connection.
const MAX_QUERY_STATE_LEN: usize = 1024;

/// One lock, which nobody holds while waiting for the network.
#[derive(Debug)]
pub(super) struct Shared {
    facts: Mutex<Facts>,
    changed: Condvar,
}

#[derive(Debug)]
struct Facts {
    is_closed: bool,
    queue: Queue,
    answer_timeout: Option<Duration>,
    /// What the client says of itself.
    state: Option<Arc<str>>,
    is_state_unsent: bool,
    /// Which connection it is: those before were lost.
    connection: u64,
    /// Another handle of the stream whose handshake is under way.
    opening: Option<TcpStream>,
}

/// What a writer has to do next.
#[derive(Debug)]
pub(super) enum Task {
    Publish(Waiting),
    State(Arc<str>),
    /// To close the connection, as the client has ended.
    Close,
    /// To end the connection, as the server leaves a message without an answer.
    GiveUp,
}

impl Shared {
    pub(super) const fn new(queue: Queue, answer_timeout: Option<Duration>, state: Option<Arc<str>>) -> Self {
        let facts = Facts {
            is_closed: false,
            queue,
            answer_timeout,
            state,
            is_state_unsent: false,
            connection: 0,
            opening: None,
        };
        Self { facts: Mutex::new(facts), changed: Condvar::new() }
    }

    pub(super) fn publish(&self, data: &RawValue) -> Result<MessageId, QueueError> {
        let mut facts = self.lock();
        if facts.is_closed {
            return Err(QueueError::Closed);
        }
        let message = facts.queue.push(data)?;
        self.notify(facts);
        Ok(message)
    }

    pub(super) fn set_state(&self, state: &RawValue) {
        let mut facts = self.lock();
        facts.state = Some(state.get().into());
        facts.is_state_unsent = true;
        self.notify(facts);
    }

    /// The state to connect with: if it changes now, the writer sends the other one.
    pub(super) fn state_for_query(&self) -> Option<Arc<str>> {
        let mut facts = self.lock();
        let state = facts.state.clone().filter(|state| state.len() <= MAX_QUERY_STATE_LEN);
        facts.is_state_unsent = facts.state.is_some() && state.is_none();
        state
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.lock().queue.count()
    }

    /// Waits until nothing waits for an answer; whether that is so.
    pub(super) fn wait_until_settled(&self, timeout: Duration) -> bool {
        let waits = |facts: &mut Facts| facts.queue.count() > 0 && !facts.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.queue.count() == 0
    }

    /// The server has answered for a message. `None`: it was none of those that wait.
    pub(super) fn settle(&self, message: &str) -> Option<MessageId> {
        let mut facts = self.lock();
        let settled = facts.queue.settle(message);
        self.notify(facts);
        settled
    }

    /// Ends the client. A connection that is open is closed by its writer.
    pub(super) fn close(&self) {
        let mut facts = self.lock();
        facts.is_closed = true;
        if let Some(stream) = facts.opening.take() {
            end(&stream);
        }
        self.notify(facts);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits for so long, or until it is closed.
    pub(super) fn wait(&self, time: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |facts| !facts.is_closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A handshake is about to begin: closing is to end it.
    pub(super) fn opening(&self, stream: &TcpStream) -> io::Result<()> {
        let stream = stream.try_clone()?;
        let mut facts = self.lock();
        if facts.is_closed {
            end(&stream);
        } else {
            facts.opening = Some(stream);
        }
        Ok(())
    }

    /// The handshake is done; which connection it is. `None`: closed meanwhile.
    pub(super) fn opened(&self) -> Option<u64> {
        let mut facts = self.lock();
        facts.opening = None;
        (!facts.is_closed).then_some(facts.connection)
    }

    /// The connection is gone, or there was none. Its writer ends.
    pub(super) fn lost(&self) {
        let mut facts = self.lock();
        facts.opening = None;
        facts.connection = facts.connection.wrapping_add(1);
        facts.queue.rewind();
        self.notify(facts);
    }

    /// Waits until the writer of this connection has something to do. `None`: the connection was lost.
    pub(super) fn next_task(&self, connection: u64) -> Option<Task> {
        let mut facts = self.lock();
        loop {
            if facts.connection != connection {
                return None;
            }
            let left = facts.time_to_answer();
            if let Some(task) = facts.next_task(left) {
                return Some(task);
            }
            facts = match left {
                Some(left) => {
                    self.changed.wait_timeout(facts, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(facts).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Whether the server has left a message without an answer for too long.
    pub(super) fn is_overdue(&self) -> bool {
        self.lock().time_to_answer().is_some_and(|left| left.is_zero())
    }

    fn notify(&self, facts: MutexGuard<'_, Facts>) {
        drop(facts);
        self.changed.notify_all();
    }

    /// A thread that panicked while it held the lock left nothing half done in there.
    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    fn next_task(&mut self, time_to_answer: Option<Duration>) -> Option<Task> {
        if self.is_closed {
            return Some(Task::Close);
        }
        if time_to_answer.is_some_and(|left| left.is_zero()) {
            return Some(Task::GiveUp);
        }
        if std::mem::take(&mut self.is_state_unsent) {
            return self.state.clone().map(Task::State);
        }
        self.queue.next_unsent(Instant::now()).map(Task::Publish)
    }

    /// How long the server has left to answer for a message. `None`: it owes no answer, or may take as long as
    /// it likes.
    fn time_to_answer(&self) -> Option<Duration> {
        let since = self.queue.unanswered_since()?;
        self.answer_timeout.map(|timeout| timeout.saturating_sub(since.elapsed()))
    }
}

/// Wakes whoever reads it. That it has ended already is as well.
fn end(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap_or_default();
}
