//! From a request to its answer, to a connection, or to a stream.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::bodies::can_be_met;
use super::connection::Connection;
use super::entry::{Entry, Open, Stage, read};
use super::exchange::encode_answer;
use super::head::Awaits;
use super::means::Means;
use super::peer::Slot;
use super::ties::Link;
use super::timers::Tick;
use super::turn::{GoesOn, as_u64};
use super::{Answer, EventPeer, Handler, StreamHead, trace};
use crate::handshake::HandshakeError;
use crate::http::{Headers, Request, Response, Status};

/// What of a request its answer depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// The answer has no body.
    pub(super) is_head: bool,
    /// Nothing follows: the client says so, or what follows is a body that nobody reads.
    pub(super) is_last: bool,
}

impl Asked {
    fn by(request: &Request, has_unread_body: bool) -> Self {
        Self { is_head: is_head(request), is_last: has_unread_body || is_last(request.headers()) }
    }
}

/// "the server MUST NOT send content in the response" -- RFC 9110 §9.3.2
pub(super) fn is_head(request: &Request) -> bool {
    request.method() == "HEAD"
}

fn is_last(headers: &Headers) -> bool {
    headers.has_token("Connection", "close")
}

impl<S: 'static> Entry<S> {
    pub(super) fn turn_of_head<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Self { stream, ready, since, stage: Stage::Head(head), .. } = self else { return Some(false) };
        match head.output.write(stream, ready) {
            Ok(0) => {}
            Ok(len) => {
                *since = means.now;
                means.hub.snapshot.sent_len += as_u64(len);
            }
            Err(_) => return None,
        }
        if !head.output.is_empty() {
            return Some(false); // first the answers to what came before
        }
        match &head.awaits {
            Awaits::Request => self.read_request(means, slot),
            Awaits::Body(_) => self.read_body(means, slot),
            Awaits::Answer(_) => self.watch_held(means, slot),
        }
    }

    /// What it waits for has not come in time, or its answer was not taken.
    pub(super) fn expire_head<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return None };
        let is_head = match &head.awaits {
            _ if !head.output.is_empty() => return None,
            Awaits::Answer(_) => return self.respond_otherwise(false, means, slot),
            Awaits::Request if head.received().is_empty() => return None, // nobody has asked anything
            Awaits::Request => false,
            Awaits::Body(body) => is_head(&body.request),
        };
        let why = "the request was not complete in time";
        self.respond_last(is_head, &Response::refusal(Status::REQUEST_TIMEOUT, why), means, slot)
    }

    /// The server goes down: ends it, but an answer that is on its way, or is owed, arrives.
    pub(super) fn drain_head<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        match &head.awaits {
            Awaits::Request if head.output.is_empty() => None,
            Awaits::Request => {
                let output = std::mem::take(&mut head.output);
                self.end(output, means.now);
                Some(false)
            }
            Awaits::Answer(_) => self.respond_otherwise(true, means, slot),
            Awaits::Body(body) => {
                let is_head = is_head(&body.request);
                let why = "the server goes down";
                self.respond_last(is_head, &Response::refusal(Status::SERVICE_UNAVAILABLE, why), means, slot)
            }
        }
    }

    fn read_request<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Self { stream, ready, stage: Stage::Head(head), .. } = self else { return Some(false) };
        let mut decoded = head.next_request();
        if ready.read && matches!(decoded, Ok(None)) {
            let len = match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return None,
                Ok(len) => len.unwrap_or_default(),
            };
            means.hub.snapshot.received_len += as_u64(len);
            head.receive(means.buffer.get(..len).unwrap_or_default());
            decoded = head.next_request();
        }
        match decoded {
            Ok(None) => Some(ready.read),
            Ok(Some(request)) => self.answer(request, means, slot),
            Err(error) => self.respond_last(false, &HandshakeError::from(error).response(), means, slot),
        }
    }

    fn answer<H: Handler<State = S>>(
        &mut self,
        request: Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        trace::asked(means.hub.peer_id(slot), &request);
        let is_head = is_head(&request);
        if let Err(error) = means.accept.policy.check_host(&request) {
            return self.respond_last(is_head, &error.response(), means, slot);
        }
        if !can_be_met(&request) {
            let why = "nothing but 100-continue can be expected here";
            return self.respond_last(
                is_head,
                &Response::refusal(Status::EXPECTATION_FAILED, why),
                means,
                slot,
            );
        }
        let Means { handler, .. } = means;
        match catch_unwind(AssertUnwindSafe(|| handler.on_request(&request))) {
            Ok(Answer::Receive) => self.ask_for_body(request, means, slot),
            answer => self.carry_out(&request, answer.ok(), request.has_body(), means, slot),
        }
    }

    /// Does what the handler has said; `None`: it has panicked.
    pub(super) fn carry_out<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        answer: Option<Answer>,
        has_unread_body: bool,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let asked = Asked::by(request, has_unread_body);
        match answer {
            Some(Answer::Upgrade) => self.upgrade(request, asked, means, slot),
            Some(Answer::Respond(response)) => self.respond(asked, &response, means, slot),
            Some(Answer::Hold(hold)) => self.hold(request, asked, hold, means, slot),
            Some(Answer::Events) if request.method() == "GET" => {
                self.open_stream(StreamHead::events(), means, slot, |handler, peer| {
                    handler.on_events(EventPeer::from(peer), request);
                })
            }
            Some(Answer::Stream(head)) if !asked.is_head => {
                self.open_stream(head, means, slot, |handler, peer| handler.on_stream(peer, request))
            }
            Some(Answer::Events | Answer::Stream(_)) => {
                self.respond_last(asked.is_head, &HandshakeError::NotGet.response(), means, slot)
            }
            Some(Answer::Receive) | None => self.fail(asked.is_head, means, slot),
        }
    }

    /// Answers, and goes on with the next request if both want to.
    pub(super) fn respond<H: Handler<State = S>>(
        &mut self,
        asked: Asked,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        if asked.is_last || is_last(response.headers()) {
            return self.respond_last(asked.is_head, response, means, slot);
        }
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        means.hub.count_answer(slot, response.status());
        encode_answer(asked.is_head, response, true, &mut head.output.bytes);
        self.since = means.now;
        match head.output.write(&self.stream, &mut self.ready) {
            Ok(len) => means.hub.snapshot.sent_len += as_u64(len),
            Err(_) => return None,
        }
        // One request a turn, and the next when its answer is written.
        Some(head.output.is_empty() && (!head.received().is_empty() || self.ready.read))
    }

    /// Answers a request, or what is none, and ends it.
    pub(super) fn respond_last<H: Handler<State = S>>(
        &mut self,
        is_head: bool,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        means.hub.count_answer(slot, response.status());
        let Stage::Head(head) = &mut self.stage else { return None };
        let mut output = std::mem::take(&mut head.output);
        encode_answer(is_head, response, false, &mut output.bytes);
        self.end(output, means.now);
        self.turn(means, slot)
    }

    /// The handler has panicked, or asked for what can't be.
    pub(super) fn fail<H: Handler<State = S>>(
        &mut self,
        is_head: bool,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let why = "the server has failed on this request";
        self.respond_last(is_head, &Response::refusal(Status::INTERNAL_SERVER_ERROR, why), means, slot)
    }

    fn upgrade<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        asked: Asked,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let mut upgrade = match means.accept.upgrade(request) {
            Ok(upgrade) => upgrade,
            Err(error) => return self.respond_last(asked.is_head, &error.response(), means, slot),
        };
        let Means { handler, .. } = means;
        let chosen = catch_unwind(AssertUnwindSafe(|| handler.on_upgrade(request, &mut upgrade)));
        match chosen {
            Ok(Ok(())) => {}
            Ok(Err(response)) => return self.respond_last(asked.is_head, &response, means, slot),
            Err(_) => return self.fail(asked.is_head, means, slot),
        }
        let agreed = means.accept.agree_on_deflate(&mut upgrade);
        let mut response = Vec::new();
        upgrade.accept().encode(&mut response);
        let mut protocol = means.pool.take(agreed.as_ref());
        protocol.outbound().send_raw(&response);
        let mut link = Link::default();
        let Self { stream, ready, .. } = self;
        let Means { handler, hub, .. } = means;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let outbound = protocol.outbound();
            let mut connection = Connection { outbound, stream, ready, link: &mut link, hub, slot };
            handler.on_open(&mut connection, request)
        }));
        let Ok(state) = opened else {
            link.forget(hub, slot);
            return self.fail(asked.is_head, means, slot);
        };
        let Stage::Head(head) = &self.stage else { return None };
        protocol.receive(head.received());
        let kept_input = !head.received().is_empty();
        hub.snapshot.opened_count += 1;
        hub.snapshot.connection_count += 1;
        trace::opened(hub.peer_id(slot));
        self.since = means.now;
        self.stage = Stage::Open(Open {
            state,
            link,
            kept_input,
            protocol: Some(protocol),
            agreed,
            pinged: false,
            close_sent: Tick::NEVER,
            counted_len: 0,
        });
        self.turn_of_open(means, slot)
    }
}
