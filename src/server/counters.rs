//! What a server has done and holds, in numbers.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a server has done since it began, and what it holds now: see
/// [`ServerHandle::snapshot`](super::ServerHandle::snapshot).
///
/// ```no_run
/// # let server = talkback::server::Server::bind("127.0.0.1:0")?;
/// let snapshot = server.handle().snapshot();
/// println!("{} connections, {} messages", snapshot.connection_count, snapshot.received_count);
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Sockets open now, whatever they are: those that ask, or are yet silent, too.
    pub socket_count: u64,
    /// WebSocket connections open now.
    pub connection_count: u64,
    /// Streams open now, of events and of anything else.
    pub stream_count: u64,
    /// Requests that are held now.
    pub held_count: u64,
    /// WebSocket connections opened so far.
    pub opened_count: u64,
    /// Messages received so far.
    pub received_count: u64,
    /// Messages sent so far, those of rooms once a receiver.
    pub sent_count: u64,
    /// Messages that were not sent, because too much waited for their receiver.
    pub dropped_count: u64,
    /// Bytes read from sockets so far.
    pub received_len: u64,
    /// Bytes written to sockets so far.
    pub sent_len: u64,
    /// Bytes of WebSocket connections that wait for receivers that are slower, at the end of the last turn.
    pub waiting_len: u64,
    /// Connections that ended, by close code; 1005 stands for a close without a code, 1006
    /// for an end without a close.
    pub closed: BTreeMap<u16, u64>,
    /// Requests that were not upgraded, by status.
    pub answered: BTreeMap<u16, u64>,
    /// Time spent on work, not waiting, by all loops together.
    pub busy: Duration,
}

impl Snapshot {
    /// Adds what another loop has done.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            socket_count,
            connection_count,
            stream_count,
            held_count,
            opened_count,
            received_count,
            sent_count,
            dropped_count,
            received_len,
            sent_len,
            waiting_len,
            closed,
            answered,
            busy,
        } = other;
        self.socket_count += socket_count;
        self.connection_count += connection_count;
        self.stream_count += stream_count;
        self.held_count += held_count;
        self.opened_count += opened_count;
        self.received_count += received_count;
        self.sent_count += sent_count;
        self.dropped_count += dropped_count;
        self.received_len += received_len;
        self.sent_len += sent_len;
        self.waiting_len += waiting_len;
        self.busy += *busy;
        closed.iter().for_each(|(code, count)| *self.closed.entry(*code).or_default() += count);
        answered.iter().for_each(|(status, count)| *self.answered.entry(*status).or_default() += count);
    }
}
