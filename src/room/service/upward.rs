//! What clients send: a JSON object, in a message or in a body.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::MessageId;
use super::Refusal;
use crate::http::Status;

/// An object that was sent. Fields that aren't known mean nothing; of two with one name the last one counts.
#[derive(Debug)]
pub(super) struct Upward<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Upward<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(bytes).map(Self).map_err(|error| Refusal::bad_request(&error))
    }

    /// A text; `None` if it is not there.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let text = serde_json::from_str(value.get());
        text.map(Some).map_err(|_| Refusal::new(Status::BAD_REQUEST, format!("{name} is not a text")))
    }

    /// Which message it is.
    pub(super) fn message(&self) -> Result<MessageId, Refusal> {
        let text = self.text("message")?.ok_or_else(|| missing("message"))?;
        MessageId::new(&text).map_err(|error| Refusal::bad_request(&error))
    }

    pub(super) fn data(&self) -> Result<&'a RawValue, Refusal> {
        self.value("data").ok_or_else(|| missing("data"))
    }

    pub(super) fn state(&self) -> Result<&'a RawValue, Refusal> {
        self.value("state").ok_or_else(|| missing("state"))
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied()
    }
}

pub(super) fn missing(name: &str) -> Refusal {
    Refusal::new(Status::BAD_REQUEST, format!("{name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_object_of_texts_is_refused() {
        for (bytes, why) in [
            (&b"{\"message\":1}"[..], "400: message is not a text"),
            (b"{}", "400: message is missing"),
            (b"{\"message\":\"\"}", "400: an id is empty"),
        ] {
            let refusal = Upward::decode(bytes).unwrap().message().unwrap_err();
            assert_eq!(refusal.to_string(), why);
        }
        for bytes in [&b""[..], b"[]", b"{", b"null", b"{\"a\":1}x", b"\xff"] {
            assert_eq!(Upward::decode(bytes).unwrap_err().status, Status::BAD_REQUEST);
        }
        let upward =
            Upward::decode(b"{\"data\":0,\"x\":[],\"data\": {\"a\" :1}, \"message\":\"\\u0061\"}").unwrap();
        assert_eq!(upward.data().unwrap().get(), "{\"a\" :1}");
        assert_eq!(upward.message().unwrap().as_str(), "a");
    }
}
