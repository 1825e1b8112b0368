//! From a request to its answer, to a connection, or to a stream of events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::connection::Connection;
use super::entry::{Entry, Events, Link, Open, Stage, read};
use super::exchange::encode_answer;
use super::means::Means;
use super::peer::Slot;
use super::timers::Tick;
use super::turn::{GoesOn, as_u64, forget_link};
use super::{Answer, EventPeer, Handler, trace};
use crate::handshake::HandshakeError;
use crate::http::{Headers, Request, Response, Status};
use crate::sse::RESPONSE_HEADERS;

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
        let mut decoded = head.decode();
        if ready.read && matches!(decoded, Ok(None)) {
            let len = match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return None,
                Ok(len) => len.unwrap_or_default(),
            };
            means.hub.snapshot.received_len += as_u64(len);
            head.receive(means.buffer.get(..len).unwrap_or_default());
            decoded = head.decode();
        }
        match decoded {
            Ok(None) => Some(ready.read),
            Ok(Some((request, head_len))) => {
                head.consume(head_len);
                self.answer(&request, means, slot)
            }
            Err(error) => self.respond_last(None, &HandshakeError::from(error).response(), means, slot),
        }
    }

    fn answer<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        if let Err(error) = means.accept.policy.check_host(request) {
            return self.respond_last(Some(request), &error.response(), means, slot);
        }
        let Means { handler, .. } = means;
        match catch_unwind(AssertUnwindSafe(|| handler.on_request(request))) {
            Ok(Answer::Upgrade) => self.upgrade(request, means, slot),
            Ok(Answer::Events) if request.method() != "GET" => {
                self.respond_last(Some(request), &HandshakeError::NotGet.response(), means, slot)
            }
            Ok(Answer::Events) => self.open_events(request, means, slot),
            Ok(Answer::Respond(response)) => self.respond(request, &response, means, slot),
            Err(_) => {
                let why = "the server has failed on this request";
                self.respond_last(
                    Some(request),
                    &Response::refusal(Status::INTERNAL_SERVER_ERROR, why),
                    means,
                    slot,
                )
            }
        }
    }

    /// Answers, and goes on with the next request if both want to.
    fn respond<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let closes = |headers: &Headers| headers.has_token("Connection", "close");
        if closes(request.headers()) || closes(response.headers()) || request.has_body() {
            return self.respond_last(Some(request), response, means, slot);
        }
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        means.hub.count_answer(Some(request), response.status());
        encode_answer(request, response, true, &mut head.output.bytes);
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
        request: Option<&Request>,
        response: &Response,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        means.hub.count_answer(request, response.status());
        let Stage::Head(head) = &mut self.stage else { return None };
        let mut output = std::mem::take(&mut head.output);
        match request {
            Some(request) => encode_answer(request, response, false, &mut output.bytes),
            None => response.encode(&mut output.bytes),
        }
        self.end(output, means.now);
        self.turn(means, slot)
    }

    fn upgrade<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let mut upgrade = match means.accept.upgrade(request) {
            Ok(upgrade) => upgrade,
            Err(error) => return self.respond_last(Some(request), &error.response(), means, slot),
        };
        let Means { handler, .. } = means;
        let chosen = catch_unwind(AssertUnwindSafe(|| handler.on_upgrade(request, &mut upgrade)));
        match chosen {
            Ok(Ok(())) => {}
            Ok(Err(response)) => return self.respond_last(Some(request), &response, means, slot),
            Err(_) => {
                let why = "the server has failed on this request";
                return self.respond_last(
                    Some(request),
                    &Response::refusal(Status::INTERNAL_SERVER_ERROR, why),
                    means,
                    slot,
                );
            }
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
            forget_link(&link, hub, slot);
            let why = "the server has failed on this request";
            return self.respond_last(
                Some(request),
                &Response::refusal(Status::INTERNAL_SERVER_ERROR, why),
                means,
                slot,
            );
        };
        let Stage::Head(head) = &self.stage else { return None };
        protocol.receive(head.received());
        let kept_input = !head.received().is_empty();
        hub.snapshot.opened_count += 1;
        hub.snapshot.connection_count += 1;
        trace::opened(hub.peer_id(slot), request);
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

    fn open_events<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let response = RESPONSE_HEADERS.iter().chain(&[("Connection", "close")]).fold(
            Response::new(Status::OK),
            // They are constants, and valid: it can't fail.
            |response, (name, value)| response.clone().header(name, value).unwrap_or(response),
        );
        let mut output = std::mem::take(&mut head.output);
        response.encode_chunked_head(&mut output.bytes);
        let peer = means.hub.peer_state(slot);
        means.hub.snapshot.event_stream_count += 1;
        self.since = means.now;
        self.stage = Stage::Events(Box::new(Events { output, peer: Arc::clone(&peer), written: means.now }));
        let Means { handler, .. } = means;
        if catch_unwind(AssertUnwindSafe(|| handler.on_events(EventPeer(peer), request))).is_err() {
            self.add_events(&[], means, slot);
        }
        self.turn_of_events(means)
    }
}
