//! A table of who is here, and a plain model beside it: a list that is searched from end to end.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use talkback::room::{ClientId, MAX_GRACE, Presence, PresenceError, PresenceEvent, PresenceLimits};

struct Entry {
    client: u8,
    state: String,
    connection_count: usize,
    leaves_at: Duration,
}

pub(crate) struct Table {
    limits: PresenceLimits,
    presence: Presence,
    start: Instant,
    elapsed: Duration,
    entries: Vec<Entry>,
}

fn id(client: u8) -> ClientId {
    ClientId::new(&format!("{client:03}")).unwrap()
}

/// A state of this length, at least two.
fn state(len: usize) -> Box<RawValue> {
    RawValue::from_string(format!(
        "[{}]",
        "\n".repeat(len % 2) + &" ".repeat(len.saturating_sub(2 + len % 2))
    ))
    .unwrap()
}

fn told(state: &RawValue) -> String {
    state.get().replace('\n', "")
}

impl Table {
    pub(crate) fn new(limits: PresenceLimits) -> Self {
        let (start, elapsed) = (Instant::now(), Duration::ZERO);
        Self { limits, presence: Presence::new(limits), start, elapsed, entries: vec![] }
    }

    pub(crate) fn pass(&mut self, elapsed: Duration) {
        self.elapsed += elapsed;
    }

    fn refusal(&self, state: &RawValue) -> Option<PresenceError> {
        let len = state.get().len();
        self.limits.max_state_len.filter(|max| len > *max).map(|max| PresenceError::StateTooLong { len, max })
    }

    pub(crate) fn join(&mut self, client: u8, state_len: usize) {
        let state = state(state_len);
        let result = self.presence.join(&id(client), &state);
        let refusal = self.refusal(&state);
        if let Some(error) = refusal {
            assert_eq!(result, Err(error));
        } else if let Some(entry) = self.entries.iter_mut().find(|entry| entry.client == client) {
            entry.connection_count += 1;
            assert_eq!(result, Ok(updated(entry, &state)));
        } else if let Some(max) = self.limits.max_client_count.filter(|max| self.entries.len() >= *max) {
            assert_eq!(result, Err(PresenceError::TooManyClients { max }));
        } else {
            let (state, leaves_at) = (told(&state), Duration::ZERO);
            let joined = PresenceEvent::Joined { client: id(client), state: state.as_str().into() };
            assert_eq!(result, Ok(Some(joined)));
            self.entries.push(Entry { client, state, connection_count: 1, leaves_at });
        }
        self.check();
    }

    pub(crate) fn update(&mut self, client: u8, state_len: usize) {
        let state = state(state_len);
        let result = self.presence.update(&id(client), &state);
        let refusal = self.refusal(&state);
        match self.entries.iter_mut().find(|entry| entry.client == client) {
            _ if refusal.is_some() => assert_eq!(result.err(), refusal),
            None => assert_eq!(result, Err(PresenceError::NotHere)),
            Some(entry) => assert_eq!(result, Ok(updated(entry, &state))),
        }
        self.check();
    }

    pub(crate) fn leave(&mut self, client: u8, grace: Duration) {
        let event = self.presence.leave(self.start + self.elapsed, &id(client), grace);
        let mut expected = None;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.client == client) {
            if entry.connection_count > 0 {
                entry.connection_count -= 1;
                entry.leaves_at = self.elapsed + grace.min(MAX_GRACE);
            }
            if entry.connection_count == 0 && grace.is_zero() {
                self.entries.retain(|entry| entry.client != client);
                expected = Some(PresenceEvent::Left { client: id(client) });
            }
        }
        assert_eq!(event, expected);
        self.check();
    }

    pub(crate) fn expire(&mut self) {
        let events = self.presence.expire(self.start + self.elapsed);
        let is_due = |entry: &Entry| entry.connection_count == 0 && entry.leaves_at <= self.elapsed;
        let mut due: Vec<_> = self.entries.iter().filter(|entry| is_due(entry)).collect();
        due.sort_by_key(|entry| (entry.leaves_at, entry.client));
        let left: Vec<_> = due.iter().map(|entry| PresenceEvent::Left { client: id(entry.client) }).collect();
        assert_eq!(events, left);
        self.entries.retain(|entry| !is_due(entry));
        self.check();
    }

    fn check(&self) {
        let mut expected: Vec<_> = self.entries.iter().collect();
        expected.sort_by_key(|entry| entry.client);
        assert_eq!(self.presence.count(), expected.len());
        for (member, entry) in self.presence.members().zip(&expected) {
            assert_eq!((member.client, member.state), (&id(entry.client), entry.state.as_str()));
            assert_eq!(member.connection_count, entry.connection_count);
        }
        let leaving = expected.iter().filter(|entry| entry.connection_count == 0);
        let next = leaving.map(|entry| self.start + entry.leaves_at).min();
        assert_eq!(self.presence.poll_timeout(), next);
    }
}

/// What an entry's new state is to be told as, if it is another one.
fn updated(entry: &mut Entry, state: &RawValue) -> Option<PresenceEvent> {
    let state = told(state);
    let is_other = entry.state != state;
    entry.state = state;
    is_other.then(|| PresenceEvent::Updated { client: id(entry.client), state: entry.state.as_str().into() })
}
