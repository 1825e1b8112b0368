//! The client's half of the handshake: RFC 6455 §4.1.

use core::fmt;

use super::key::{accept_key, encode_key};
use super::{BuildError, DeflateParameters, Offer, ResponseError, is_reserved};
use crate::http::syntax::is_token;
use crate::http::{Authority, Headers, HttpError, Response, Status, Version};

/// A handshake that a client begins.
///
/// Write [`request`](Self::request), decode the response's head, give it to
/// [`finish`](Self::finish). What came behind the head belongs to the connection.
///
/// ```
/// use talkback::handshake::ClientHandshake;
/// use talkback::http::{HeadLimits, Response};
///
/// let mut handshake = ClientHandshake::new("server.example.com", "/chat", *b"the sample nonce")?;
/// handshake.subprotocol("chat")?;
/// assert!(handshake.request().starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
///
/// let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
/// let (response, _) = Response::decode(response, HeadLimits::default())?.expect("it is whole");
/// assert_eq!(handshake.finish(&response)?.subprotocol(), Some("chat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientHandshake {
    host: String,
    target: String,
    key: String,
    subprotocols: Vec<String>,
    deflate: Vec<DeflateParameters>,
    headers: Headers,
}

impl fmt::Debug for ClientHandshake {
    /// Of the headers the names alone: a value such as a token or a cookie stays a secret in logs, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("ClientHandshake")
            .field("host", &self.host)
            .field("target", &self.target)
            .field("subprotocols", &self.subprotocols)
            .field("deflate", &self.deflate)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// What was agreed on: see [`ClientHandshake::finish`].
///
/// ```
/// use talkback::handshake::Negotiated;
///
/// assert_eq!(Negotiated::default().subprotocol(), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<String>,
    deflate: Option<DeflateParameters>,
}

impl Negotiated {
    /// The subprotocol that the server chose; `None`: none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// How messages may be compressed; `None`: not at all.
    #[must_use]
    pub const fn deflate(&self) -> Option<&DeflateParameters> {
        self.deflate.as_ref()
    }
}

impl ClientHandshake {
    /// A handshake with `host`, which has a port where it isn't the scheme's default, for
    /// the path and query `target`. The nonce must be fresh and random:
    /// [`Entropy::bytes`](crate::entropy::Entropy::bytes).
    ///
    /// # Errors
    /// [`BuildError::InvalidHost`], [`BuildError::InvalidTarget`].
    pub fn new(host: &str, target: &str, nonce: [u8; 16]) -> Result<Self, BuildError> {
        Authority::decode(host).ok_or(BuildError::InvalidHost)?;
        // "a fragment identifier [...] MUST NOT be used on these URIs" -- RFC 6455 §3
        let visible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !visible || !target.starts_with('/') {
            return Err(BuildError::InvalidTarget);
        }
        Ok(Self {
            host: host.to_owned(),
            target: target.to_owned(),
            key: encode_key(nonce),
            subprotocols: Vec::new(),
            deflate: Vec::new(),
            headers: Headers::new(),
        })
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    /// [`BuildError::InvalidSubprotocol`]; [`BuildError::RepeatedSubprotocol`] where it was
    /// offered before.
    pub fn subprotocol(&mut self, name: &str) -> Result<(), BuildError> {
        if !is_token(name.as_bytes()) {
            return Err(BuildError::InvalidSubprotocol);
        }
        if self.subprotocols.iter().any(|offered| offered == name) {
            return Err(BuildError::RepeatedSubprotocol);
        }
        self.subprotocols.push(name.to_owned());
        Ok(())
    }

    /// Offers permessage-deflate with these parameters, after those offered before: the
    /// server takes the first one that it can meet, or none.
    pub fn deflate(&mut self, wanted: DeflateParameters) {
        self.deflate.push(wanted);
    }

    /// Adds a header, such as Origin, Authorization or Cookie.
    ///
    /// # Errors
    /// [`BuildError::Header`] where the name or the value isn't valid,
    /// [`BuildError::ReservedHeader`] for those that the handshake sets.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), BuildError> {
        if is_reserved(name) {
            return Err(BuildError::ReservedHeader);
        }
        Ok(self.headers.append(name, value)?)
    }

    /// The request to write.
    #[must_use]
    pub fn request(&self) -> Vec<u8> {
        let Self { host, target, key, .. } = self;
        let mut request = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        );
        if !self.subprotocols.is_empty() {
            request += &format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", "));
        }
        if !self.deflate.is_empty() {
            let offers: Vec<String> = self.deflate.iter().map(DeflateParameters::offer).collect();
            request += &format!("Sec-WebSocket-Extensions: {}\r\n", offers.join(", "));
        }
        let mut request = request.into_bytes();
        self.headers.encode(&mut request);
        request.extend_from_slice(b"\r\n");
        request
    }

    /// Checks the response: if it passes, the connection is open.
    ///
    /// # Errors
    /// [`ResponseError`]: end TCP.
    pub fn finish(&self, response: &Response) -> Result<Negotiated, ResponseError> {
        if response.status() != Status::SWITCHING_PROTOCOLS {
            return Err(ResponseError::Refused(Box::new(response.clone())));
        }
        if response.version() != Version::Http11 {
            return Err(HttpError::UnsupportedVersion.into());
        }
        let headers = response.headers();
        if !headers.has_token("Upgrade", "websocket") {
            return Err(ResponseError::MissingUpgrade);
        }
        if !headers.has_token("Connection", "upgrade") {
            return Err(ResponseError::MissingConnection);
        }
        if headers.only("Sec-WebSocket-Accept") != Ok(Some(&accept_key(&self.key))) {
            return Err(ResponseError::InvalidAccept);
        }
        let deflate = self.chosen_deflate(headers)?;
        Ok(Negotiated { subprotocol: self.chosen_subprotocol(headers)?, deflate })
    }

    /// "the use of an extension that was not present in the client's handshake [...] the
    /// client MUST _Fail the WebSocket Connection_" -- RFC 6455 §4.1
    fn chosen_deflate(&self, headers: &Headers) -> Result<Option<DeflateParameters>, ResponseError> {
        let chosen = Offer::decode(headers).map_err(|_| ResponseError::UnofferedExtension)?;
        match chosen.as_slice() {
            [] => Ok(None),
            [chosen] => {
                let agreed = self.deflate.iter().find_map(|offered| offered.agree(chosen));
                agreed.map(Some).ok_or(ResponseError::UnofferedExtension)
            }
            _ => Err(ResponseError::UnofferedExtension),
        }
    }

    fn chosen_subprotocol(&self, headers: &Headers) -> Result<Option<String>, ResponseError> {
        match headers.only("Sec-WebSocket-Protocol") {
            Ok(None) => Ok(None),
            Ok(Some(chosen)) if self.subprotocols.iter().any(|offered| offered == chosen) => {
                Ok(Some(chosen.to_owned()))
            }
            Ok(Some(_)) | Err(_) => Err(ResponseError::UnofferedSubprotocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_headers_are_not_shown() {
        let mut handshake = ClientHandshake::new("localhost", "/", [0; 16]).unwrap();
        handshake.header("Authorization", "secret").unwrap();
        let shown = format!("{handshake:?}");
        assert!(shown.contains("Authorization") && !shown.contains("secret"), "{shown}");
    }
}
