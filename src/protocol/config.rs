//! What a connection allows: one place for every limit and deadline.

use core::time::Duration;

use super::{Deflate, as_u64};
use crate::frame::{MAX_CONTROL_LEN, MAX_HEADER_LEN};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The most bytes a receive window grows to, for large frames.
pub(super) const MAX_WINDOW_LEN: usize = 256 * KIB;
/// The least that a receive window may grow to. A control frame is taken when it is there
/// whole: in less, it would wait for ever for room to come.
const MIN_WINDOW_LEN: usize = MAX_HEADER_LEN + MAX_CONTROL_LEN;

/// Limits and deadlines of a connection.
///
/// Everywhere `None` means "without this limit"; 0 is a limit of nothing. Each field has a
/// method of its name to set it.
///
/// ```
/// use std::time::Duration;
/// use talkback::protocol::Config;
///
/// let config = Config::default()
///     .max_message_len(Some(64 * 1024))
///     .ping_interval(Some(Duration::from_secs(20)));
/// assert_eq!(config.max_message_len, Some(65_536));
/// assert_eq!(config.close_timeout, Some(Duration::from_secs(5)));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Bytes of payload in a message received, all its fragments together. Default 16 MiB.
    /// Past it: close 1009, as soon as a header announces it.
    pub max_message_len: Option<usize>,
    /// Bytes of payload in a frame received. Default `None`: what a message may have.
    /// Past it: close 1009, from the header.
    pub max_frame_len: Option<usize>,
    /// Frames of one message received, empty ones counted. Default 131,072. Past it: close 1009.
    pub max_fragment_count: Option<u32>,
    /// Bytes of output not sent yet. Default 1 MiB. While there are more, a message to send
    /// is refused with [`SendError::Full`](super::SendError::Full); one message may step over it.
    pub max_output_len: Option<usize>,
    /// Bytes that a peer can make this connection hold: the receive window, the message
    /// being gathered, and the unsent output. Default `None`: the sum of the single limits.
    /// With a budget, a message may have at most half of it, the window and the output at
    /// most a quarter each, and the single limits hold besides. The window always has room
    /// for a control frame, 139 bytes, however small the budget.
    pub memory_budget: Option<usize>,
    /// Whether and how messages are compressed, if the peer agrees. Default: private states,
    /// which suits a client; [`Accept`](crate::server::Accept) has shared ones by default.
    /// Without the feature `deflate` it is of no effect.
    pub deflate: Option<Deflate>,
    /// Silence from the peer after which a ping is sent. Default 30 s.
    pub ping_interval: Option<Duration>,
    /// Silence from the peer after which it is given up. Default 60 s.
    pub idle_timeout: Option<Duration>,
    /// How long a write may make no progress. Default 30 s. Kept by the layers that write.
    pub write_timeout: Option<Duration>,
    /// How long our close may stay unanswered; twice that while the peer goes on sending what
    /// it had begun. Default 5 s.
    pub close_timeout: Option<Duration>,
    /// After the closing handshake, how long to wait for the peer to end TCP, and how long
    /// a refused peer is listened to, so that it gets to read why. Default 2 s.
    pub linger_timeout: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_len: Some(16 * MIB),
            max_frame_len: None,
            max_fragment_count: Some(131_072),
            max_output_len: Some(MIB),
            memory_budget: None,
            deflate: Some(Deflate::private()),
            ping_interval: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(60)),
            write_timeout: Some(Duration::from_secs(30)),
            close_timeout: Some(Duration::from_secs(5)),
            linger_timeout: Some(Duration::from_secs(2)),
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

impl Config {
    setters! {
        max_message_len: Option<usize>, "the limit of a message";
        max_frame_len: Option<usize>, "the limit of a frame";
        max_fragment_count: Option<u32>, "the limit of a message's frames";
        max_output_len: Option<usize>, "the limit of unsent output";
        memory_budget: Option<usize>, "the limit of all that is held";
        deflate: Option<Deflate>, "how messages are compressed";
        ping_interval: Option<Duration>, "the silence before a ping";
        idle_timeout: Option<Duration>, "the silence before giving up";
        write_timeout: Option<Duration>, "the deadline of a write";
        close_timeout: Option<Duration>, "the deadline of a close";
        linger_timeout: Option<Duration>, "the deadline of TCP's end";
    }

    /// The message limit in force.
    pub(super) fn message_len_limit(&self) -> u64 {
        within_budget(self.max_message_len, self.memory_budget, 2)
    }

    /// The frame limit in force.
    pub(super) fn frame_len_limit(&self) -> u64 {
        self.max_frame_len.map_or(u64::MAX, as_u64).min(self.message_len_limit())
    }

    /// The output limit in force.
    pub(crate) fn output_len_limit(&self) -> u64 {
        within_budget(self.max_output_len, self.memory_budget, 4)
    }

    /// How far the receive window may grow.
    pub(super) fn window_len_limit(&self) -> usize {
        self.memory_budget.map_or(MAX_WINDOW_LEN, |budget| (budget / 4).clamp(MIN_WINDOW_LEN, MAX_WINDOW_LEN))
    }
}

fn within_budget(limit: Option<usize>, budget: Option<usize>, share: usize) -> u64 {
    let budget = budget.map_or(u64::MAX, |budget| as_u64(budget / share));
    limit.map_or(u64::MAX, as_u64).min(budget)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_covers_its_parts() {
        let config = Config::default().memory_budget(Some(100_000));
        assert_eq!(config.message_len_limit(), 50_000);
        assert_eq!(config.frame_len_limit(), 50_000);
        assert_eq!(config.output_len_limit(), 25_000);
        assert_eq!(config.window_len_limit(), 25_000);
        let config = config.max_message_len(Some(10)).max_frame_len(Some(7)).max_output_len(Some(20));
        assert_eq!(
            (config.message_len_limit(), config.frame_len_limit(), config.output_len_limit()),
            (10, 7, 20)
        );
    }

    #[test]
    fn the_window_has_room_for_a_control_frame_whatever_the_budget() {
        let window_len = |budget| Config::default().memory_budget(Some(budget)).window_len_limit();
        assert_eq!((window_len(0), window_len(4 * 139), window_len(4 * 140)), (139, 139, 140));
        assert_eq!(window_len(usize::MAX), MAX_WINDOW_LEN);
    }

    #[test]
    fn none_is_without_limit_and_zero_is_nothing() {
        let config = Config::default().max_message_len(None).max_output_len(Some(0));
        assert_eq!((config.message_len_limit(), config.output_len_limit()), (u64::MAX, 0));
    }
}
