//! The rooms of a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{fmt, io};

use serde_json::value::RawValue;

use super::super::{After, ClientId, Log, MessageId, Published};
use super::asked::is_name;
use super::keeper::{self, Keeper};
use super::seat::Seat;
use super::served::Served;
use super::{Access, Admission, Anybody, Mounted, Refusal, RoomConfig};
use crate::entropy::Entropy;
use crate::http::Status;
use crate::server::{Connection, Handler};

/// Rooms on a server: each a log, read by polling, long polling, a stream of lines, server-sent events and
/// WebSocket, and published to by `POST` and WebSocket, all over one port.
///
/// Cloning gives the same rooms, so several servers can share them. Under the path of
/// [`RoomConfig::path`], for a room `R`:
///
/// | | |
/// |---|---|
/// | `GET R/messages?after=CURSOR` | a [`Page`](super::super::Page) as JSON; with `&wait=25` a long poll: it waits so many seconds for news |
/// | `GET R/stream?after=CURSOR` | a JSON object a line, without end |
/// | `GET R/events?after=CURSOR` | server-sent events; `Last-Event-ID` wins over `after` |
/// | `GET R/socket?after=CURSOR` | WebSocket, a JSON object a message, both ways |
/// | `POST R/messages` | `{"client":"c","message":"m","data":…}` publishes; again, and it is stored once |
/// | `GET R/here`, `POST R/here` | who is here; `{"client":"c","state":…}` says something else of oneself |
/// | `GET talkback.js` | the browser's client, which does all this |
///
/// Without `after`, all that is kept is read; `after=end` reads what is new. What a reader has missed it is told
/// by a [`Gap`](super::super::Gap), never by an error. With `&client=ID` (and `&state=JSON`) it counts as here.
///
/// ```no_run
/// use talkback::http::{Response, Status};
/// use talkback::room::{RoomConfig, Rooms};
/// use talkback::server::{Pages, Server};
///
/// let rooms = Rooms::new(RoomConfig::default())?;
/// let pages = Pages::new(|_| Response::refusal(Status::NOT_FOUND, "there is nothing here"));
/// Server::bind("127.0.0.1:8080")?.run(rooms.mount(pages))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Rooms(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) config: RoomConfig,
    pub(super) access: Box<dyn Access>,
    table: Mutex<BTreeMap<Box<str>, Arc<Served>>>,
    pub(super) keeper: Arc<Keeper>,
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms").field("path", &self.0.config.path).finish_non_exhaustive()
    }
}

impl Rooms {
    /// No rooms yet: each is made when somebody comes, and everybody may come. Starts a thread, which tells who
    /// is here; it ends when the rooms are dropped.
    ///
    /// # Errors
    /// Those of the system, which has no room for a thread.
    pub fn new(config: RoomConfig) -> io::Result<Self> {
        Self::with_access(config, Anybody)
    }

