//! Who is here, as it is told to all: the whole list each time, so that the last one says all.

use std::fmt::Write;

use bytes::Bytes;

use super::super::Presence;
use super::super::encoded::Encoded;
use super::source::piece;
use crate::server::{Form, Source};

/// The last list.
#[derive(Debug)]
pub(super) struct Here {
    /// How many lists there were.
    count: u64,
    last: Encoded,
}

impl Here {
    /// Of a room with nobody in it.
    pub(super) fn new() -> Self {
        Self { count: 1, last: Encoded::new("here", None, r#"{"here":[],"count":0}"#) }
    }

    pub(super) fn publish(&mut self, presence: &Presence, max_count: usize) {
        let list = list(presence, max_count);
        if list.as_bytes() != self.last.json() {
            self.last = Encoded::new("here", None, &list);
            self.count += 1;
        }
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
