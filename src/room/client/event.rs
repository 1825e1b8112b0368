//! What a client of a room is told.

use std::time::Duration;

use serde_json::value::RawValue;

use super::RoomClientError;
use crate::room::{ClientId, Cursor, Gap, MessageId};

/// What happened in a room, or to the connection with it.
///
/// ```no_run
/// use talkback::room::{ClientId, RoomClient, RoomEvent};
///
/// let client = RoomClient::new("ws://localhost:8080/rooms/lobby/socket", ClientId::new("ada")?);
/// let mut room = client.open()?;
/// while let Some(event) = room.recv()? {
///     match event {
///         RoomEvent::Publication { client, data, .. } => println!("{client}: {data}"),
///         RoomEvent::Gap(gap) => println!("({gap})"),
///         RoomEvent::Disconnected { error, retry_in } => println!("({error}; again in {retry_in:?})"),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum RoomEvent {
    /// There is a connection, the first one or another. What was missed follows.
    Connected,
    /// The connection was lost, or an attempt to connect failed. The next `recv` tries again.
    Disconnected {
        /// Why.
        error: RoomClientError,
        /// How long that waits before.
        retry_in: Duration,
    },
    /// Something was published, by another client or by this one.
    Publication {
        /// Where in the log it is: what to give to [`RoomClient::after`](super::RoomClient::after) so as to
        /// read on from here.
        cursor: Cursor,
        /// When, by the server's clock, in milliseconds since 1970.
        at: u64,
        /// Who did.
        client: ClientId,
        /// Which of its messages it is.
        message: MessageId,
        /// What.
        data: Box<RawValue>,
    },
    /// Publications were missed for good. What is left follows, from `gap.first` on: in the same epoch also
    /// what was received before, where the server has lost the end of its log.
    Gap(Gap),
    /// Who is in the room now: all of them, not what changed.
    Here {
        /// The first hundred.
        present: Vec<Present>,
        /// How many there are in all.
        count: usize,
    },
    /// The server has a message that was published here. Told once for each that isn't refused.
    Acknowledged {
        /// Which one: what [`RoomSender::publish`](super::RoomSender::publish) returned.
        message: MessageId,
        /// Where in the log it is.
        cursor: Cursor,
        /// Whether it was stored just now; if not, an earlier attempt had come through.
        is_new: bool,
    },
    /// The server does not take a message that was published here, and never will. Told once.
    Refused {
        /// Which one: what [`RoomSender::publish`](super::RoomSender::publish) returned. `None`: it was no
        /// message, but a state.
        message: Option<MessageId>,
        /// A status of HTTP, such as 413.
        status: u16,
        /// Why, in the server's words.
        error: String,
    },
}

/// Somebody who is in a room.
///
/// ```
/// use talkback::room::Present;
///
/// fn greet(present: &[Present]) -> String {
///     present.iter().map(|one| format!("{} ({})\n", one.client, one.state)).collect()
/// }
/// # assert_eq!(greet(&[]), "");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Present {
    /// Who.
    pub client: ClientId,
    /// What it says of itself.
    pub state: Box<RawValue>,
}
