//! Who is here: a table of clients, each with what it says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::json::OneLine;
use super::{ClientId, JsonError, PresenceLimits};

/// How long a client is awaited back at most, whatever grace it is given: a day. Longer ones are cut to it, so
/// that none is past what a clock can tell, and nobody keeps a place for ever.
pub const MAX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// The clients in a room, with a state each (a name, a colour: any JSON) and a count of connections.
///
/// A client is here from its first connection until a grace time after its last has ended: one that comes
/// back within it was never gone, and nobody is told. What others are to be told is returned.
///
/// Nothing here reads a clock: call [`expire`](Self::expire) when [`poll_timeout`](Self::poll_timeout) says.
/// Every call takes time logarithmic in the number of clients.
///
/// ```
/// use std::time::{Duration, Instant};
/// use talkback::room::{ClientId, Presence, PresenceEvent, PresenceLimits};
///
/// let mut presence = Presence::new(PresenceLimits::default());
/// let ada = ClientId::new("ada")?;
/// let state = serde_json::value::to_raw_value("Ada")?;
/// let joined = presence.join(&ada, &state)?;
/// assert!(matches!(joined, Some(PresenceEvent::Joined { state, .. }) if &*state == "\"Ada\""));
///
/// let (now, grace) = (Instant::now(), Duration::from_secs(5));
/// assert_eq!(presence.leave(now, &ada, grace), None); // perhaps it comes back
/// assert_eq!(presence.poll_timeout(), Some(now + grace));
/// assert_eq!(presence.expire(now + grace), [PresenceEvent::Left { client: ada }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Presence {
    limits: PresenceLimits,
    clients: BTreeMap<ClientId, Client>,
    /// Those without a connection, by when they are given up: each `leaves_at` of `clients` once.
    leaving: BTreeSet<(Instant, ClientId)>,
}

#[derive(Debug, Clone)]
struct Client {
    state: Arc<str>,
    connection_count: usize,
    leaves_at: Option<Instant>,
}

/// What the others in a room are to be told.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceEvent {
    /// A client is here that was not.
    Joined {
        /// Which one.
        client: ClientId,
        /// Its state, as JSON in one line.
        state: Arc<str>,
    },
    /// A client is not here any more.
    Left {
        /// Which one.
        client: ClientId,
    },
    /// A client's state is another one.
    Updated {
        /// Whose.
        client: ClientId,
        /// Its state, as JSON in one line.
        state: Arc<str>,
    },
}

/// A client that is here: see [`Presence::members`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Which one.
    pub client: &'a ClientId,
    /// Its state, as JSON in one line.
    pub state: &'a str,
    /// How many connections it has; 0 while it is awaited back.
    pub connection_count: usize,
}

impl Presence {
    /// A room with nobody in it. Allocates nothing.
    #[must_use]
    pub const fn new(limits: PresenceLimits) -> Self {
        Self { limits, clients: BTreeMap::new(), leaving: BTreeSet::new() }
    }

    /// Counts a connection of a client in. Every call that succeeds is to be followed by one of
    /// [`leave`](Self::leave).
    ///
    /// `None`: it was here, with the same state.
    ///
    /// # Errors
    /// Nothing is counted then.
    /// - [`PresenceError::StateTooLong`] if the state is longer than allowed.
    /// - [`PresenceError::State`] if the state is JSON that some readers would refuse.
    /// - [`PresenceError::TooManyClients`] if it was not here, and no more may come.
    pub fn join(
        &mut self,
        client: &ClientId,
        state: &RawValue,
    ) -> Result<Option<PresenceEvent>, PresenceError> {
        let state = self.check_state(state)?;
        self.enter(client, Some(state))
    }

    /// As [`join`](Self::join), of one that says nothing of itself: what it said before stays, or it is `null`.
    #[cfg(feature = "server")]
    pub(super) fn join_as_before(
        &mut self,
        client: &ClientId,
    ) -> Result<Option<PresenceEvent>, PresenceError> {
        self.enter(client, None)
    }

    fn enter(
        &mut self,
        client: &ClientId,
        state: Option<OneLine<'_>>,
    ) -> Result<Option<PresenceEvent>, PresenceError> {
        if let Some(here) = self.clients.get_mut(client) {
            here.connection_count = here.connection_count.saturating_add(1);
            if let Some(leaves_at) = here.leaves_at.take() {
                self.leaving.remove(&(leaves_at, client.clone()));
            }
            return Ok(state.and_then(|state| here.update(client, state)));
        }
        if let Some(max) = self.limits.max_client_count.filter(|max| self.clients.len() >= *max) {
            return Err(PresenceError::TooManyClients { max });
        }
        let state: Arc<str> = state.map_or_else(|| "null".into(), |state| state.text().into());
        let here = Client { state: state.clone(), connection_count: 1, leaves_at: None };
        self.clients.insert(client.clone(), here);
        Ok(Some(PresenceEvent::Joined { client: client.clone(), state }))
    }

