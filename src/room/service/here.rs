//! Who is here, as it is told to all: the whole list each time, so that the last one says all.

use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::Presence;
use super::super::encoded::Encoded;
use super::source::piece;
use crate::server::{Form, Source};

/// What lists may take in the long run, in bytes a millisecond.
const MAX_LEN_PER_MS: u64 = 16 * 1024;
/// How long a list may be out of date, whatever it takes.
const MAX_REST: Duration = Duration::from_secs(5);

/// The last list.
#[derive(Debug)]
pub(super) struct Here {
    /// How many lists there were.
    count: u64,
    last: Encoded,
    /// Until then it isn't told again: the larger the room, the longer.
    rests_until: Option<Instant>,
}

impl Here {
    /// Of a room with nobody in it.
    pub(super) fn new() -> Self {
        let last = Encoded::new("here", None, r#"{"here":[],"count":0}"#);
        Self { count: 1, last, rests_until: None }
    }

    pub(super) fn publish(&mut self, presence: &Presence, max_count: usize, now: Instant) {
        let list = list(presence, max_count);
        if list.as_bytes() != self.last.json() {
            self.last = Encoded::new("here", None, &list);
            self.count += 1;
            self.rests_until = now.checked_add(rest(list.len(), presence.count()));
        }
    }

    /// Whether it was told too short ago.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    pub(super) fn json(&self) -> &[u8] {
        self.last.json()
    }
}

impl Source for Here {
    fn last(&self) -> u64 {
        self.count
    }

    fn before_kept(&self) -> u64 {
        self.count - 1
    }

    fn pieces(&self, skip: usize, form: &Form) -> Box<dyn Iterator<Item = Bytes> + '_> {
        Box::new((skip == 0).then(|| piece(&self.last, form)).into_iter())
    }
}

/// How long it is not told again: a list goes to all that are in it, so that a crowd that comes and goes would
/// else cost the square of its number.
fn rest(len: usize, client_count: usize) -> Duration {
    let bytes = u64::try_from(len.saturating_mul(client_count)).unwrap_or(u64::MAX);
    Duration::from_millis(bytes / MAX_LEN_PER_MS).min(MAX_REST)
}

fn list(presence: &Presence, max_count: usize) -> String {
    let mut list = r#"{"here":["#.to_owned();
    for (index, member) in presence.members().take(max_count).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let client = super::super::publication::Quoted(member.client.as_str());
        // A `String` never fails.
        let _ = write!(list, r#"{comma}{{"client":{client},"state":{}}}"#, member.state);
    }
    let _ = write!(list, r#"],"count":{}}}"#, presence.count());
    list
}
