//! The server's half of the handshake: RFC 6455 §4.2.

use super::key::{accept_key, is_key};
use super::{BuildError, DeflateParameters, HandshakeError, Offer, Policy, is_reserved};
use crate::http::syntax::is_token;
use crate::http::{Headers, Request, Response, Status};

/// A request that may be upgraded: every check of RFC 6455 §4.2.1 and of the policy passed.
///
/// Choose a subprotocol and add headers where you want to, then write what
/// [`accept`](Self::accept) gives: the connection is open behind it.
///
/// ```
/// use talkback::handshake::{Policy, Upgrade};
/// use talkback::http::{HeadLimits, Request};
///
/// let request = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// let (request, _) = Request::decode(request, HeadLimits::default())?.expect("it is whole");
/// let mut upgrade = Upgrade::new(&request, &Policy::default())?;
/// upgrade.subprotocol("chat")?;
/// let mut response = Vec::new();
/// upgrade.accept().encode(&mut response);
/// assert_eq!(
///     str::from_utf8(&response)?,
///     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Upgrade {
    accept: String,
    offered: Vec<String>,
    offers: Vec<Offer>,
    subprotocol: Option<String>,
    deflate: Option<DeflateParameters>,
    headers: Headers,
}

impl Upgrade {
    /// Checks a request.
    ///
    /// # Errors
    /// [`HandshakeError`]: write its [`response`](HandshakeError::response), then end TCP.
    pub fn new(request: &Request, policy: &Policy) -> Result<Self, HandshakeError> {
        if request.method() != "GET" {
            return Err(HandshakeError::NotGet);
        }
        policy.check_host(request)?;
        let headers = request.headers();
        if !headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "upgrade") {
            return Err(HandshakeError::NotAnUpgrade);
        }
        match headers.only("Sec-WebSocket-Version") {
            Ok(Some("13")) => {}
            Ok(None) => return Err(HandshakeError::MissingVersion),
            Ok(Some(_)) | Err(_) => return Err(HandshakeError::UnsupportedVersion),
        }
        let key = headers.only("Sec-WebSocket-Key").ok().flatten().filter(|key| is_key(key));
        let key = key.ok_or(HandshakeError::InvalidKey)?;
        if request.has_body() {
            return Err(HandshakeError::Body);
        }
        policy.check_origin(request)?;
        Ok(Self {
            accept: accept_key(key),
            offered: offered_subprotocols(headers)?,
            offers: Offer::decode(headers)?,
            subprotocol: None,
            deflate: None,
            headers: Headers::new(),
        })
    }

    /// The subprotocols that the client offers, the one it likes best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().map(String::as_str)
    }

    /// The extensions that the client offers.
    #[must_use]
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// Chooses a subprotocol, in place of one chosen before. Without a choice the
    /// connection has none, which every client accepts.
    ///
    /// # Errors
    /// [`BuildError::UnofferedSubprotocol`] where the client doesn't offer it.
    pub fn subprotocol(&mut self, name: &str) -> Result<(), BuildError> {
        if !self.subprotocols().any(|offered| offered == name) {
            return Err(BuildError::UnofferedSubprotocol);
        }
        self.subprotocol = Some(name.to_owned());
        Ok(())
    }

    /// The subprotocol that was chosen; `None`: none was.
    #[must_use]
    pub fn chosen_subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Chooses how messages may be compressed: as the first offer of the client that can be
    /// met, within what is wanted here. `None`: none can be met, or none is made; messages are
    /// not compressed.
    pub fn deflate(&mut self, wanted: &DeflateParameters) -> Option<DeflateParameters> {
        self.deflate = wanted.choose(&self.offers);
        self.deflate
    }

    /// Adds a header to the response, such as Set-Cookie.
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

    /// The response that opens the connection: 101.
    #[must_use]
    pub fn accept(&self) -> Response {
        let extension = self.deflate.map(|agreed| agreed.encode());
        let handshake = [
            ("Upgrade", Some("websocket")),
            ("Connection", Some("Upgrade")),
            ("Sec-WebSocket-Accept", Some(self.accept.as_str())),
            ("Sec-WebSocket-Protocol", self.chosen_subprotocol()),
            ("Sec-WebSocket-Extensions", extension.as_deref()),
        ];
        let handshake = handshake.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes())));
        handshake.chain(self.headers.iter()).fold(
            Response::new(Status::SWITCHING_PROTOCOLS),
            // All of them were checked when they came in: it can't fail.
            |response, (name, value)| response.clone().header(name, value).unwrap_or(response),
        )
    }
}

/// "The elements that comprise this value MUST be non-empty strings with characters in the
/// range U+0021 to U+007E not including separator characters [...] and MUST all be unique
/// strings." -- RFC 6455 §4.1
fn offered_subprotocols(headers: &Headers) -> Result<Vec<String>, HandshakeError> {
    let mut offered = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for element in headers.tokens("Sec-WebSocket-Protocol") {
        let name = element.map_err(|_| HandshakeError::InvalidSubprotocols)?;
        if !is_token(name.as_bytes()) || !seen.insert(name) {
            return Err(HandshakeError::InvalidSubprotocols);
        }
        offered.push(name.to_owned());
    }
    Ok(offered)
}
