//! What requests for rooms get.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::super::publication::Quoted;
use super::super::{ClientId, Cursor, PresenceError, Published};
use super::asked::{self, Endpoint, Place};
use super::polls::Poll;
use super::responses::{json_response, no_content, not_allowed, read_only, script, unstored, with_all};
use super::rooms::{Rooms, Shared};
use super::seat::Seat;
use super::served::Served;
use super::source::piece;
use super::upward::{Upward, missing};
use super::{Admission, Refusal};
use crate::http::{HeaderError, Request, Response, Status};
use crate::server::{Answer, Follow, Form, Held, Hold, StreamHead};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A poll that is to wait.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    room: Arc<Served>,
    client: Option<ClientId>,
    after: Cursor,
}

impl Rooms {
    /// What becomes of a request. `None`: it is not for a room.
    pub(super) fn answer(&self, request: &Request, waiting: &mut Option<Waiting>) -> Option<Answer> {
        let place = Place::of(request.path(), &self.0.config.path)?;
        let answer = self.0.answer_at(place, request, waiting);
        Some(self.0.finish(request, answer))
    }

    /// What becomes of a request with a body. `None`: it is not for a room.
    pub(super) fn answer_body(&self, request: &Request, body: &[u8]) -> Option<Answer> {
        let Place::Room(name, endpoint) = Place::of(request.path(), &self.0.config.path)? else {
            return None;
        };
        let answer = match endpoint {
            Endpoint::Here => self.0.say_of_oneself(name, request, body),
            _ => self.0.post(name, request, body),
        };
        Some(self.0.finish(request, answer.map(Answer::Respond)))
    }

    pub(super) fn hold(&self, waiting: Waiting, held: Held, request: &Request) {
        let Waiting { room, client, after } = waiting;
        let headers = self.0.config.cors.headers(request);
        room.hold(Poll { held, client, after, headers }, self.0.config.page_limits);
    }
}

impl Shared {
    fn answer_at(
        &self,
        place: Place<'_>,
        request: &Request,
        waiting: &mut Option<Waiting>,
    ) -> Result<Answer, Refusal> {
        let method = request.method();
        let (name, endpoint) = match place {
            Place::Nowhere => return Err(Refusal::new(Status::NOT_FOUND, "there is nothing here")),
            Place::Script if matches!(method, "GET" | "HEAD") => return Ok(Answer::Respond(script())),
            Place::Script => return Ok(Answer::Respond(not_allowed("GET, HEAD"))),
            Place::Room(name, endpoint) => (name, endpoint),
        };
        let methods = endpoint.methods();
        if method == "OPTIONS" {
            let headers = "Content-Type, Last-Event-ID";
            return Ok(Answer::Respond(self.config.cors.preflight(request, methods, headers)));
        }
        if !endpoint.knows(method) {
            return Ok(Answer::Respond(not_allowed(methods)));
        }
        if !self.config.cors.allows(request) {
            return Err(Refusal::new(Status::FORBIDDEN, "pages of this origin may not ask here"));
        }
        match endpoint {
            Endpoint::Messages | Endpoint::Here if method == "POST" => self.receive(request),
            Endpoint::Messages => self.poll(name, request, waiting),
            Endpoint::Here => {
                self.access.admit(name, request)?;
                Ok(Answer::Respond(self.room(name)?.here_response()))
            }
            Endpoint::Lines => {
                let head = StreamHead::new("application/x-ndjson").map_err(failed)?;
                Ok(Answer::Stream(self.stream(
                    name,
                    request,
                    head.keep_alive(b"\n", KEEP_ALIVE),
                    Form::Lines,
                )?))
            }
            Endpoint::Events => {
                Ok(Answer::Stream(self.stream(name, request, StreamHead::events(), Form::Events)?))
            }
            Endpoint::Socket => Ok(Answer::Upgrade),
        }
    }

    /// Reads a body, unless it says that it is too long: told here, a page of another origin can read it.
    fn receive(&self, request: &Request) -> Result<Answer, Refusal> {
        let max = self.config.max_body_len;
        match request.content_length() {
            Some(len) if len > max => {
                let why = format!("a body of {len} bytes is over the limit of {max}");
                Err(Refusal::new(Status::CONTENT_TOO_LARGE, why))
            }
            _ => Ok(Answer::Receive),
        }
    }

    fn poll(&self, name: &str, request: &Request, waiting: &mut Option<Waiting>) -> Result<Answer, Refusal> {
        let wait = asked::wait(request, self.config.max_wait)?;
        let admission = self.access.admit(name, request)?;
        let client = asked::client(&admission, request.query_value("client").as_deref())?;
        let room = self.room(name)?;
        if let Some(client) = &client {
            self.note_poll(&room, client, asked::state(request)?.as_deref())?;
        }
        let (page, waits_at) = room.page(asked::after(request), self.config.page_limits);
        let response = json_response(page);
        let Some(after) = waits_at.filter(|_| !wait.is_zero()) else {
            return Ok(Answer::Respond(response));
        };
        *waiting = Some(Waiting { room, client, after });
        let response = with_all(response, &self.config.cors.headers(request));
        Ok(Answer::Hold(Hold::new(response).timeout(wait)))
    }

