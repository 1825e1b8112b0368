//! The stream of events that a response carries.

use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::EventSourceError;
use crate::blocking::{HeadError, deadline, read_before};
use crate::http::{BodyDecoder, Headers, Response};
use crate::sse::{MEDIA_TYPE, Parser};

/// How much is read at once; more than that is never held beside the parser.
const READ_LEN: usize = 8 * 1024;

/// The body of a response that is a stream of events, read as it comes.
#[derive(Debug)]
pub(super) struct EventBody {
    stream: TcpStream,
    decoder: BodyDecoder,
    idle_timeout: Option<Duration>,
    received: Vec<u8>,
    /// Of `received`: what the parser has not consumed, right before `rest`.
    data: Range<usize>,
    /// Of `received`: what the decoder has not consumed.
    rest: Range<usize>,
    begun: Instant,
    /// Whether an event came.
    has_events: bool,
}

impl EventBody {
    /// The body behind the head of `response`, of which `received` is here already.
    pub(super) fn new(
        stream: TcpStream,
        response: Response,
        received: Vec<u8>,
        idle_timeout: Option<Duration>,
    ) -> Result<Self, EventSourceError> {
        if !is_event_stream(response.headers()) {
            return Err(EventSourceError::ContentType(Box::new(response)));
        }
        let decoder = BodyDecoder::of_response(&response)?;
        let rest = 0..received.len();
        Ok(Self {
            stream,
            decoder,
            idle_timeout,
            received,
            data: 0..0,
            rest,
            begun: Instant::now(),
            has_events: false,
        })
    }

    /// Whether it brought an event, or has been there for so long. A few bytes alone don't count: a server
    /// could send them and end the stream, over and over.
    pub(super) fn has_lived(&self, min_life: Duration) -> bool {
        self.has_events || self.begun.elapsed() >= min_life
    }

    /// Reads until `parser` has found an event. Each wait is as long as the idle timeout at most.
    pub(super) fn find_event(&mut self, parser: &mut Parser) -> Result<(), EventSourceError> {
        loop {
            let mut data = self.received.get(self.data.clone()).unwrap_or_default();
            let found = parser.find_event(&mut data)?;
            self.data.start = self.data.end.saturating_sub(data.len());
            if found {
                self.has_events = true;
                return Ok(());
            }
            while !self.decode()? {
                self.fill()?;
            }
        }
    }

    /// Finds the next piece of data; whether there is one.
    fn decode(&mut self) -> Result<bool, EventSourceError> {
        let mut input = self.received.get(self.rest.clone()).unwrap_or_default();
        let data_len = self.decoder.decode(&mut input)?.map_or(0, <[u8]>::len);
        self.rest.start = self.rest.end.saturating_sub(input.len());
        self.data = self.rest.start.saturating_sub(data_len)..self.rest.start;
        Ok(data_len > 0)
    }

    /// Reads once, after all of the input was consumed.
    fn fill(&mut self) -> Result<(), EventSourceError> {
        if self.decoder.is_complete() {
            return Err(EventSourceError::Disconnected);
        }
        // Once: it keeps its length.
        self.received.resize(READ_LEN, 0);
        let len = match read_before(&mut self.stream, deadline(self.idle_timeout), &mut self.received) {
            Ok(len) => len,
            Err(HeadError::Timeout) => return Err(EventSourceError::IdleTimeout),
            Err(error) => return Err(error.into()),
        };
        if len == 0 {
            self.decoder.finish()?;
            return Err(EventSourceError::Disconnected);
        }
        self.rest = 0..len;
        Ok(())
    }
}

/// Whether the content is a stream of events, whatever the parameters of its type, and as it is.
fn is_event_stream(headers: &Headers) -> bool {
    let is_identity = |coding| matches!(coding, Ok(coding) if str::eq_ignore_ascii_case(coding, "identity"));
    headers.tokens("Content-Encoding").all(is_identity)
        && content_type(headers).is_some_and(|essence| essence.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()))
}

/// The media type, without its parameters. Of several, in one field or more, it is the last: what "extract a
/// MIME type" of WHATWG Fetch makes of them, which passes over what is no type, and over `*/*`.
fn content_type(headers: &Headers) -> Option<&[u8]> {
    let values = headers.all("Content-Type").flat_map(|value| value.split(|&byte| byte == b','));
    let essences = values.filter_map(|value| value.split(|&byte| byte == b';').next());
    essences.map(<[u8]>::trim_ascii).filter(|essence| essence.contains(&b'/') && *essence != b"*/*").last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn the_type_counts_and_its_parameters_do_not() {
        for content_type in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/event-stream;charset=windows-1251",
            "text/event-stream ; charset=\"utf-8\"",
        ] {
            assert!(is_event_stream(&headers(&[("content-type", content_type)])), "{content_type}");
        }
        for content_type in ["", "text/plain", "text/event-stream, text/html", "text/event-stream2", ";"] {
            assert!(!is_event_stream(&headers(&[("Content-Type", content_type)])), "{content_type}");
        }
        assert!(!is_event_stream(&headers(&[])));
    }

    #[test]
    fn the_last_type_counts() {
        const EVENTS: &str = "text/event-stream";
        for (types, is_one) in [
            (&[EVENTS, "text/html"][..], false),
            (&["text/html", EVENTS], true),
            (&[EVENTS, EVENTS], true),
            (&["text/html, text/event-stream;charset=utf-8"], true),
            (&["text/event-stream, "], true),
            (&[EVENTS, "nonsense", "*/*"], true),
            (&["text/event-stream;x=\"a,b\""], true),
            (&["nonsense"], false),
        ] {
            let fields: Vec<_> = types.iter().map(|value| ("Content-Type", *value)).collect();
            assert_eq!(is_event_stream(&headers(&fields)), is_one, "{types:?}");
        }
    }

    #[test]
    fn encoded_content_is_not_understood() {
        let with = |coding| headers(&[("Content-Type", "text/event-stream"), ("Content-Encoding", coding)]);
        for coding in ["identity", "Identity", "IDENTITY, identity"] {
            assert!(is_event_stream(&with(coding)), "{coding}");
        }
        assert!(is_event_stream(&with("")));
        for coding in ["gzip", "identity, br", "\u{e4}"] {
            assert!(!is_event_stream(&with(coding)), "{coding}");
        }
    }
}
