//! What a request asks of a room.

use std::time::Duration;

use serde_json::value::RawValue;

use super::super::{After, ClientId};
use super::{Admission, Refusal};
use crate::http::{Request, Status};

/// The longest name of a room, in bytes.
const MAX_NAME_LEN: usize = 64;

/// What is under the path of the rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The browser's client.
    Script,
    Room(&'a str, Endpoint),
    /// Nothing.
    Nowhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Messages,
    Lines,
    Events,
    Socket,
    Here,
}

impl<'a> Place<'a> {
    /// `None`: it is not under this path.
    pub(super) fn of(path: &'a str, mount: &str) -> Option<Self> {
        let rest = path.strip_prefix(mount)?.strip_prefix('/')?;
        if rest == "talkback.js" {
            return Some(Self::Script);
        }
        let Some((room, endpoint)) = rest.split_once('/') else { return Some(Self::Nowhere) };
        let endpoint = match endpoint {
            "messages" => Endpoint::Messages,
            "stream" => Endpoint::Lines,
            "events" => Endpoint::Events,
            "socket" => Endpoint::Socket,
            "here" => Endpoint::Here,
            _ => return Some(Self::Nowhere),
        };
        Some(if is_name(room) { Self::Room(room, endpoint) } else { Self::Nowhere })
    }
}

impl Endpoint {
    /// Which methods it knows.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Messages | Self::Here => "GET, HEAD, POST",
            Self::Lines | Self::Events | Self::Socket => "GET",
        }
    }

    pub(super) fn knows(self, method: &str) -> bool {
        self.methods().split(", ").any(|known| known == method)
    }
}

/// "unreserved" characters (RFC 3986 §2.3): a room has one name, and not another in escapes.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !name.is_empty() && name.len() <= MAX_NAME_LEN && name.bytes().all(is_plain)
}

/// After what somebody reads.
pub(super) fn after(request: &Request) -> After {
    // What a browser remembers is newer than what the page began with.
    let last = request.headers().only("Last-Event-ID").ok().flatten().filter(|id| !id.is_empty());
    let last = last.map(str::to_owned).or_else(|| request.query_value("after"));
    match last.as_deref() {
        None => After::Start,
        Some("end") => After::End,
        Some(cursor) => cursor.parse().into(),
    }
}

/// For how long it waits for news; zero: not at all.
pub(super) fn wait(request: &Request, max: Duration) -> Result<Duration, Refusal> {
    let Some(wait) = request.query_value("wait") else { return Ok(Duration::ZERO) };
    match wait.parse::<u32>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into()).min(max)),
        Err(_) => Err(Refusal::new(Status::BAD_REQUEST, "wait is a number of seconds")),
    }
}

/// Who it is: as it was admitted, or as it says. `None`: it doesn't say.
pub(super) fn client(admission: &Admission, said: Option<&str>) -> Result<Option<ClientId>, Refusal> {
    match (&admission.client, said) {
        (Some(client), _) => Ok(Some(client.clone())),
        (None, None) => Ok(None),
        (None, Some(said)) => ClientId::new(said).map(Some).map_err(|error| Refusal::bad_request(&error)),
    }
}

/// What it says of itself. `None`: nothing.
pub(super) fn state(request: &Request) -> Result<Option<Box<RawValue>>, Refusal> {
    let state = request.query_value("state").map(RawValue::from_string);
    state.transpose().map_err(|error| Refusal::bad_request(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_room_and_what_is_asked_of_it() {
        let place = |path| Place::of(path, "/rooms");
        assert_eq!(place("/rooms/a/messages"), Some(Place::Room("a", Endpoint::Messages)));
        assert_eq!(place("/rooms/A-b.c_d~1/socket"), Some(Place::Room("A-b.c_d~1", Endpoint::Socket)));
        assert_eq!(place("/rooms/talkback.js"), Some(Place::Script));
        for nowhere in [
            "/rooms/",
            "/rooms/a",
            "/rooms/a/",
            "/rooms//messages",
            "/rooms/a/messages/",
            "/rooms/a/nothing",
            "/rooms/a%62/events",
            "/rooms/a b/events",
            "/rooms/a/b/events",
        ] {
            assert_eq!(place(nowhere), Some(Place::Nowhere), "{nowhere}");
        }
        for other in ["/", "/rooms", "/roomsa/b/events", "/other/a/messages"] {
            assert_eq!(place(other), None, "{other}");
        }
        assert_eq!(Place::of("/a/here", ""), Some(Place::Room("a", Endpoint::Here)));
    }

    #[test]
    fn the_limit_of_a_name_is_exact() {
        assert!(is_name(&"a".repeat(64)) && !is_name(&"a".repeat(65)) && !is_name(""));
    }
}
