//! What was published: stored once, encoded once, and shared by all who read it.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::value::RawValue;

use super::encoded::{Encoded, one_line};
use super::{ClientId, Cursor, MessageId};
use crate::protocol::{Deflate, Prepared};

/// A message of a room, as the log keeps it. Cloning shares it.
///
/// Each transport has its encoding, all of the same JSON object. That, its line and its event are made when
/// it is published, in one buffer; the frame when it is first asked for.
///
/// ```
/// use std::time::Instant;
/// use talkback::room::{After, ClientId, Limits, Log, MessageId, PageLimits};
///
/// let mut log = Log::new(0xfeed, Limits::default());
/// let data = serde_json::value::to_raw_value(&["hello"])?;
/// log.publish(Instant::now(), 1_700_000_000_000, &ClientId::new("ada")?, &MessageId::new("m1")?, &data)?;
///
/// let page = log.read(After::Start, PageLimits::default());
/// let publication = page.publications().next().unwrap();
/// let json = r#"{"id":"000000000000feed-1","at":1700000000000,"client":"ada","message":"m1","data":["hello"]}"#;
/// assert_eq!(publication.json(), json.as_bytes());
/// assert_eq!(publication.line(), format!("{json}\n").as_bytes());
/// assert_eq!(publication.event(), format!("id: 000000000000feed-1\ndata: {json}\n\n").as_bytes());
/// assert_eq!(publication.websocket().payload(), json.as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Publication(Arc<Stored>);

#[derive(Debug)]
struct Stored {
    cursor: Cursor,
    at: u64,
    client: ClientId,
    message: MessageId,
    encoded: Encoded,
    /// Where in the object the data is.
    data: Range<usize>,
    deflate: Option<Deflate>,
    frame: OnceLock<Prepared>,
}

/// A publication to be, of which its length is to be judged.
#[derive(Debug)]
pub(super) struct Draft {
    cursor: Cursor,
    at: u64,
    client: ClientId,
    message: MessageId,
    json: String,
    data: Range<usize>,
}

impl Draft {
    pub(super) fn new(
        cursor: Cursor,
        at: u64,
        client: &ClientId,
        message: &MessageId,
        data: &RawValue,
    ) -> Self {
        let data = one_line(data);
        let mut json = format!(
            r#"{{"id":"{cursor}","at":{at},"client":{},"message":{},"data":"#,
            Quoted(client.as_str()),
            Quoted(message.as_str())
        );
        json.reserve_exact(data.len() + 1);
        let start = json.len();
        json.push_str(&data);
        let end = json.len();
        json.push('}');
        Self { cursor, at, client: client.clone(), message: message.clone(), json, data: start..end }
    }

    /// Bytes of the JSON object.
    pub(super) const fn len(&self) -> usize {
        self.json.len()
    }

    pub(super) fn publish(self, deflate: Option<Deflate>) -> Publication {
        let Self { cursor, at, client, message, json, data } = self;
        let encoded = Encoded::new("", cursor, &json);
        Publication(Arc::new(Stored {
            cursor,
            at,
            client,
            message,
            encoded,
            data,
            deflate,
            frame: OnceLock::new(),
        }))
    }
}

impl Publication {
    /// Where in the log it is: what a reader asks to read on after.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.0.cursor
    }

    /// When it was published, in milliseconds since the Unix epoch, as the log was told.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.0.at
    }

    /// Who published it.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// What its publisher calls it.
    #[must_use]
    pub fn message(&self) -> &MessageId {
        &self.0.message
    }

    /// The data, as JSON: what was given but for ends of line between its tokens. Copies nothing.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.json().get(self.0.data.clone()).unwrap_or_default()
    }

    /// The JSON object that every encoding carries: `id`, `at`, `client`, `message`, `data`. In one line.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        self.0.encoded.json()
    }

    /// The object and an LF: a line of newline-delimited JSON. Cloning it shares the bytes.
    #[must_use]
    pub fn line(&self) -> &Bytes {
        self.0.encoded.line()
    }

    /// The object as a server-sent event, with the cursor as its id. Cloning it shares the bytes.
    #[must_use]
    pub fn event(&self) -> &Bytes {
        self.0.encoded.event()
    }

    /// The object as a text message, framed, and compressed if the log was
    /// [made so](super::Log::with_deflate). The first call makes it, and copies the object; a call of
    /// another thread waits for that.
    #[must_use]
    pub fn websocket(&self) -> &Prepared {
        self.0.frame.get_or_init(|| match &self.0.deflate {
            Some(options) => Prepared::compressed(self.0.encoded.text(), options),
            None => self.0.encoded.websocket(),
        })
    }
}

/// Visible ASCII as a JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_json() {
        for id in ["a", "\"", "\\", "a\"b\\c", "\\\"\\\"", "\"\"x"] {
            assert_eq!(Quoted(id).to_string(), serde_json::to_string(id).unwrap());
        }
    }

    #[test]
    fn the_frame_is_made_once() {
        let (client, message) = (ClientId::new("a\"").unwrap(), MessageId::new("m").unwrap());
        let data = RawValue::from_string("{\n}".to_owned()).unwrap();
        let publication = Draft::new(Cursor::new(1, 2), 3, &client, &message, &data).publish(None);
        let json = r#"{"id":"0000000000000001-2","at":3,"client":"a\"","message":"m","data":{}}"#;
        assert_eq!((publication.json(), publication.data()), (json.as_bytes(), &b"{}"[..]));
        let again = publication.clone();
        assert!(std::ptr::eq(publication.websocket(), again.websocket()));
    }
}