    /// As [`new`](Self::new), with a word of the application on who may come, and what may be said.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_access(config: RoomConfig, access: impl Access) -> io::Result<Self> {
        let keeper = Arc::new(Keeper::default());
        let (access, table) = (Box::new(access), Mutex::default());
        let rooms = Arc::new(Shared { config, access, table, keeper: Arc::clone(&keeper) });
        keeper::start(Arc::downgrade(&rooms), keeper)?;
        Ok(Self(rooms))
    }

    /// What serves these rooms, and has `app` see to all else.
    #[must_use]
    pub fn mount<A: Handler>(&self, app: A) -> Mounted<A> {
        Mounted::new(self.clone(), app)
    }

    /// Publishes in a room, from any thread: as [`Log::publish`], and without asking [`Access`].
    ///
    /// # Errors
    /// The refusal that a client would get: 404 for a name that no room can have, 503 if there are too many
    /// rooms, 413 and 400 as [`PublishError`](super::super::PublishError) says.
    pub fn publish(
        &self,
        room: &str,
        client: &ClientId,
        message: &MessageId,
        data: &RawValue,
    ) -> Result<Published, Refusal> {
        Ok(self.0.room(room)?.publish(client, message, data, self.0.config.page_limits)?)
    }

    /// Has a connection of one's own handler sent what is published in a room behind this: each publication as the
    /// text of its JSON object, at the connection's own pace. First it is told where it is, or of a gap. It
    /// leaves when it ends. Nobody is asked, and it doesn't count as here.
    ///
    /// ```
    /// use talkback::room::{After, Refusal, Rooms};
    /// use talkback::server::Connection;
    ///
    /// fn on_open(rooms: &Rooms, connection: &mut Connection<'_>) -> Result<(), Refusal> {
    ///     rooms.join("news", connection, After::Start)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`publish`](Self::publish), for the room.
    pub fn join(
        &self,
        room: &str,
        connection: &mut Connection<'_>,
        after: impl Into<After>,
    ) -> Result<(), Refusal> {
        self.0.room(room)?.join_log(connection, after.into());
        Ok(())
    }

    /// Looks at the log of a room. `None`: there is no such room now. While it looks, nobody can publish there.
    pub fn look<T>(&self, room: &str, look: impl FnOnce(&Log) -> T) -> Option<T> {
        let room = self.0.lock().get(room).cloned()?;
        Some(room.log.with(|log| look(log)))
    }

    /// How many rooms there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }
}

impl Shared {
    /// The room of this name, made if it isn't there.
    pub(super) fn room(&self, name: &str) -> Result<Arc<Served>, Refusal> {
        let mut table = self.lock();
        if let Some(room) = table.get(name) {
            return Ok(Arc::clone(room));
        }
        if !is_name(name) {
            return Err(Refusal::new(Status::NOT_FOUND, "no room can have this name"));
        }
        if table.len() >= self.config.max_room_count {
            return Err(Refusal::new(Status::SERVICE_UNAVAILABLE, "there are too many rooms"));
        }
        let epoch = u64::from_ne_bytes(Entropy::from_system().bytes());
        let room = Arc::new(Served::new(epoch, &self.config));
        table.insert(name.into(), Arc::clone(&room));
        self.keeper.note_room();
        Ok(room)
    }

    /// Lets somebody in, who says this of itself.
    pub(super) fn seat(
        &self,
        name: &str,
        admission: &Admission,
        client: Option<ClientId>,
        state: &RawValue,
    ) -> Result<Seat, Refusal> {
        let room = self.room(name)?;
        if let Some(client) = &client
            && room.join(client, state)?
        {
            self.keeper.note(&room);
        }
        let (name, keeper) = (name.to_owned(), Arc::clone(&self.keeper));
        let (is_read_only, grace) = (admission.is_read_only, self.config.grace);
        Ok(Seat { room, name, client, is_read_only, keeper, grace })
    }

    /// Publishes what a client says, if it may.
    pub(super) fn publish(
        &self,
        room: &Served,
        name: &str,
        client: &ClientId,
        message: &MessageId,
        data: &RawValue,
    ) -> Result<Published, Refusal> {
        let other = self.access.publish(name, client, data)?;
        Ok(room.publish(client, message, other.as_deref().unwrap_or(data), self.config.page_limits)?)
    }

    /// Gives up what is too old, and rooms that nobody would miss; whether there are any left.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        // Not all at once under the lock: others have to get through.
        let rooms: Vec<_> = self.lock().iter().map(|(name, room)| (name.clone(), Arc::clone(room))).collect();
        for (name, room) in rooms {
            if room.expire(now) {
                self.keeper.note(&room);
            }
            if room.is_empty() {
                let mut table = self.lock();
                // This one and the table's: who comes now gets a new one.
                if Arc::strong_count(&room) == 2 && room.is_empty() {
                    table.remove(&name);
                }
            }
        }
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Arc<Served>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.end();
    }
}
