//! Where rooms are mounted, and within which bounds.

use std::time::Duration;

use super::super::{Limits, PageLimits, PresenceLimits};
use crate::protocol::Deflate;
use crate::server::Cors;

/// Where rooms are mounted, and within which bounds: see [`Rooms`](super::Rooms). Each field has a method of its
/// name to set it.
///
/// ```
/// use talkback::room::{Limits, RoomConfig};
/// use talkback::server::Cors;
///
/// let config = RoomConfig::default().path("/talk").limits(Limits::default().max_count(Some(50))).cors(Cors::any());
/// assert_eq!(config.max_room_count, 10_000);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// The path that the rooms are under, with a slash before and none behind. Default `/rooms`.
    pub path: String,
    /// How many rooms there are at most; one more is refused with 503. Default 10,000. One that nobody is in, and
    /// that keeps nothing any more, is given up.
    pub max_room_count: usize,
    /// What each room keeps.
    pub limits: Limits,
    /// What a poll gets at most.
    pub page_limits: PageLimits,
    /// Bytes of a body that is posted, by its Content-Length; more is refused with 413. Default 1 MiB. A body without
    /// a length is bounded by [`Accept::max_body_len`](crate::Accept::max_body_len) alone, whose refusal pages of
    /// other origins can't read.
    pub max_body_len: u64,
    /// How long a long poll waits at most, whatever it asks for. Default 50 s: proxies cut after 60.
    pub max_wait: Duration,
    /// Who may be here, and say what of itself.
    pub presence_limits: PresenceLimits,
    /// How many of those who are here are listed at most. Default 100; all are counted. The list is told ten times
    /// a second at most, and the less often the more there are and the longer it is, down to once in 5 s.
    pub max_listed_count: usize,
    /// How long somebody is awaited back after its last connection has ended. Default 10 s.
    pub grace: Duration,
    /// How long somebody is here after a poll. Default 60 s.
    pub poll_grace: Duration,
    /// Which pages of other origins may read and publish. Default: none. WebSocket connections are also subject
    /// to the [`Policy`](crate::handshake::Policy) of the server.
    pub cors: Cors,
    /// Has publications compressed, once for all. Default: they aren't.
    pub deflate: Option<Deflate>,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            path: "/rooms".to_owned(),
            max_room_count: 10_000,
            limits: Limits::default(),
            page_limits: PageLimits::default(),
            max_body_len: 1 << 20,
            max_wait: Duration::from_secs(50),
            presence_limits: PresenceLimits::default(),
            max_listed_count: 100,
            grace: Duration::from_secs(10),
            poll_grace: Duration::from_secs(60),
            cors: Cors::same_origin(),
            deflate: None,
        }
    }
}

/// Makes the method that sets a field, with the field's name.
macro_rules! setters {
    ($($field:ident: $type:ty, $what:literal;)*) => { $(
        #[doc = concat!("Sets ", $what, ": see [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )* };
}

impl RoomConfig {
    /// Sets the path that the rooms are under: see [`path`](Self#structfield.path). A slash at its end is left out.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.trim_end_matches('/').clone_into(&mut self.path);
        self
    }

    setters! {
        max_room_count: usize, "how many rooms there may be";
        limits: Limits, "what each room keeps";
        page_limits: PageLimits, "what a poll gets";
        max_body_len: u64, "how long a body may be";
        max_wait: Duration, "how long a long poll waits";
        presence_limits: PresenceLimits, "who may be here";
        max_listed_count: usize, "how many are listed";
        grace: Duration, "how long somebody is awaited back";
        poll_grace: Duration, "how long somebody is here after a poll";
        cors: Cors, "which pages may read and publish";
        deflate: Option<Deflate>, "whether publications are compressed";
    }
}