    /// Who polls is here for a while.
    fn note_poll(
        &self,
        room: &Arc<Served>,
        client: &ClientId,
        state: Option<&RawValue>,
    ) -> Result<(), Refusal> {
        room.join(client, state)?;
        room.leave(client, self.config.poll_grace);
        Ok(())
    }

    fn stream(
        &self,
        name: &str,
        request: &Request,
        mut head: StreamHead,
        form: Form,
    ) -> Result<StreamHead, Refusal> {
        let seat = self.admit(name, request)?;
        let (first, after) = seat.room.begin(asked::after(request));
        for (name, value) in self.config.cors.headers(request) {
            head = head.header(name, value).map_err(failed)?;
        }
        let feeds = vec![(seat.room.log.of_any(), Some(after)), (seat.room.here.of_any(), Some(0))];
        Ok(head.follow(Follow { form, first: vec![piece(&first, &form)], feeds, seat: seat.for_stream() }))
    }

    /// Lets somebody in who reads from now on.
    pub(super) fn admit(&self, name: &str, request: &Request) -> Result<Seat, Refusal> {
        let admission = self.access.admit(name, request)?;
        let client = asked::client(&admission, request.query_value("client").as_deref())?;
        self.seat(name, &admission, client, asked::state(request)?.as_deref())
    }

    fn post(&self, name: &str, request: &Request, body: &[u8]) -> Result<Response, Refusal> {
        let upward = Upward::decode(body)?;
        let (admission, client) = self.speaker(name, request, &upward)?;
        if admission.is_read_only {
            return Err(read_only());
        }
        let room = self.room(name)?;
        let published = self.publish(&room, &client, &upward.message()?, upward.data()?)?;
        let Published { cursor, is_new, .. } = published;
        Ok(json_response(format!(r#"{{"id":"{cursor}","new":{is_new}}}"#).into_bytes()))
    }

    fn say_of_oneself(&self, name: &str, request: &Request, body: &[u8]) -> Result<Response, Refusal> {
        let upward = Upward::decode(body)?;
        let (_, client) = self.speaker(name, request, &upward)?;
        let (room, state) = (self.room(name)?, upward.state()?);
        match room.update(&client, state) {
            Ok(()) => {}
            Err(PresenceError::NotHere) => self.note_poll(&room, &client, Some(state))?,
            Err(error) => return Err(error.into()),
        }
        Ok(no_content())
    }

    /// Who has sent a body.
    fn speaker(
        &self,
        name: &str,
        request: &Request,
        upward: &Upward<'_>,
    ) -> Result<(Admission, ClientId), Refusal> {
        let admission = self.access.admit(name, request)?;
        let client = asked::client(&admission, upward.text("client")?.as_deref())?;
        Ok((admission, client.ok_or_else(|| missing("client"))?))
    }

    /// Hears what came over a connection; what it is told.
    pub(super) fn hear(&self, seat: &Seat, text: &str) -> Result<Option<String>, Refusal> {
        let upward = Upward::decode(text.as_bytes())?;
        if let Some(state) = upward.value("state") {
            let said = seat.client.as_ref().ok_or_else(|| missing("client"));
            let changed = said.and_then(|client| Ok(seat.room.update(client, state)?));
            return Ok(changed.err().map(|refusal| refused("null", &refusal)));
        }
        let message = upward.message()?;
        let published = seat.client.as_ref().ok_or_else(|| missing("client")).and_then(|client| {
            if seat.is_read_only {
                return Err(read_only());
            }
            self.publish(&seat.room, client, &message, upward.data()?)
        });
        let message = Quoted(message.as_str());
        Ok(Some(match published {
            Ok(Published { cursor, is_new, .. }) => {
                format!(r#"{{"ack":{message},"id":"{cursor}","new":{is_new}}}"#)
            }
            Err(refusal) => refused(&message.to_string(), &refusal),
        }))
    }

    fn finish(&self, request: &Request, answer: Result<Answer, Refusal>) -> Answer {
        Answer::Respond(match answer {
            // The answer to a preflight has them all.
            Ok(Answer::Respond(response)) if response.headers().contains("Access-Control-Allow-Methods") => {
                unstored(response)
            }
            Ok(Answer::Respond(response)) => unstored(with_all(response, &self.config.cors.headers(request))),
            Ok(answer) => return answer,
            Err(refusal) => self.refuse(request, &refusal),
        })
    }

    pub(super) fn refuse(&self, request: &Request, refusal: &Refusal) -> Response {
        unstored(with_all(refusal.response(), &self.config.cors.headers(request)))
    }
}

fn refused(message: &str, refusal: &Refusal) -> String {
    let error = serde_json::Value::from(refusal.why.as_str());
    format!(r#"{{"refused":{message},"status":{},"error":{error}}}"#, refusal.status.code())
}

fn failed(error: HeaderError) -> Refusal {
    Refusal::new(Status::INTERNAL_SERVER_ERROR, error.to_string())
}
