//! The log of a room: bounded, and read by any number of readers who keep nothing but a cursor.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use serde_json::value::RawValue;

use super::json::OneLine;
use super::memory::Memory;
use super::publication::Draft;
use super::{After, ClientId, Cursor, Gap, JsonError, Limits, MessageId, Page, PageLimits, Publication};
use crate::protocol::Deflate;

/// What was published in a room, in order.
///
/// [`publish`](Self::publish) adds to it, [`read`](Self::read) tells what comes after a cursor. History and
/// news are read alike, so nothing is lost or doubled where a reader goes over from the one to the other: it
/// reads until a page is empty, and again when something was published. There is no queue a reader; one that
/// is too slow falls out of the log, and is told so by a [`Gap`].
///
/// Nothing here reads a clock: call [`expire`](Self::expire) when [`poll_timeout`](Self::poll_timeout) says.
/// The time given must not go back.
///
/// ```
/// use std::time::Instant;
/// use talkback::room::{After, ClientId, Limits, Log, MessageId, PageLimits};
///
/// let mut log = Log::new(0xfeed, Limits::default());
/// let (ada, data) = (ClientId::new("ada")?, serde_json::value::to_raw_value("hello")?);
/// let first = log.publish(Instant::now(), 0, &ada, &MessageId::new("1")?, &data)?;
/// let again = log.publish(Instant::now(), 0, &ada, &MessageId::new("1")?, &data)?;
/// assert_eq!((again.cursor, first.is_new, again.is_new), (first.cursor, true, false));
///
/// let history = log.read(After::Start, PageLimits::default());
/// assert_eq!((history.publications().count(), history.cursor()), (1, first.cursor));
/// assert!(log.read(history.cursor(), PageLimits::default()).is_empty()); // now wait for news
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Log {
    epoch: u64,
    limits: Limits,
    deflate: Option<Deflate>,
    /// The sequence number of the last publication; 0 before the first. Those kept are the last ones, without
    /// a hole: that makes looking one up a subtraction.
    last: u64,
    kept: VecDeque<(Instant, Publication)>,
    /// Bytes of what is kept.
    kept_len: usize,
    /// At least what is kept.
    memory: Memory,
}

/// What became of a publication: see [`Log::publish`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Where it is in the log, or was.
    pub cursor: Cursor,
    /// Whether it was stored now; `false` if it had been before.
    pub is_new: bool,
}

impl Log {
    /// An empty log. Allocates nothing.
    ///
    /// `epoch` tells it from every other, also from the one that a restarted server had under the same name:
    /// take it from [`Entropy::bytes`](crate::entropy::Entropy::bytes).
    #[must_use]
    pub fn new(epoch: u64, limits: Limits) -> Self {
        let (kept, memory) = (VecDeque::new(), Memory::default());
        Self { epoch, limits, deflate: None, last: 0, kept, kept_len: 0, memory }
    }

