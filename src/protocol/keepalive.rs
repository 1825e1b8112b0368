//! When to ping, and when to give up. The clock is an argument.

use core::time::Duration;
use std::time::Instant;

use super::Config;

/// What is due: see [`Keepalive::handle_timeout`].
///
/// ```
/// use std::time::{Duration, Instant};
/// use talkback::protocol::{Beat, Config, Keepalive};
///
/// let start = Instant::now();
/// let mut keepalive = Keepalive::new(&Config::default(), start);
/// assert_eq!(keepalive.handle_timeout(start + Duration::from_secs(30)), Some(Beat::Ping));
/// assert_eq!(keepalive.handle_timeout(start + Duration::from_secs(60)), Some(Beat::Idle));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Nothing came for `ping_interval`: send a ping. Told once a silence.
    Ping,
    /// Nothing came for `idle_timeout`: the peer is gone. End TCP.
    Idle,
    /// Our close was not answered within `close_timeout`. End TCP.
    CloseUnanswered,
    /// Both closes are through, and TCP is still open after `linger_timeout`. End it.
    Linger,
}

/// The deadlines of an open connection, without a clock of its own.
///
/// Call `handle_*` when something happened; wait until
/// [`poll_timeout`](Self::poll_timeout) at most, then call
/// [`handle_timeout`](Self::handle_timeout) and do what it says.
///
/// ```
/// use std::time::{Duration, Instant};
/// use talkback::protocol::{Beat, Config, Keepalive};
///
/// let start = Instant::now();
/// let second = Duration::from_secs(1);
/// let mut keepalive = Keepalive::new(&Config::default(), start);
/// assert_eq!(keepalive.poll_timeout(), Some(start + 30 * second));
/// keepalive.handle_input(start + 10 * second);
/// assert_eq!(keepalive.handle_timeout(start + 30 * second), None);
/// assert_eq!(keepalive.poll_timeout(), Some(start + 40 * second));
/// ```
#[derive(Debug, Clone)]
pub struct Keepalive {
    ping_interval: Option<Duration>,
    idle_timeout: Option<Duration>,
    close_timeout: Option<Duration>,
    linger_timeout: Option<Duration>,
    last_input: Instant,
    /// When the ping into this silence was sent.
    pinged_at: Option<Instant>,
    /// When the closing handshake, or TCP after it, must have ended.
    closing: Option<(Instant, Beat)>,
}

impl Keepalive {
    /// The deadlines of `config`, from `now` on.
    #[must_use]
    pub const fn new(config: &Config, now: Instant) -> Self {
        Self {
            ping_interval: config.ping_interval,
            idle_timeout: config.idle_timeout,
            close_timeout: config.close_timeout,
            linger_timeout: config.linger_timeout,
            last_input: now,
            pinged_at: None,
            closing: None,
        }
    }

    /// Bytes came from the peer.
    pub const fn handle_input(&mut self, now: Instant) {
        self.last_input = now;
        self.pinged_at = None;
    }

    /// Our close was sent, and the peer's has not come. Later calls change nothing.
    pub fn handle_close_sent(&mut self, now: Instant) {
        if let (None, Some(timeout)) = (self.closing, self.close_timeout) {
            self.closing = now.checked_add(timeout).map(|at| (at, Beat::CloseUnanswered));
        }
    }

