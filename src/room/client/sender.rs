//! Publishing, from any thread.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::QueueError;
use super::shared::Shared;
use crate::room::MessageId;

/// Publishes to a room, says what this client is, and ends it: from any thread. Cloning it is cheap.
///
/// Nothing is sent unless another thread calls [`RoomReader::recv`](super::RoomReader::recv) all the time.
///
/// ```no_run
/// use std::time::Duration;
/// use talkback::room::{ClientId, RoomClient};
///
/// let client = RoomClient::new("ws://localhost:8080/rooms/lobby/socket", ClientId::new("ada")?);
/// let mut room = client.open()?;
/// let sender = room.sender();
/// std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     sender.set_state(&serde_json::value::to_raw_value("busy")?);
///     sender.publish(&serde_json::value::to_raw_value("hello")?)?;
///     sender.wait_until_settled(Duration::from_secs(10));
///     sender.close();
///     Ok(())
/// });
/// while let Some(event) = room.recv()? {
///     println!("{event:?}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RoomSender(Arc<Shared>);

impl RoomSender {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Has a message published, now or once there is a connection; its id.
    ///
    /// It waits in memory until the server has answered for it, and is sent again, behind those published
    /// before it, over each new connection until then: the server recognises it by its id and stores it
    /// once. What becomes of it, `recv` tells by one
    /// [`Acknowledged`](super::RoomEvent::Acknowledged) or [`Refused`](super::RoomEvent::Refused). Copies the
    /// data. Doesn't block.
    ///
    /// # Errors
    /// The message was not taken.
    /// - [`QueueError::TooManyMessages`], [`QueueError::TooLong`]: too much waits already.
    /// - [`QueueError::Closed`]: the client has ended.
    pub fn publish(&self, data: &RawValue) -> Result<MessageId, QueueError> {
        self.0.publish(data)
    }

    /// Changes what this client says of itself to those in the room; said again over each new connection.
    /// One that the server doesn't take is [`Refused`](super::RoomEvent::Refused) without a message. Copies
    /// it. Doesn't block.
    pub fn set_state(&self, state: &RawValue) {
        self.0.set_state(state);
    }

    /// How many messages the server has not answered for.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.0.waiting_count()
    }

    /// Waits until the server has answered for all that was published, for `timeout` at most; whether it
    /// has. Not for the thread that calls `recv`: that is where answers come in.
    #[must_use]
    pub fn wait_until_settled(&self, timeout: Duration) -> bool {
        self.0.wait_until_settled(timeout)
    }

    /// Ends the client: a `recv` that waits returns `None`, and so does each later one. What was published
    /// and not sent yet is not sent any more: see [`wait_until_settled`](Self::wait_until_settled). Doesn't
    /// block.
    ///
    /// An open connection is closed politely: `recv` waits for the server's answer, for the
    /// [`close_timeout`](crate::Config::close_timeout) and the
    /// [`linger_timeout`](crate::Config::linger_timeout) at most, and before, if the server takes nothing of
    /// a message under way, for the [`write_timeout`](crate::Config::write_timeout). One that is connecting
    /// TCP does so first, for [`RoomClient::connect_timeout`](super::RoomClient::connect_timeout) at most.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether the client has ended: it was closed or dropped, or it failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