    /// Has the text messages of publications to come compressed, each once, as
    /// [`Prepared::compressed`](crate::protocol::Prepared::compressed) does.
    #[must_use]
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }

    /// Stores a publication, unless it was before: the same client and message ids, while they are
    /// remembered, give the place of the first, whatever the data.
    ///
    /// Remembered are those kept, and of all clients together the last
    /// [`max_remembered_count`](Limits::max_remembered_count): in a room in which others speak a lot, what is
    /// sent again late is stored again.
    ///
    /// `at` is the time to tell readers, in milliseconds since the Unix epoch; `now` the one to count its age
    /// from. What is too much or too old by now is given up. Looks through the data once and copies it twice,
    /// and takes constant time beside that, spread over all publications.
    ///
    /// # Errors
    /// Nothing was copied then, and only what is too old is not kept any more.
    /// - [`PublishError::Data`] if the data is JSON that some readers would refuse.
    /// - [`PublishError::TooBig`] if it is longer than allowed, or than all that may be kept.
    pub fn publish(
        &mut self,
        now: Instant,
        at: u64,
        client: &ClientId,
        message: &MessageId,
        data: &RawValue,
    ) -> Result<Published, PublishError> {
        self.expire(now);
        let name = (client.clone(), message.clone());
        if let Some(seq) = self.memory.find(&name) {
            return Ok(Published { cursor: Cursor::new(self.epoch, seq), is_new: false });
        }
        let cursor = Cursor::new(self.epoch, self.last.saturating_add(1));
        let draft = Draft { cursor, at, client, message, data: OneLine::new(data)? };
        let len = draft.len();
        let max = [self.limits.max_publication_len, self.limits.max_len].into_iter().flatten().min();
        if let Some(max) = max.filter(|max| len > *max) {
            return Err(PublishError::TooBig { len, max });
        }
        self.make_room(len);
        self.kept.push_back((now, draft.publish(self.deflate)));
        self.kept_len = self.kept_len.saturating_add(len);
        self.last = cursor.seq;
        self.memory.insert(now, name, cursor.seq);
        self.forget(now);
        Ok(Published { cursor, is_new: true })
    }

    /// What comes after a cursor, as much of it as `limits` allow. Takes time for what is in it, whatever else
    /// is kept; copies nothing.
    ///
    /// Never fails: where what follows is not there as a whole, the page has a [`gap`](Page::gap), and then
    /// all that is kept.
    pub fn read(&self, after: impl Into<After>, limits: PageLimits) -> Page<'_> {
        let found = match after.into() {
            After::Start => Some(0),
            After::End => Some(self.kept.len()),
            After::Cursor(cursor) => self.position(cursor),
            After::Unreadable => None,
        };
        let gap = if found.is_none() { Some(self.range()) } else { None };
        let skip = found.unwrap_or(0);
        Page::new(self, gap, skip, self.fitting(skip, limits))
    }

    /// Where somebody begins who reads after this; with a gap, if what follows is not there as a whole.
    #[cfg(feature = "server")]
    pub(super) fn begin(&self, after: After) -> (Cursor, Option<Gap>) {
        match after {
            After::End => (self.cursor(), None),
            After::Cursor(cursor) if self.position(cursor).is_some() => (cursor, None),
            After::Start => (self.range().cursor(), None),
            After::Cursor(_) | After::Unreadable => (self.range().cursor(), Some(self.range())),
        }
    }

    /// Gives up what is too old, and the room that it took once there is nothing left.
    pub fn expire(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|(published, _)| is_old(&self.limits, *published, now)) {
            self.give_up();
        }
        self.forget(now);
    }

    /// When to call [`expire`](Self::expire). `None`: not before something is published.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.limits.max_age.and_then(|max_age| self.memory.poll_timeout(max_age))
    }

    /// The place behind the last publication: a reader who is there has read all.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor::new(self.epoch, self.last)
    }

    /// How many publications are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// The bytes of what is kept, each publication as its JSON object.
    #[must_use]
    pub const fn kept_len(&self) -> usize {
        self.kept_len
    }

    /// What is kept, in the words of a gap.
    pub(super) fn range(&self) -> Gap {
        let kept_count = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        let first = self.last.saturating_sub(kept_count).saturating_add(1);
        Gap { epoch: self.epoch, first, last: self.last }
    }

    /// What is kept, oldest first, but for the first `skip`: those are stepped over at once.
    pub(super) fn kept(&self, skip: usize) -> impl Iterator<Item = &Publication> {
        self.kept.range(skip.min(self.kept.len())..).map(|(_, publication)| publication)
    }

    /// How many are kept before what follows the cursor. `None`: some of what follows is not, or the cursor
    /// is not of this log.
    fn position(&self, cursor: Cursor) -> Option<usize> {
        if cursor.epoch != self.epoch || cursor.seq > self.last {
            return None;
        }
        usize::try_from(cursor.seq.checked_sub(self.range().cursor().seq)?).ok()
    }

    /// How many fit in a page.
    fn fitting(&self, skip: usize, limits: PageLimits) -> usize {
        let max_count = limits.max_count.unwrap_or(usize::MAX).max(1);
        let max_len = limits.max_len.unwrap_or(usize::MAX);
        let lens = self.kept(skip).take(max_count).map(|publication| publication.json().len());
        let sums = lens.scan(0_usize, |sum, len| {
            *sum = sum.saturating_add(len);
            Some(*sum)
        });
        // One that is alone too long is read alone: readers would never get past it.
        sums.enumerate().take_while(|(index, sum)| *index == 0 || *sum <= max_len).count()
    }

    /// Gives up the oldest until one more of this length fits.
    fn make_room(&mut self, len: usize) {
        let max_count = self.limits.max_count.unwrap_or(usize::MAX).max(1);
        let max_len = self.limits.max_len.unwrap_or(usize::MAX);
        while !self.kept.is_empty()
            && (self.kept.len() >= max_count || self.kept_len.saturating_add(len) > max_len)
        {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        if let Some((_, publication)) = self.kept.pop_front() {
            self.kept_len = self.kept_len.saturating_sub(publication.json().len());
        }
    }

    fn forget(&mut self, now: Instant) {
        let Self { limits, kept, memory, .. } = self;
        memory.trim(kept.len(), limits.max_remembered_count, |published| is_old(limits, published, now));
        if memory.is_empty() {
            // A room that nobody speaks in holds nothing.
            (*kept, *memory) = (VecDeque::new(), Memory::default());
        }
    }
}

fn is_old(limits: &Limits, published: Instant, now: Instant) -> bool {
    limits.max_age.is_some_and(|max_age| now.saturating_duration_since(published) >= max_age)
}

/// Why a publication was not stored.
///
/// ```
/// use std::time::Instant;
/// use talkback::room::{ClientId, Limits, Log, MessageId, PublishError};
///
/// let mut log = Log::new(0xfeed, Limits::default().max_len(Some(72)));
/// let (ada, data) = (ClientId::new("ada")?, serde_json::value::to_raw_value("hello")?);
/// let error = log.publish(Instant::now(), 0, &ada, &MessageId::new("1")?, &data).unwrap_err();
/// assert_eq!(error, PublishError::TooBig { len: 78, max: 72 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// It is longer than one may be, or than all that may be kept: the publisher's fault.
    TooBig {
        /// Bytes of its JSON object, the ids and the time included.
        len: usize,
        /// What is allowed, [`Limits::max_publication_len`] or [`Limits::max_len`], whichever is less.
        max: usize,
    },
    /// Some readers would refuse its data: the publisher's fault.
    Data(JsonError),
}

impl From<JsonError> for PublishError {
    fn from(error: JsonError) -> Self {
        Self::Data(error)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig { len, max } => write!(f, "a publication of {len} bytes is over the limit of {max}"),
            Self::Data(_) => f.write_str("the data of a publication is not fit for every reader"),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data(error) => Some(error),
            Self::TooBig { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_room_that_nobody_speaks_in_holds_nothing() {
        let (mut log, now) =
            (Log::new(1, Limits::default().max_age(Some(Duration::from_secs(1)))), Instant::now());
        let (client, data) = (ClientId::new("a").unwrap(), RawValue::from_string("0".to_owned()).unwrap());
        for message in 0..100 {
            let message = MessageId::new(&message.to_string()).unwrap();
            log.publish(now, 0, &client, &message, &data).unwrap();
        }
        log.expire(now + Duration::from_secs(1));
        assert_eq!((log.kept.capacity(), log.cursor(), log.poll_timeout()), (0, Cursor::new(1, 100), None));
    }
}
