//! Who is measured.

#[cfg(feature = "rivals")]
mod asynchronous;
mod baselines;
#[cfg(feature = "rivals")]
mod fastwebsockets;
mod limit;
mod ours;
#[cfg(feature = "rivals")]
mod sockudo;
#[cfg(feature = "rivals")]
mod tokio_websockets;
#[cfg(feature = "rivals")]
mod tungstenite;
#[cfg(feature = "rivals")]
mod wtx;
#[cfg(feature = "rivals")]
mod yawc;

use crate::wire::Setup;
use crate::workload::Row;

/// One that has been set up for a row.
pub trait Running {
    /// Receives, or sends, so many messages. A received one is shown to the inbox; one that
    /// was sent has been given to the wire when the next one is begun.
    fn run(&mut self, count: usize);
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A hand-written program that does nothing but the work.
    Limit,
    Ours,
    Rival,
    /// The encoder of a rival without its connection: not what its users call to send.
    Encoder,
    /// A part of the work.
    Baseline,
}

#[derive(Clone, Copy)]
pub struct Contestant {
    pub name: &'static str,
    pub place: Place,
    /// `None`: it takes no part in this row.
    pub open: fn(Row, Setup) -> Option<Box<dyn Running>>,
}

pub fn all() -> Vec<Contestant> {
    let contestant = |name, place, open| Contestant { name, place, open };
    vec![
        contestant("LIMIT", Place::Limit, limit::open as _),
        contestant("talkback", Place::Ours, ours::open_protocol as _),
        contestant("talkback, blocking", Place::Ours, ours::open_blocking as _),
        #[cfg(feature = "rivals")]
        contestant("tungstenite", Place::Rival, tungstenite::open as _),
        #[cfg(feature = "rivals")]
        contestant("fastwebsockets", Place::Rival, fastwebsockets::open as _),
        #[cfg(feature = "rivals")]
        contestant("tokio-websockets", Place::Rival, tokio_websockets::open as _),
        #[cfg(feature = "rivals")]
        contestant("wtx", Place::Rival, wtx::open as _),
        #[cfg(feature = "rivals")]
        contestant("yawc", Place::Rival, yawc::open as _),
        #[cfg(feature = "rivals")]
        contestant("yawc, encoder", Place::Encoder, yawc::open_encoder as _),
        #[cfg(feature = "rivals")]
        contestant("sockudo-ws", Place::Rival, sockudo::open as _),
        #[cfg(feature = "rivals")]
        contestant("sockudo-ws, encoder", Place::Encoder, sockudo::open_encoder as _),
        contestant("memcpy", Place::Baseline, baselines::open_copy as _),
        contestant("memcpy+xor", Place::Baseline, baselines::open_mask as _),
        contestant("simdutf8", Place::Baseline, baselines::open_check as _),
    ]
}
