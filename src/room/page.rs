//! What a reader gets: the publications after its cursor, and a gap where there are some that it can't have.

use std::fmt::{self, Write};

use bytes::Bytes;

use super::encoded::Encoded;
use super::{Cursor, CursorError, Log, Publication};
use crate::protocol::Prepared;

/// What the body of a poll has before its publications, in bytes, with the longest numbers.
const MAX_HEAD_LEN: usize = 160;

/// Where to read on.
///
/// ```
/// use talkback::room::{After, Cursor};
///
/// let header = "000000000000feed-7"; // of `Last-Event-ID`
/// assert_eq!(After::from(header.parse()), After::Cursor(Cursor::new(0xfeed, 7)));
/// assert_eq!(After::from("seven".parse()), After::Unreadable);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// From the oldest publication that is kept: the history, for one who is new.
    Start,
    /// From the next publication on, without history.
    End,
    /// From what was published after this one.
    Cursor(Cursor),
    /// From a cursor that is none: a gap, then all that is kept.
    Unreadable,
}

impl From<Cursor> for After {
    fn from(cursor: Cursor) -> Self {
        Self::Cursor(cursor)
    }
}

impl From<Result<Cursor, CursorError>> for After {
    fn from(parsed: Result<Cursor, CursorError>) -> Self {
        parsed.map_or(Self::Unreadable, Self::Cursor)
    }
}

/// Publications were missed: the cursor is from another epoch or from the future, can't be read, or some of
/// what followed it is not kept any more. What is left is from `first` to `last`.
///
/// Every transport has a way to say so. Like a publication it bears an `id`, the cursor behind which what is
/// left begins: who remembers the `id` of whatever came last is not told of the same gap again, also where
/// nothing is left.
///
/// ```
/// use talkback::room::{After, Cursor, Limits, Log, PageLimits};
///
/// let log = Log::new(0xfeed, Limits::default());
/// let page = log.read(Cursor::new(0xbee, 7), PageLimits::default());
/// let gap = page.gap().unwrap();
/// assert_eq!((gap.epoch, gap.first, gap.last), (0xfeed, 1, 0)); // there is nothing
/// let json = r#"{"id":"000000000000feed-0","gap":{"epoch":"000000000000feed","first":1,"last":0}}"#;
/// assert_eq!(gap.line(), format!("{json}\n").as_bytes());
/// assert_eq!(gap.event(), format!("event: gap\nid: 000000000000feed-0\ndata: {json}\n\n").as_bytes());
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The epoch of the log.
    pub epoch: u64,
    /// The first publication that is kept; if there is none, the next that will be.
    pub first: u64,
    /// The last publication; one less than `first` if none is kept.
    pub last: u64,
}

impl Gap {
    /// Where to read on: before the first that is kept.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor::new(self.epoch, self.first.saturating_sub(1))
    }

    /// It as a line of newline-delimited JSON. Made anew by each call.
    #[must_use]
    pub fn line(&self) -> Bytes {
        self.encode().line().clone()
    }

    /// It as a server-sent event named `gap`. Made anew by each call.
    #[must_use]
    pub fn event(&self) -> Bytes {
        self.encode().event().clone()
    }

    /// It as a text message, framed. Made anew by each call.
    #[must_use]
    pub fn websocket(&self) -> Prepared {
        self.encode().websocket()
    }

    pub(super) fn encode(&self) -> Encoded {
        let (Self { epoch, first, last }, id) = (self, self.cursor());
        let json =
            format!(r#"{{"id":"{id}","gap":{{"epoch":"{epoch:016x}","first":{first},"last":{last}}}}}"#);
        Encoded::new("gap", Some(id), &json)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, first, last } = self;
        write!(f, "some publications are gone, from {first} to {last} of {epoch:016x} are left")
    }
}

/// Some publications, as they follow each other in a log.
///
/// First tell the [`gap`](Self::gap) if there is one, then send the [`publications`](Self::publications), and
/// read on after [`cursor`](Self::cursor). It borrows the log: where that is behind a lock, clone the
/// publications (a reference count each) and let go.
#[derive(Debug, Clone, Copy)]
#[must_use = "a gap in it must be told"]
pub struct Page<'a> {
    log: &'a Log,
    gap: Option<Gap>,
    /// How many that are kept come before.
    skip: usize,
    count: usize,
}

impl<'a> Page<'a> {
    pub(super) const fn new(log: &'a Log, gap: Option<Gap>, skip: usize, count: usize) -> Self {
        Self { log, gap, skip, count }
    }

    /// What was missed before the first publication. `None`: nothing, recovery is complete.
    #[must_use]
    pub const fn gap(&self) -> Option<&Gap> {
        self.gap.as_ref()
    }

    /// The publications, oldest first.
    pub fn publications(&self) -> impl Iterator<Item = &'a Publication> + use<'a> {
        self.log.kept(self.skip).take(self.count)
    }

    /// Whether there is nothing to tell: the time to wait for the next publication.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.gap.is_none() && self.count == 0
    }

    /// Whether there are more publications already than fit in.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.cursor() != self.log.cursor()
    }

    /// Where to read on.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let before = self.log.range().cursor();
        let skipped = u64::try_from(self.skip + self.count).unwrap_or(u64::MAX);
        Cursor::new(before.epoch, before.seq.saturating_add(skipped))
    }

    /// It as the body of an answer to a poll, a JSON object. Allocates once, and copies the publications as
    /// they are encoded.
    ///
    /// `epoch`, `first` and `last` tell what the log keeps, as in a [`Gap`]; `gap` whether something was
    /// missed; `cursor` what to give as `after` next; `messages` are the publications.
    ///
    /// ```
    /// use talkback::room::{After, Limits, Log, PageLimits};
    ///
    /// let log = Log::new(0xfeed, Limits::default());
    /// let body = log.read(After::End, PageLimits::default()).to_json();
    /// let head = r#"{"epoch":"000000000000feed","first":1,"last":0,"gap":false,"#;
    /// let rest = r#""cursor":"000000000000feed-0","messages":[]}"#;
    /// assert_eq!(body, format!("{head}{rest}").as_bytes());
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let Gap { epoch, first, last } = self.log.range();
        let (gap, cursor) = (self.gap.is_some(), self.cursor());
        // Each with a comma behind, but the last; and the end.
        let len = self.publications().map(|publication| publication.json().len() + 1).sum::<usize>();
        let mut head = String::with_capacity(MAX_HEAD_LEN + len + 2);
        // A `String` never fails.
        let _ = write!(
            head,
            r#"{{"epoch":"{epoch:016x}","first":{first},"last":{last},"gap":{gap},"cursor":"{cursor}","messages":["#
        );
        let mut body = head.into_bytes();
        for (index, publication) in self.publications().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(publication.json());
        }
        body.extend_from_slice(b"]}");
        body
    }
}
