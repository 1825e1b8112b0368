//! What was published lately, so that it is recognised when it is sent again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::{ClientId, MessageId};

type Name = (ClientId, MessageId);

/// The names of the last publications, in order and without a hole: those that are kept, and some before.
#[derive(Debug, Default)]
pub(super) struct Memory {
    names: VecDeque<(Instant, Name)>,
    seqs: HashMap<Name, u64>,
}

impl Memory {
    /// The sequence number of the publication with this name.
    pub(super) fn find(&self, name: &Name) -> Option<u64> {
        self.seqs.get(name).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Remembers a publication that it had not found.
    pub(super) fn insert(&mut self, now: Instant, name: Name, seq: u64) {
        self.names.push_back((now, name.clone()));
        self.seqs.insert(name, seq);
    }

    /// Forgets what is not kept any more, and is one too many or too old.
    pub(super) fn trim(
        &mut self,
        kept_count: usize,
        max_count: Option<usize>,
        is_old: impl Fn(Instant) -> bool,
    ) {
        while let Some((published, name)) = self.names.front()
            && self.names.len() > kept_count
            && (max_count.is_some_and(|max| self.names.len() > max) || is_old(*published))
        {
            self.seqs.remove(name);
            self.names.pop_front();
        }
    }

    /// When the oldest of it will be `max_age` old. `None`: there is nothing, or that is too far off to tell.
    pub(super) fn poll_timeout(&self, max_age: Duration) -> Option<Instant> {
        self.names.front().and_then(|(published, _)| published.checked_add(max_age))
    }
}
