//! Why a message is not taken.

use std::fmt;

/// Why [`RoomSender::publish`](super::RoomSender::publish) does not take a message. It has no id, and will not
/// be sent.
///
/// ```
/// use talkback::room::{QueueError, RoomClient, ClientId};
///
/// let room = RoomClient::new("ws://localhost/rooms/lobby/socket", ClientId::new("ada")?)
///     .max_queue_len(Some(4))
///     .open()?;
/// let data = serde_json::value::to_raw_value("Ada")?;
/// assert_eq!(room.sender().publish(&data), Err(QueueError::TooLong { len: 5, max: 4 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueError {
    /// As many messages wait for the server's answer as may: see
    /// [`RoomClient::max_queue_count`](super::RoomClient::max_queue_count).
    TooManyMessages {
        /// How many may wait.
        max: usize,
    },
    /// The data of the messages that wait would have more bytes than allowed with this one: see
    /// [`RoomClient::max_queue_len`](super::RoomClient::max_queue_len).
    TooLong {
        /// How many they would have.
        len: usize,
        /// How many they may have.
        max: usize,
    },
    /// The client has ended.
    Closed,
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyMessages { max } => write!(f, "{max} messages wait already"),
            Self::TooLong { len, max } => write!(f, "{len} bytes would wait, the limit is {max}"),
            Self::Closed => f.write_str("the client of the room has ended"),
        }
    }
}

impl std::error::Error for QueueError {}
