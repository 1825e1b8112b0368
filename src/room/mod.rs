//! Rooms: a bounded log of publications, which any number of readers read from where they are, and the table
//! of who is here, without I/O, clock, lock or thread. Above them, two that do have these: `Rooms`, with the
//! feature `server`, serves such rooms in every transport over one port; [`RoomClient`] reads one, and keeps its
//! place over lost connections.
//!
//! A room is a [`Log`]: an epoch, drawn at random when the log is made, and publications numbered from 1.
//! Whoever reads it keeps a [`Cursor`], and asks for what comes after. A poll, a long poll, a stream of lines,
//! an event stream and a WebSocket differ in how they wait for a [`Page`] that isn't empty, and in which
//! encoding of its [`Publication`]s they write; recovery is the same for all, complete or with a [`Gap`] that
//! says it isn't.
//!
//! ```
//! use std::time::Instant;
//! use talkback::room::{ClientId, Cursor, Limits, Log, MessageId, PageLimits};
//!
//! let mut log = Log::new(0xfeed, Limits::default().max_count(Some(2)));
//! let (ada, data) = (ClientId::new("ada")?, serde_json::value::to_raw_value("hello")?);
//! for message in ["1", "2", "3"] {
//!     log.publish(Instant::now(), 1_700_000_000_000, &ada, &MessageId::new(message)?, &data)?;
//! }
//! // A reader that had all but the last gets it; one that had none is told that the first is gone.
//! for (seq, missed, seen) in [(2, false, 1), (0, true, 2)] {
//!     let page = log.read(Cursor::new(0xfeed, seq), PageLimits::default());
//!     assert_eq!((page.gap().is_some(), page.publications().count()), (missed, seen));
//!     let mut stream = Vec::new();
//!     if let Some(gap) = page.gap() {
//!         stream.extend_from_slice(&gap.event());
//!     }
//!     for publication in page.publications() {
//!         stream.extend_from_slice(publication.event());
//!     }
//!     assert_eq!(page.cursor(), Cursor::new(0xfeed, 3));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod cursor;
mod encoded;
mod id;
mod json;
mod limits;
mod log;
mod memory;
mod page;
mod presence;
mod publication;
#[cfg(feature = "server")]
mod service;

pub use client::{
    Present, QueueError, RoomClient, RoomClientError, RoomEvent, RoomReader, RoomSender, ServerFault,
};
pub use cursor::{Cursor, CursorError, MAX_CURSOR_LEN};
pub use id::{ClientId, IdError, MAX_ID_LEN, MessageId};
pub use json::JsonError;
pub use limits::{Limits, MAX_JSON_DEPTH, PageLimits, PresenceLimits};
pub use log::{Log, PublishError, Published};
pub use page::{After, Gap, Page};
pub use presence::{MAX_GRACE, Member, Presence, PresenceError, PresenceEvent};
pub use publication::Publication;
#[cfg(feature = "server")]
pub use service::{Access, Admission, Anybody, Mounted, MountedState, Refusal, RoomConfig, Rooms};
