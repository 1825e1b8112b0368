//! One room of a server: its log, who is here, and who waits.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::value::RawValue;

use super::super::encoded::Encoded;
use super::super::{
    After, ClientId, Cursor, Log, MessageId, PageLimits, Presence, PresenceError, PublishError, Published,
};
use super::here::Here;
use super::keeper::Keeper;
use super::polls::{Poll, Polls};
use super::responses::{json_response, with_all};
use super::{Refusal, RoomConfig};
use crate::http::{Response, Status};
use crate::server::{Connection, Feed, lock};

/// A room that is served. Its locks are taken in the order of the fields, and none while a later one is held; that
/// of the keeper comes last.
pub(super) struct Served {
    pub(super) name: Box<str>,
    /// How long somebody is awaited back.
    pub(super) grace: Duration,
    keeper: Arc<Keeper>,
    polls: Mutex<Polls>,
    presence: Mutex<Presence>,
    pub(super) here: Feed<Here>,
    pub(super) log: Feed<Log>,
    /// Whether who is here has changed since it was told.
    has_changed: AtomicBool,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("log", &self.log).finish_non_exhaustive()
    }
}

impl Served {
    pub(super) fn new(name: &str, epoch: u64, config: &RoomConfig, keeper: Arc<Keeper>) -> Self {
        let log = Log::new(epoch, config.limits);
        let log = if let Some(deflate) = config.deflate { log.deflate(deflate) } else { log };
        Self {
            name: name.into(),
            grace: config.grace,
            keeper,
            polls: Mutex::default(),
            presence: Mutex::new(Presence::new(config.presence_limits)),
            here: Feed::new(Here::new()),
            log: Feed::new(log),
            has_changed: AtomicBool::new(false),
        }
    }

    /// Stores a publication, and has all get it that wait for one.
    pub(super) fn publish(
        &self,
        client: &ClientId,
        message: &MessageId,
        data: &RawValue,
        page_limits: PageLimits,
    ) -> Result<Published, PublishError> {
        let (now, at) = (Instant::now(), SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis());
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        let published = self.log.with(|log| log.publish(now, at, client, message, data))?;
        if published.is_new {
            self.answer_polls(page_limits);
        }
        Ok(published)
    }

    fn answer_polls(&self, limits: PageLimits) {
        let polls = {
            let mut polls = lock(&self.polls);
            // Another thread may have published since, and some wait for what comes behind that.
            polls.take_behind(self.log.with(|log| log.cursor()))
        };
        let mut last = None;
        for Poll { held, after, headers, .. } in polls {
            // Most ask for the same.
            let response = match last.take() {
                Some((same, alike, response)) if same == after && alike == headers => response,
                _ => {
                    let page = self.page(after.into(), limits).0;
                    Arc::new(with_all(json_response(page), &headers))
                }
            };
            held.respond_shared(Arc::clone(&response));
            last = Some((after, headers, response));
        }
    }

    /// What comes after a cursor, as JSON; where a reader is that was given nothing.
    pub(super) fn page(&self, after: After, limits: PageLimits) -> (Vec<u8>, Option<Cursor>) {
        self.log.with(|log| {
            log.expire(Instant::now());
            let page = log.read(after, limits);
            (page.to_json(), page.is_empty().then(|| page.cursor()))
        })
    }

    /// Where somebody begins who reads after this, in the words of a gap if it has missed something, and as the
    /// number of the last publication before.
    pub(super) fn begin(&self, after: After) -> (Encoded, u64) {
        self.log.with(|log| {
            log.expire(Instant::now());
            let (cursor, gap) = log.begin(after);
            (gap.map_or_else(|| Encoded::place(cursor), |gap| gap.encode()), cursor.seq)
        })
    }

    pub(super) fn join_log(&self, connection: &mut Connection<'_>, after: After) {
        let (first, after) = self.begin(after);
        // It fails only if the connection has failed, which shows soon.
        connection.send(first.text()).unwrap_or_default();
        connection.follow(&self.log.of_any(), Some(after));
    }

    /// Has a poll wait, unless there is something for it by now.
    pub(super) fn hold(&self, poll: Poll, limits: PageLimits) {
        let mut polls = lock(&self.polls);
        let (page, waits_at) = self.page(poll.after.into(), limits);
        if waits_at.is_some() {
            return polls.push(poll);
        }
        poll.respond(json_response(page));
    }

    /// Counts a connection of a client in, which says this of itself, or what it said before.
    pub(super) fn join(
        self: &Arc<Self>,
        client: &ClientId,
        state: Option<&RawValue>,
    ) -> Result<(), PresenceError> {
        let mut presence = lock(&self.presence);
        let joined = match state {
            Some(state) => presence.join(client, state)?,
            None => presence.join_as_before(client)?,
        };
        self.note_change(joined.is_some());
        Ok(())
    }

    /// Counts one out.
    pub(super) fn leave(self: &Arc<Self>, client: &ClientId, grace: Duration) {
        let left = lock(&self.presence).leave(Instant::now(), client, grace);
        self.note_change(left.is_some());
    }

    /// A client says something else of itself.
    pub(super) fn update(self: &Arc<Self>, client: &ClientId, state: &RawValue) -> Result<(), PresenceError> {
        let updated = lock(&self.presence).update(client, state)?;
        self.note_change(updated.is_some());
        Ok(())
    }

    pub(super) fn here_response(&self) -> Response {
        json_response(self.here.with(|here| here.json().to_vec()))
    }

    /// Has it told who is here, if that has changed and the keeper doesn't know it.
    fn note_change(self: &Arc<Self>, has_changed: bool) {
        if has_changed && !self.has_changed.swap(true, Ordering::AcqRel) {
            self.keeper.note(self);
        }
    }

    /// Tells who is here, unless the last time is too short ago for what it costs; whether it did.
    pub(super) fn tell_who_is_here(&self, max_count: usize, now: Instant) -> bool {
        if self.here.with(|here| here.rests(now)) {
            return false;
        }
        if self.has_changed.swap(false, Ordering::AcqRel) {
            let presence = lock(&self.presence);
            self.here.with(|here| here.publish(&presence, max_count, now));
        }
        true
    }

    /// Gives up what is too old, and who did not come back.
    pub(super) fn expire(self: &Arc<Self>, now: Instant) {
        lock(&self.polls).forget_closed();
        self.log.with(|log| log.expire(now));
        let left = lock(&self.presence).expire(now);
        self.note_change(!left.is_empty());
    }

    /// Whether nobody would know if it was another one.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.polls).is_empty()
            && lock(&self.presence).count() == 0
            && self.log.with(|log| log.count() == 0 && log.poll_timeout().is_none())
    }
}

impl From<PresenceError> for Refusal {
    fn from(error: PresenceError) -> Self {
        let status = match &error {
            PresenceError::TooManyClients { .. } => Status::SERVICE_UNAVAILABLE,
            PresenceError::StateTooLong { .. } => Status::CONTENT_TOO_LARGE,
            PresenceError::State(_) | PresenceError::NotHere => Status::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
