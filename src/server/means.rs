//! What a loop lends to the entry whose turn it is.

use super::connection::Hub;
use super::entry::Pool;
use super::timers::{Tick, Ticks};
use super::{Accept, Handler, Overflow};

/// What a loop lends to the entry whose turn it is.
pub(super) struct Means<H: Handler> {
    pub(super) handler: H,
    pub(super) hub: Hub,
    /// What everything is read into.
    pub(super) buffer: Vec<u8>,
    pub(super) pool: Pool,
    pub(super) accept: Accept,
    pub(super) overflow: Overflow,
    pub(super) timeouts: Timeouts,
    pub(super) now: Tick,
    /// Those that were given something from outside, to be written at the end of the turn.
    pub(super) unflushed: Vec<u32>,
}

/// The deadlines of all connections, in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) handshake: Ticks,
    pub(super) ping: Ticks,
    pub(super) idle: Ticks,
    pub(super) write: Ticks,
    pub(super) close: Ticks,
    pub(super) linger: Ticks,
    pub(super) body: Ticks,
}

impl Timeouts {
    pub(super) fn new(accept: &Accept) -> Self {
        let config = &accept.config;
        Self {
            handshake: Ticks::of(accept.handshake_timeout),
            ping: Ticks::of(config.ping_interval),
            idle: Ticks::of(config.idle_timeout),
            write: Ticks::of(config.write_timeout),
            close: Ticks::of(config.close_timeout),
            linger: Ticks::of(config.linger_timeout),
            body: Ticks::of(accept.body_timeout),
        }
    }
}
