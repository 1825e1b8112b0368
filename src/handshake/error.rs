//! Why a handshake failed: by whose fault, and what to answer.

use core::fmt;

use crate::http::{HttpError, Response, Status};

/// A request that is not upgraded: the client's fault, as a server sees it.
///
/// ```
/// use talkback::handshake::HandshakeError;
/// use talkback::http::Status;
///
/// let error = HandshakeError::UnsupportedVersion;
/// assert_eq!(error.status(), Status::UPGRADE_REQUIRED);
/// assert_eq!(error.response().headers().only("Sec-WebSocket-Version"), Ok(Some("13")));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeError {
    /// What came is no acceptable HTTP request.
    Http(HttpError),
    /// The method isn't GET.
    NotGet,
    /// The Host isn't one of those served.
    UnknownHost,
    /// No `Upgrade: websocket`, or no `Connection: upgrade`: an ordinary request.
    NotAnUpgrade,
    /// No `Sec-WebSocket-Version`.
    MissingVersion,
    /// Another `Sec-WebSocket-Version` than 13.
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is missing, there twice, not canonical base64, or not 16 bytes.
    InvalidKey,
    /// The request announces a body, which would be read as frames.
    Body,
    /// An Origin that may not connect.
    ForbiddenOrigin,
    /// `Sec-WebSocket-Extensions` breaks the grammar.
    InvalidExtensions,
    /// `Sec-WebSocket-Protocol` breaks the grammar, or names one twice.
    InvalidSubprotocols,
    /// No subprotocol is offered that is served, and one is required.
    NoCommonSubprotocol,
}

impl HandshakeError {
    /// The status to answer with.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Http(error) => error.status(),
            Self::NotGet => Status::METHOD_NOT_ALLOWED,
            Self::UnknownHost => Status::MISDIRECTED_REQUEST,
            Self::NotAnUpgrade | Self::UnsupportedVersion => Status::UPGRADE_REQUIRED,
            Self::ForbiddenOrigin => Status::FORBIDDEN,
            Self::MissingVersion
            | Self::InvalidKey
            | Self::Body
            | Self::InvalidExtensions
            | Self::InvalidSubprotocols
            | Self::NoCommonSubprotocol => Status::BAD_REQUEST,
        }
    }

    /// The answer: the status, why as a line of plain text, `Connection: close`, and the
    /// header that the status asks for. End TCP after it.
    #[must_use]
    pub fn response(&self) -> Response {
        let refusal = Response::refusal(self.status(), &self.to_string());
        let headers: &[(&str, &str)] = match self {
            // "The origin server MUST generate an Allow header field in a 405 response"
            // -- RFC 9110 §15.5.6
            Self::NotGet => &[("Allow", "GET")],
            // "The server MUST send an Upgrade header field in a 426 response" -- RFC 9110 §15.5.22
            // "A sender of Upgrade MUST also send an 'Upgrade' connection option" -- RFC 9110 §7.8
            Self::NotAnUpgrade => &[("Connection", "Upgrade"), ("Upgrade", "websocket")],
            // "MUST [...] include a |Sec-WebSocket-Version| header field indicating the
            // version(s) the server is capable of understanding" -- RFC 6455 §4.2.2
            Self::UnsupportedVersion => {
                &[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
            }
            _ => &[],
        };
        // All of them are constants and valid: it can't fail.
        headers
            .iter()
            .fold(refusal, |response, (name, value)| response.clone().header(name, value).unwrap_or(response))
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(error) => return error.fmt(f),
            Self::NotGet => "the method is not GET",
            Self::UnknownHost => "this host is not served here",
            Self::NotAnUpgrade => "a WebSocket upgrade is required",
            Self::MissingVersion => "Sec-WebSocket-Version is missing",
            Self::UnsupportedVersion => "the WebSocket version is not 13",
            Self::InvalidKey => "Sec-WebSocket-Key is not 16 bytes in base64",
            Self::Body => "an upgrade can't have a body",
            Self::ForbiddenOrigin => "this origin may not connect",
            Self::InvalidExtensions => "Sec-WebSocket-Extensions is malformed",
            Self::InvalidSubprotocols => "Sec-WebSocket-Protocol is malformed",
            Self::NoCommonSubprotocol => "none of the subprotocols is served",
        })
    }
}