    /// Both closes are through: what is left is the end of TCP.
    pub fn handle_closed(&mut self, now: Instant) {
        self.closing =
            self.linger_timeout.and_then(|timeout| Some((now.checked_add(timeout)?, Beat::Linger)));
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None`: nothing is due,
    /// ever, as it stands.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due().map(|(at, _)| at)
    }

    /// What is due at `now`; `None`: nothing yet.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Beat> {
        let (_, beat) = self.due().filter(|(at, _)| *at <= now)?;
        if beat == Beat::Ping {
            self.pinged_at = Some(now);
        }
        Some(beat)
    }

    /// A ping that was sent late, because nobody asked for the time, leaves the peer as long
    /// to answer as one that was sent in time.
    fn answer_due(&self) -> Option<Instant> {
        let time_to_answer = self.idle_timeout?.saturating_sub(self.ping_interval?);
        self.pinged_at?.checked_add(time_to_answer)
    }

    fn due(&self) -> Option<(Instant, Beat)> {
        if self.closing.is_some() {
            return self.closing;
        }
        let after = |silence: Option<Duration>| self.last_input.checked_add(silence?);
        let ping = after(self.ping_interval).filter(|_| self.pinged_at.is_none()).map(|at| (at, Beat::Ping));
        let idle = after(self.idle_timeout).max(self.answer_due()).map(|at| (at, Beat::Idle));
        match (ping, idle) {
            (Some(ping), Some(idle)) => Some(if ping.0 < idle.0 { ping } else { idle }),
            (ping, idle) => ping.or(idle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_silence_is_pinged_into_once_and_then_ends() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&Config::default(), start);
        let just_before = |seconds| start + seconds * SECOND - Duration::from_nanos(1);
        assert_eq!(keepalive.handle_timeout(just_before(30)), None);
        assert_eq!(keepalive.handle_timeout(start + 30 * SECOND), Some(Beat::Ping));
        assert_eq!(keepalive.handle_timeout(start + 30 * SECOND), None);
        assert_eq!(keepalive.poll_timeout(), Some(start + 60 * SECOND));
        assert_eq!(keepalive.handle_timeout(just_before(60)), None);
        assert_eq!(keepalive.handle_timeout(start + 60 * SECOND), Some(Beat::Idle));
    }

    #[test]
    fn input_begins_a_new_silence() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&Config::default(), start);
        assert_eq!(keepalive.handle_timeout(start + 30 * SECOND), Some(Beat::Ping));
        keepalive.handle_input(start + 31 * SECOND);
        assert_eq!(keepalive.poll_timeout(), Some(start + 61 * SECOND));
        assert_eq!(keepalive.handle_timeout(start + 61 * SECOND), Some(Beat::Ping));
    }

    #[test]
    fn a_close_has_five_seconds_and_tcp_two() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&Config::default(), start);
        keepalive.handle_close_sent(start);
        keepalive.handle_close_sent(start + SECOND); // changes nothing
        keepalive.handle_input(start + 4 * SECOND); // nor does input
        assert_eq!(keepalive.poll_timeout(), Some(start + 5 * SECOND));
        assert_eq!(keepalive.handle_timeout(start + 5 * SECOND), Some(Beat::CloseUnanswered));
        keepalive.handle_closed(start + 5 * SECOND);
        assert_eq!(keepalive.handle_timeout(start + 7 * SECOND), Some(Beat::Linger));
    }

    #[test]
    fn a_late_ping_leaves_as_long_to_answer() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&Config::default(), start);
        assert_eq!(keepalive.handle_timeout(start + 100 * SECOND), Some(Beat::Ping));
        assert_eq!(keepalive.handle_timeout(start + 130 * SECOND - Duration::from_nanos(1)), None);
        assert_eq!(keepalive.handle_timeout(start + 130 * SECOND), Some(Beat::Idle));
        keepalive.handle_input(start + 130 * SECOND);
        assert_eq!(keepalive.poll_timeout(), Some(start + 160 * SECOND));
    }

    #[test]
    fn a_deadline_beyond_time_is_none() {
        let start = Instant::now();
        let endless = Some(Duration::MAX);
        let config = Config::default().ping_interval(endless).idle_timeout(endless).close_timeout(endless);
        let mut keepalive = Keepalive::new(&config, start);
        keepalive.handle_close_sent(start);
        assert_eq!(keepalive.poll_timeout(), None);
    }

    #[test]
    fn each_deadline_can_be_off() {
        let start = Instant::now();
        let off = Config::default().ping_interval(None).idle_timeout(None).close_timeout(None);
        let mut keepalive = Keepalive::new(&off, start);
        keepalive.handle_close_sent(start);
        assert_eq!(keepalive.poll_timeout(), None);
        let only_idle = Config::default().ping_interval(None);
        assert_eq!(Keepalive::new(&only_idle, start).poll_timeout(), Some(start + 60 * SECOND));
    }
}
