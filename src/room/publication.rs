//! What was published: stored once, encoded once, and shared by all who read it.

use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::encoded::Encoded;
use super::json::OneLine;
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

/// A publication to be, of which the length is to be judged before any memory is taken.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) cursor: Cursor,
    pub(super) at: u64,
    pub(super) client: &'a ClientId,
    pub(super) message: &'a MessageId,
    pub(super) data: OneLine<'a>,
}

impl Draft<'_> {
    /// Bytes of the JSON object.
    pub(super) fn len(&self) -> usize {
        let mut head = Counter(0);
        // Neither the counter nor what is written ever fails.
        let _ = self.write_head(&mut head);
        head.0.saturating_add(self.data.len()).saturating_add(1)
    }

    fn write_head(&self, to: &mut impl Write) -> fmt::Result {
        let Self { cursor, at, client, message, .. } = self;
        let (client, message) = (Quoted(client.as_str()), Quoted(message.as_str()));
        write!(to, r#"{{"id":"{cursor}","at":{at},"client":{client},"message":{message},"data":"#)
    }

    pub(super) fn publish(self, deflate: Option<Deflate>) -> Publication {
        let mut json = String::with_capacity(self.len());
        // A `String` never fails.
        let _ = self.write_head(&mut json);
        let start = json.len();
        self.data.write(&mut json);
        let data = start..json.len();
        json.push('}');
        let Self { cursor, at, client, message, .. } = self;
        Publication(Arc::new(Stored {
            cursor,
            at,
            client: client.clone(),
            message: message.clone(),
            encoded: Encoded::new("", Some(cursor), &json),
            data,
            deflate,
            frame: OnceLock::new(),
        }))
    }
}

/// Counts the bytes that are written to it.
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
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
    /// [made so](super::Log::deflate). The first call makes it, and copies the object; a call of
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
pub(super) struct Quoted<'a>(pub(super) &'a str);

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
    use serde_json::value::RawValue;

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
        let data = OneLine::new(&data).unwrap();
        let draft = Draft { cursor: Cursor::new(1, 2), at: 3, client: &client, message: &message, data };
        let len = draft.len();
        let publication = draft.publish(None);
        let json = r#"{"id":"0000000000000001-2","at":3,"client":"a\"","message":"m","data":{}}"#;
        assert_eq!((publication.json(), publication.data()), (json.as_bytes(), &b"{}"[..]));
        assert_eq!(len, json.len());
        let again = publication.clone();
        assert!(std::ptr::eq(publication.websocket(), again.websocket()));
    }
}