    /// Counts a connection of a client out. Once it has none, it is gone after `grace`, at most
    /// [`MAX_GRACE`]: at once if that is zero, as for one that said farewell.
    ///
    /// One that is awaited back has no connection to count out. Then a `grace` of zero ends the waiting, as
    /// for a farewell that comes after the connection was lost; any other changes nothing.
    ///
    /// `None`: it is still here, or awaited back, or it was not here.
    pub fn leave(&mut self, now: Instant, client: &ClientId, grace: Duration) -> Option<PresenceEvent> {
        let here = self.clients.get_mut(client)?;
        let was_awaited = here.connection_count == 0;
        here.connection_count = here.connection_count.saturating_sub(1);
        if here.connection_count > 0 {
            return None;
        }
        if grace.is_zero() {
            let awaited = here.leaves_at.map(|leaves_at| (leaves_at, client.clone()));
            if let Some(awaited) = awaited {
                self.leaving.remove(&awaited);
            }
            self.clients.remove(client);
            return Some(PresenceEvent::Left { client: client.clone() });
        }
        if !was_awaited {
            // A clock that ends before that has them leave now: nobody must stay for ever.
            let leaves_at = now.checked_add(grace.min(MAX_GRACE)).unwrap_or(now);
            here.leaves_at = Some(leaves_at);
            self.leaving.insert((leaves_at, client.clone()));
        }
        None
    }

    /// Changes what a client says of itself. `None`: it said the same before.
    ///
    /// # Errors
    /// - [`PresenceError::StateTooLong`] if the state is longer than allowed.
    /// - [`PresenceError::State`] if the state is JSON that some readers would refuse.
    /// - [`PresenceError::NotHere`] if the client is not here.
    pub fn update(
        &mut self,
        client: &ClientId,
        state: &RawValue,
    ) -> Result<Option<PresenceEvent>, PresenceError> {
        let state = self.check_state(state)?;
        let here = self.clients.get_mut(client).ok_or(PresenceError::NotHere)?;
        Ok(here.update(client, state))
    }

    /// Gives up those who did not come back in time: their leaving, in that order.
    pub fn expire(&mut self, now: Instant) -> Vec<PresenceEvent> {
        let mut left = Vec::new();
        while self.poll_timeout().is_some_and(|leaves_at| leaves_at <= now)
            && let Some((_, client)) = self.leaving.pop_first()
        {
            self.clients.remove(&client);
            left.push(PresenceEvent::Left { client });
        }
        left
    }

    /// When to call [`expire`](Self::expire). `None`: nobody is awaited back.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.leaving.first().map(|(leaves_at, _)| *leaves_at)
    }

    /// Those who are here, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.clients.iter().map(|(client, here)| Member {
            client,
            state: &here.state,
            connection_count: here.connection_count,
        })
    }

    /// How many clients are here, those that are awaited back among them.
    #[must_use]
    pub fn count(&self) -> usize {
        self.clients.len()
    }

    fn check_state<'a>(&self, state: &'a RawValue) -> Result<OneLine<'a>, PresenceError> {
        let len = state.get().len();
        match self.limits.max_state_len {
            Some(max) if len > max => Err(PresenceError::StateTooLong { len, max }),
            _ => Ok(OneLine::new(state)?),
        }
    }
}

impl Client {
    fn update(&mut self, client: &ClientId, state: OneLine<'_>) -> Option<PresenceEvent> {
        let state = state.text();
        if *state == *self.state {
            return None;
        }
        self.state = state.into();
        Some(PresenceEvent::Updated { client: client.clone(), state: self.state.clone() })
    }
}

/// Why somebody can't be here, or not so.
///
/// ```
/// use talkback::room::{ClientId, Presence, PresenceError, PresenceLimits};
///
/// let mut presence = Presence::new(PresenceLimits::default().max_state_len(Some(4)));
/// let state = serde_json::value::to_raw_value("Ada")?;
/// let error = presence.join(&ClientId::new("ada")?, &state).unwrap_err();
/// assert_eq!(error, PresenceError::StateTooLong { len: 5, max: 4 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceError {
    /// The room is full: nobody's fault, it may be tried again later.
    TooManyClients {
        /// How many clients may be in it.
        max: usize,
    },
    /// The state is too long: the client's fault.
    StateTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is allowed.
        max: usize,
    },
    /// Some readers would refuse the state: the client's fault.
    State(JsonError),
    /// The client is not in the room: the caller's fault.
    NotHere,
}

impl From<JsonError> for PresenceError {
    fn from(error: JsonError) -> Self {
        Self::State(error)
    }
}

impl fmt::Display for PresenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyClients { max } => write!(f, "the room has {max} clients already"),
            Self::StateTooLong { len, max } => write!(f, "a state of {len} bytes is over the limit of {max}"),
            Self::State(_) => f.write_str("the state of a client is not fit for every reader"),
            Self::NotHere => f.write_str("the client is not in the room"),
        }
    }
}

impl std::error::Error for PresenceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State(error) => Some(error),
            Self::TooManyClients { .. } | Self::StateTooLong { .. } | Self::NotHere => None,
        }
    }
}
