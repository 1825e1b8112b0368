//! One attempt: from the address, over redirects, to a stream of events.

use super::event_body::EventBody;
use super::exchange::{exchange, with_body};
use super::location::resolve;
use super::{Closer, EventSourceError, Subscribe, Url, tcp};
use crate::blocking::deadline;
use crate::http::{HeaderError, Headers, Response, Status};
use crate::sse::MEDIA_TYPE;

/// The headers that are not the caller's: what the connection and the stream need.
const RESERVED: [&str; 11] = [
    "Accept",
    "Accept-Encoding",
    "Cache-Control",
    "Connection",
    "Content-Length",
    "Expect",
    "Host",
    "Last-Event-ID",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
];

/// The request of an event source, which is sent anew with each attempt.
#[derive(Debug)]
pub(super) struct Fetch {
    subscribe: Subscribe,
    url: Url,
}

impl Fetch {
    pub(super) fn new(subscribe: Subscribe) -> Result<Self, EventSourceError> {
        let url = Url::parse_http(&subscribe.url).map_err(EventSourceError::Url)?;
        let is_reserved = |name: &str| RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        if subscribe.headers.iter().any(|(name, _)| is_reserved(name)) {
            return Err(EventSourceError::ReservedHeader);
        }
        let fetch = Self { subscribe, url };
        // A header or an id that can't be sent is refused before anything is.
        fetch.request(&fetch.url, true, fetch.subscribe.parser.last_event_id())?;
        Ok(fetch)
    }

    pub(super) const fn subscribe(&self) -> &Subscribe {
        &self.subscribe
    }

    /// Goes from the address that was given to a stream. `None`: the server said that there are no events.
    ///
    /// `closer` is told of each connection.
    pub(super) fn open(
        &self,
        last_event_id: &str,
        closer: &Closer,
    ) -> Result<Option<EventBody>, EventSourceError> {
        let max = self.subscribe.max_redirect_count;
        let mut url = self.url.clone();
        let mut is_trusted = true;
        for _ in 0..=max {
            // A foreign server chose what follows it, also where that leads back here: the secrets stay home
            // for good, as the HTTP-redirect fetch of WHATWG Fetch takes Authorization away for good.
            is_trusted &= url.is_same_origin(&self.url);
            let request = self.request(&url, is_trusted, last_event_id)?;
            let mut stream = tcp::connect(&url, self.subscribe.connect_timeout)?;
            closer.watch(&stream)?;
            let end = deadline(self.subscribe.response_timeout);
            let (response, rest) = exchange(&mut stream, &request, self.subscribe.head_limits, end)?;
            match (response.status(), redirect(&response)) {
                (Status::OK, _) => {
                    return EventBody::new(stream, response, rest, self.subscribe.idle_timeout).map(Some);
                }
                // "Clients will reconnect if the connection is closed; a client can be told to stop
                // reconnecting using the HTTP 204 No Content response code." -- WHATWG HTML §9.2.1
                (Status::NO_CONTENT, _) => return Ok(None),
                (_, Some(location)) => {
                    url = resolve(&url, location).map_err(EventSourceError::Redirect)?;
                    // Its other handle would keep TCP open until the next is there.
                    closer.unwatch();
                }
                // "if res's status is not 200 [...] then fail the connection" -- WHATWG HTML §9.2.3
                (_, None) => {
                    let response = with_body(response, rest, &mut stream, end);
                    return Err(EventSourceError::Refused(Box::new(response)));
                }
            }
        }
        Err(EventSourceError::TooManyRedirects { max })
    }

    /// The request to write to the server at `url`, with the caller's headers where it is trusted.
    fn request(&self, url: &Url, is_trusted: bool, last_event_id: &str) -> Result<Vec<u8>, EventSourceError> {
        // "A client that does not support persistent connections MUST send the "close" connection option in
        // every request message." -- RFC 9112 §9.3. An Accept-Encoding that isn't there would allow any.
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: {MEDIA_TYPE}\r\nAccept-Encoding: identity\r\n\
             Cache-Control: no-cache\r\nConnection: close\r\n",
            url.target(),
            url.authority(),
        )
        .into_bytes();
        let mut headers = Headers::new();
        // Who is redirected to must not learn the secrets that were meant for another.
        for (name, value) in self.subscribe.headers.iter().filter(|_| is_trusted) {
            headers.append(name, value)?;
        }
        if !last_event_id.is_empty() {
            headers.append("Last-Event-ID", last_event_id).map_err(|error| match error {
                HeaderError::InvalidValue { .. } => EventSourceError::InvalidLastEventId,
                other => other.into(),
            })?;
        }
        headers.encode(&mut request);
        request.extend_from_slice(b"\r\n");
        Ok(request)
    }
}

/// Where the response redirects to; `None` if it doesn't.
fn redirect(response: &Response) -> Option<&str> {
    // "A redirect status is a status that is 301, 302, 303, 307, or 308." -- WHATWG Fetch §2.2.3
    if !matches!(response.status().code(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    response.headers().only("Location").ok().flatten()
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Listens, reads a request, and redirects to a port where nobody listens. Gives how TCP ended.
    fn redirect_to_nobody(listener: &TcpListener) -> std::io::Result<usize> {
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut stream = listener.accept()?.0;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.extend(byte);
        }
        write!(stream, "HTTP/1.1 307 Elsewhere\r\nLocation: http://{nobody}/\r\n\r\n")?;
        stream.read(&mut [0])
    }

    #[test]
    fn who_redirects_is_let_go_of_though_the_next_is_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let subscribe = Subscribe::new(format!("http://{}/", listener.local_addr().unwrap()));
        let server = std::thread::spawn(move || redirect_to_nobody(&listener));
        let closer = Closer::default();
        let error = Fetch::new(subscribe).unwrap().open("", &closer).unwrap_err();
        assert!(matches!(error, EventSourceError::Io(_)), "{error:?}");
        // The closer is still there.
        match server.join().unwrap() {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(!closer.is_closed());
    }
}
