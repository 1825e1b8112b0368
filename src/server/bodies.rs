//! Bodies of requests, for handlers that asked for them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Handler;
use super::entry::{Entry, Stage, read};
use super::head::{Awaits, Body};
use super::means::Means;
use super::peer::Slot;
use super::requests::is_head;
use super::turn::{GoesOn, as_u64};
use crate::http::{BodyDecoder, BodyError, Request, Response, Status};

impl<S: 'static> Entry<S> {
    /// Begins to read the body of a request, if it is one that is taken.
    pub(super) fn ask_for_body<H: Handler<State = S>>(
        &mut self,
        request: Request,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        let max_len = means.accept.max_body_len.map_or(u64::MAX, as_u64);
        let decoder = match BodyDecoder::of_request(&request, max_len) {
            Ok(decoder) => decoder,
            Err(error) => return self.refuse_body(&request, error, means, slot),
        };
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        // "A server MAY omit sending a 100 (Continue) response if it has already received some or all of the
        // content for the corresponding request" -- RFC 9110 §10.1.1
        if expects_continue(&request) && request.has_body() && head.received().is_empty() {
            Response::new(Status::CONTINUE).encode(&mut head.output.bytes);
        }
        let until = means.now.after(means.timeouts.body);
        head.awaits = Awaits::Body(Box::new(Body::new(request, decoder, until)));
        self.turn_of_head(means, slot)
    }

    /// Reads more of a body; the handler is given it when it is whole.
    pub(super) fn read_body<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Self { stream, ready, stage: Stage::Head(head), .. } = self else { return Some(false) };
        let mut is_whole = head.fill_body();
        if ready.read && matches!(is_whole, Ok(false)) {
            let len = match read(stream, ready, &mut means.buffer) {
                Ok(Some(0)) | Err(_) => return None,
                Ok(len) => len.unwrap_or_default(),
            };
            means.hub.snapshot.received_len += as_u64(len);
            is_whole = head.receive_body(means.buffer.get(..len).unwrap_or_default());
        }
        match is_whole {
            Ok(false) => Some(ready.read),
            Ok(true) => self.hand_body_over(means, slot),
            Err(error) => {
                let Some(body) = head.take_body() else { return Some(false) };
                self.refuse_body(&body.request, error, means, slot)
            }
        }
    }

    fn hand_body_over<H: Handler<State = S>>(&mut self, means: &mut Means<H>, slot: Slot) -> GoesOn {
        let Stage::Head(head) = &mut self.stage else { return Some(false) };
        let Some(body) = head.take_body() else { return Some(false) };
        let Body { request, bytes, .. } = &*body;
        let Means { handler, .. } = means;
        let answer = catch_unwind(AssertUnwindSafe(|| handler.on_body(request, bytes)));
        self.carry_out(request, answer.ok(), false, means, slot)
    }

    fn refuse_body<H: Handler<State = S>>(
        &mut self,
        request: &Request,
        error: BodyError,
        means: &mut Means<H>,
        slot: Slot,
    ) -> GoesOn {
        self.respond_last(
            is_head(request),
            &Response::refusal(error.status(), &error.to_string()),
            means,
            slot,
        )
    }
}

/// Whether the client expects nothing that this server can't do.
///
/// "A server that receives an Expect field value containing a member other than 100-continue MAY respond with
/// a 417 (Expectation Failed) status code to indicate that the unexpected expectation cannot be met."
/// -- RFC 9110 §10.1.1
pub(super) fn can_be_met(request: &Request) -> bool {
    let is_known = |token: &str| token.eq_ignore_ascii_case("100-continue");
    request.headers().tokens("Expect").all(|expectation| expectation.is_ok_and(is_known))
}

fn expects_continue(request: &Request) -> bool {
    request.headers().has_token("Expect", "100-continue")
}
