//! What the server tells as it goes: events of the crate `tracing`, with the feature of that name; nothing
//! without it. None is told a message: what those are is counted.
#![cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "there is nobody to be told"))]

use std::io;
use std::time::Duration;

use super::{Closed, PeerId};
use crate::http::{Request, Status};

/// A WebSocket connection is open.
pub(super) fn opened(peer: PeerId) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "talkback", %peer, "connection opened");
}

pub(super) fn closed(peer: PeerId, closed: &Closed) {
    #[cfg(feature = "tracing")]
    match closed {
        Closed::Panicked => {
            tracing::error!(target: "talkback", %peer, code = closed.code(), "handler panicked")
        }
        Closed::Overflow => {
            tracing::warn!(target: "talkback", %peer, code = closed.code(), "connection overflowed")
        }
        _ => {
            tracing::debug!(target: "talkback", %peer, code = closed.code(), reason = ?closed, "connection closed")
        }
    }
}

/// A request came. The query isn't told: it may hold what is nobody's business.
pub(super) fn asked(peer: PeerId, request: &Request) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "talkback", %peer, method = request.method(), path = request.path(), "request");
}

/// A request was answered, and not upgraded.
pub(super) fn answered(peer: PeerId, status: Status) {
    #[cfg(feature = "tracing")]
    tracing::debug!(target: "talkback", %peer, status = status.code(), "request answered");
}

/// A message was dropped: too much waits for its receiver. Told once, until he has taken all.
pub(super) fn dropped(peer: PeerId) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "talkback", %peer, "messages dropped");
}

/// No socket can be accepted for a while.
pub(super) fn accept_paused(error: &io::Error, pause: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: "talkback", %error, ?pause, "accepting paused");
}

pub(super) fn draining(connection_count: u64, over: Duration) {
    #[cfg(feature = "tracing")]
    tracing::info!(target: "talkback", connection_count, ?over, "draining");
}
