//! Requests that are held until there is an answer: long polls, and work of other threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::entry::{Entry, Stage, Unsent};
use super::head::{Awaits, Holding};
use super::means::Means;
use super::peer::{Command, PeerState, Slot};
use super::requests::Asked;
use super::timers::Ticks;
use super::turn::GoesOn;
use super::{Handler, PeerId};
use crate::http::{Request, Response};

/// How long a request is held, and what it gets if nobody answers it.
///
/// That response is sent when the time is up, when the [`Held`] is dropped, when the server is drained (with
/// `Connection: close`), and at once to a HEAD, which is never held. For a poll it says that there is nothing
/// new; for work it should say that the work was not done, by a 503.
///
/// ```
/// use std::time::Duration;
/// use talkback::http::{Request, Response, Status};
/// use talkback::server::{Answer, Hold};
///
/// fn poll(request: &Request) -> Answer {
///     let wait = request.query_value("wait").and_then(|wait| wait.parse().ok()).unwrap_or(25);
///     let nothing = Response::new(Status::NO_CONTENT);
///     Answer::Hold(Hold::new(nothing).timeout(Duration::from_secs(wait.min(50))))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Hold {
    otherwise: Response,
    timeout: Duration,
}

impl Hold {
    /// For 50 s: shorter than the minute after which proxies give up.
    #[must_use]
    pub const fn new(otherwise: Response) -> Self {
        Self { otherwise, timeout: Duration::from_secs(50) }
    }

    /// Sets how long it is held at most.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// A request that waits for its answer, to be answered once, from any thread.
///
/// Dropping it sends what [`Hold`] says. While it is held, the client's next request waits.
///
/// ```
/// use talkback::http::{Response, Status};
/// use talkback::server::Held;
///
/// fn work(held: Held) {
///     std::thread::spawn(move || {
///         let result = "42\n"; // after a long time
///         if !held.is_closed() {
///             held.respond(Response::new(Status::OK).body(result));
///         }
///     });
/// }
/// ```
#[derive(Debug)]
pub struct Held {
    state: Arc<PeerState>,
    answered: bool,
}

impl Held {
    /// Which connection it came on: several may come on it, one after the other.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.state.id
    }

    /// Whether an answer would be in vain: the client has ended TCP, or its half of it, or the time is up.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Relaxed)
    }

    /// Answers, if the client is still there. The connection goes on with the next request, as after
    /// [`Answer::Respond`](super::Answer::Respond).
    pub fn respond(mut self, response: Response) {
        self.answered = true;
        self.post(Some(Arc::new(response)));
    }

    /// Answers as others are: a crowd is answered without a copy for each.
    #[cfg(feature = "rooms")]
    pub(crate) fn respond_shared(mut self, response: Arc<Response>) {
        self.answered = true;
        self.post(Some(response));
    }

    fn post(&self, response: Option<Arc<Response>>) {
        if !self.is_closed() {
            self.state.mailbox.post(Command::Respond(Arc::clone(&self.state), response));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.answered {
            self.post(None);
        }
    }
}

impl<S: 'static> Entry<S> {
    /// Has the handler hold a request.
    pub(super) fn hold<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        asked: Asked,
        hold: Hold,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        if asked.is_head {
            return self.respond(asked, &hold.otherwise, means, slot);
        }
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let state = means.hub.peer_state(slot);
        head.awaits = Awaits::Answer(Box::new(Holding {
            state: Arc::clone(&state),
            otherwise: hold.otherwise,
            until: means.now.after(Ticks::of(Some(hold.timeout))),
            is_last: asked.is_last,
        }));
        means.hub.snapshot.held_count += 1;
        let Means { handler, .. } = means;
        let held = Held { state, answered: false };
        if catch_unwind(AssertUnwindSafe(|| handler.on_hold(held, request))).is_err() {
            drop(self.release(means));
            return self.fail(false, means, slot);
        }
        self.watch_held(means, slot)
    }

    /// Looks whether the client is still there. Nothing is read: what it sends waits in the system, and so in
    /// the client. The end of one that has sent more than the system takes shows only with the answer, if it
    /// isn't a reset.
    pub(super) fn watch_held<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        if !self.ready.read_closed {
            return Some(false);
        }
        drop(self.release(means));
        // Gently, if it reads still: closing with unread input would eat the answers before this one.
        self.end(Unsent::default(), means.now);
        self.turn(means, slot)
    }

    /// Answers what this one holds, if it does still.
    pub(super) fn respond_held<H: Handler<State = S>>(
        &mut self,
        state: &Arc<PeerState>,
        response: Option<&Response>,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        match &self.stage {
            Stage::Head(head) if head.is_held_by(state) => {}
            _ => return Some(false), // it was told otherwise in the meantime
        }
        let Some(holding) = self.release(means) else { return Some(false) };
        let Holding { otherwise, is_last, .. } = *holding;
        self.respond(Asked { is_head: false, is_last }, response.unwrap_or(&otherwise), means, slot)
    }

    /// Nobody has answered: answers. The connection is kept, unless it `is_last`.
    pub(super) fn respond_otherwise<H: Handler<State = S>>(
        &mut self,
        is_last: bool,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Some(holding) = self.release(means) else { return Some(false) };
        let asked = Asked { is_head: false, is_last: is_last || holding.is_last };
        self.respond(asked, &holding.otherwise, means, slot)
    }

    /// It is held no more.
    fn release<H: Handler<State = S>>(&mut self, means: &mut Means<H>) -> Option<Box<Holding>> {
        let Stage::Head(head) = &mut self.stage else { return None };
        let holding = head.take_holding()?;
        holding.state.closed.store(true, Ordering::Relaxed);
        means.hub.snapshot.held_count -= 1;
        Some(holding)
    }
}
