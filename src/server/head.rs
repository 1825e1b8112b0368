//! A socket that asks: the request that is being read, or waits for its answer, and the answers that are
//! being written.

use std::sync::Arc;

use super::entry::Unsent;
use super::peer::PeerState;
use super::timers::Tick;
use crate::http::{BodyDecoder, BodyError, HttpError, Request, RequestDecoder, Response};

#[derive(Debug)]
pub(super) struct Head {
    pub(super) decoder: RequestDecoder,
    /// What has come of the request, and behind it.
    received: Vec<u8>,
    /// How much of that belongs to requests before it.
    consumed: usize,
    pub(super) awaits: Awaits,
    pub(super) output: Unsent,
}

/// What is to come next.
#[derive(Debug)]
pub(super) enum Awaits {
    /// A request's head.
    Request,
    /// The rest of a request.
    Body(Box<Body>),
    /// Its answer, from somebody who holds it; until then, nothing is read.
    Answer(Box<Holding>),
}

/// A request whose body is being read.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) request: Request,
    decoder: BodyDecoder,
    /// What has come of it: no more room is taken than for that.
    pub(super) bytes: Vec<u8>,
    /// When it has to be whole.
    pub(super) until: Tick,
}

/// A request that is held.
#[derive(Debug)]
pub(super) struct Holding {
    /// Known to the one who holds it, and to nobody else.
    pub(super) state: Arc<PeerState>,
    /// What it gets from nobody.
    pub(super) otherwise: Response,
    pub(super) until: Tick,
    pub(super) is_last: bool,
}

impl Head {
    pub(super) fn new(decoder: RequestDecoder) -> Self {
        Self {
            decoder,
            received: Vec::new(),
            consumed: 0,
            awaits: Awaits::Request,
            output: Unsent::default(),
        }
    }

    /// What has come of the request, and behind it.
    pub(super) fn received(&self) -> &[u8] {
        self.received.get(self.consumed..).unwrap_or_default()
    }

    /// The next request, if its head is whole; it is consumed.
    pub(super) fn next_request(&mut self) -> Result<Option<Request>, HttpError> {
        let received = self.received.get(self.consumed..).unwrap_or_default();
        let Some((request, head_len)) = self.decoder.decode(received)? else { return Ok(None) };
        self.consume(head_len);
        Ok(Some(request))
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.consumed == self.received.len() {
            self.received.clear();
        } else {
            // Only what begins a request is ever left when more is read: it is short.
            self.received.drain(..self.consumed);
        }
        self.consumed = 0;
        self.received.extend_from_slice(bytes);
    }

    /// Gives the body what has come of it already; whether it is whole.
    pub(super) fn fill_body(&mut self) -> Result<bool, BodyError> {
        let Awaits::Body(body) = &mut self.awaits else { return Ok(false) };
        let mut input = self.received.get(self.consumed..).unwrap_or_default();
        let before = input.len();
        let is_whole = body.take(&mut input);
        let taken = before - input.len();
        self.consume(taken);
        is_whole
    }

    /// Gives the body what comes; whether it is whole. What is behind it is kept.
    pub(super) fn receive_body(&mut self, mut bytes: &[u8]) -> Result<bool, BodyError> {
        let Awaits::Body(body) = &mut self.awaits else { return Ok(false) };
        let is_whole = body.take(&mut bytes)?;
        if !bytes.is_empty() {
            self.receive(bytes);
        }
        Ok(is_whole)
    }

    /// The request whose body was awaited; the next one is, now.
    pub(super) fn take_body(&mut self) -> Option<Box<Body>> {
        match std::mem::replace(&mut self.awaits, Awaits::Request) {
            Awaits::Body(body) => Some(body),
            other => {
                self.awaits = other;
                None
            }
        }
    }

    /// Whether its request is held by this one.
    pub(super) fn is_held_by(&self, state: &Arc<PeerState>) -> bool {
        matches!(&self.awaits, Awaits::Answer(holding) if Arc::ptr_eq(&holding.state, state))
    }

    /// The request that was held; the next one is awaited, now.
    pub(super) fn take_holding(&mut self) -> Option<Box<Holding>> {
        match std::mem::replace(&mut self.awaits, Awaits::Request) {
            Awaits::Answer(holding) => Some(holding),
            other => {
                self.awaits = other;
                None
            }
        }
    }

    /// Goes on behind a request. Nothing is moved: many may have come in one piece.
    fn consume(&mut self, len: usize) {
        self.consumed = self.consumed.saturating_add(len).min(self.received.len());
        if self.consumed == self.received.len() {
            (self.received, self.consumed) = (Vec::new(), 0);
        }
    }
}

impl Body {
    pub(super) const fn new(request: Request, decoder: BodyDecoder, until: Tick) -> Self {
        Self { request, decoder, bytes: Vec::new(), until }
    }

    /// Takes what is its own off `input`; whether it is whole.
    fn take(&mut self, input: &mut &[u8]) -> Result<bool, BodyError> {
        while let Some(data) = self.decoder.decode(input)? {
            self.bytes.extend_from_slice(data);
        }
        Ok(self.decoder.is_complete())
    }
}

#[cfg(test)]
mod tests {
    use super::super::timers::Clock;
    use super::*;
    use crate::http::HeadLimits;

    #[test]
    fn a_body_takes_room_as_it_comes_and_leaves_what_follows() {
        let now = std::time::Instant::now();
        let until = Clock::new(now).tick(now);
        let mut head = Head::new(RequestDecoder::new(HeadLimits::default()));
        head.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
        let request = head.next_request().unwrap().unwrap();
        let decoder = BodyDecoder::of_request(&request, 1_000_000).unwrap();
        head.awaits = Awaits::Body(Box::new(Body::new(request, decoder, until)));
        assert_eq!(head.fill_body(), Ok(false));
        assert!(head.received.capacity() == 0);
        let Awaits::Body(body) = &head.awaits else { unreachable!() };
        assert!(body.bytes == b"abc" && body.bytes.capacity() < 100);
        assert_eq!(head.receive_body(&[b'd'; 999_998]), Ok(true));
        assert_eq!(head.take_body().unwrap().bytes.len(), 1_000_000);
        assert_eq!(head.received(), b"d");
        assert!(head.take_body().is_none() && head.take_holding().is_none());
    }
}