impl core::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Http(error) = self { Some(error) } else { None }
    }
}

impl From<HttpError> for HandshakeError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// A response that opens no connection: the server's fault, or its wish, as a client sees it.
///
/// ```
/// use talkback::handshake::{ClientHandshake, ResponseError};
/// use talkback::http::{Response, Status};
///
/// let handshake = ClientHandshake::new("example.com", "/", [7; 16])?;
/// let refused = handshake.finish(&Response::new(Status::FORBIDDEN));
/// assert!(matches!(refused, Err(ResponseError::Refused(response)) if response.status() == Status::FORBIDDEN));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseError {
    /// What came is no acceptable HTTP response.
    Http(HttpError),
    /// Another status than 101: the response, with up to 4 KiB of its body where a client
    /// of this crate read it.
    Refused(Box<Response>),
    /// No `Upgrade: websocket`.
    MissingUpgrade,
    /// No `Connection: Upgrade`.
    MissingConnection,
    /// `Sec-WebSocket-Accept` is missing, there twice, or not what the key asks for.
    InvalidAccept,
    /// A subprotocol that was not offered, or more than one.
    UnofferedSubprotocol,
    /// An extension that was not offered, or one whose parameters are malformed.
    UnofferedExtension,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Refused(response) => {
                write!(f, "the server answered {} {}", response.status().code(), response.reason())
            }
            Self::MissingUpgrade => f.write_str("the server's Upgrade is not websocket"),
            Self::MissingConnection => f.write_str("the server's Connection is not Upgrade"),
            Self::InvalidAccept => f.write_str("the server's Sec-WebSocket-Accept does not fit the key"),
            Self::UnofferedSubprotocol => f.write_str("the server chose a subprotocol that was not offered"),
            Self::UnofferedExtension => f.write_str("the server chose an extension that was not offered"),
        }
    }
}

impl core::error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Http(error) = self { Some(error) } else { None }
    }
}

impl From<HttpError> for ResponseError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

/// What the caller asked to be put into a handshake can't be: nothing was sent.
///
/// ```
/// use talkback::handshake::{BuildError, ClientHandshake};
///
/// let mut handshake = ClientHandshake::new("example.com", "/", [7; 16])?;
/// assert_eq!(handshake.subprotocol("a\r\nb"), Err(BuildError::InvalidSubprotocol));
/// # Ok::<(), BuildError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildError {
    /// A header's name or value has bytes that it can't have, such as CR, LF or NUL.
    Header(crate::http::HeaderError),
    /// A header that the handshake sets itself: Host, Connection, Upgrade, `Sec-WebSocket-*`.
    ReservedHeader,
    /// A subprotocol that isn't a token.
    InvalidSubprotocol,
    /// A subprotocol that was offered before.
    RepeatedSubprotocol,
    /// A subprotocol that the client didn't offer.
    UnofferedSubprotocol,
    /// The host isn't a host with an optional port.
    InvalidHost,
    /// The target isn't a path with an optional query, in visible ASCII.
    InvalidTarget,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header(error) => return error.fmt(f),
            Self::ReservedHeader => "this header is set by the handshake itself",
            Self::InvalidSubprotocol => "the subprotocol is not a token",
            Self::RepeatedSubprotocol => "the subprotocol was offered before",
            Self::UnofferedSubprotocol => "the subprotocol was not offered",
            Self::InvalidHost => "the host is not a host with an optional port",
            Self::InvalidTarget => "the target is not a path in visible ASCII",
        })
    }
}

impl core::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        if let Self::Header(error) = self { Some(error) } else { None }
    }
}

impl From<crate::http::HeaderError> for BuildError {
    fn from(error: crate::http::HeaderError) -> Self {
        Self::Header(error)
    }
}
