//! `ws:` addresses, RFC 6455 §3; and `http:` ones, for event streams.

use core::fmt;

use crate::http::Authority;

/// The address of a WebSocket: `ws://host[:port][/path][?query]`.
///
/// ```
/// use talkback::client::Url;
///
/// let url = Url::parse("ws://localhost:8080/chat?room=1")?;
/// assert_eq!((url.host(), url.port(), url.target()), ("localhost", 8080, "/chat?room=1"));
/// assert_eq!(Url::parse("ws://[::1]?x")?.target(), "/?x");
/// # Ok::<(), talkback::client::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    scheme: Scheme,
    /// As written, an IPv6 address in its brackets.
    host: String,
    port: Option<u16>,
    target: String,
}

/// What is spoken at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scheme {
    Ws,
    Http,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Http => "http",
        }
    }

    /// The same over TLS.
    const fn secure_name(self) -> &'static str {
        match self {
            Self::Ws => "wss",
            Self::Http => "https",
        }
    }
}

impl Url {
    const DEFAULT_PORT: u16 = 80;

    /// Reads an address. Nothing is decoded or normalised: a blank must be written `%20`.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        Self::parse_as(Scheme::Ws, url)
    }

    /// Reads an `http:` address, of which a fragment is no part.
    pub(super) fn parse_http(url: &str) -> Result<Self, UrlError> {
        Self::parse_as(Scheme::Http, url.split_once('#').map_or(url, |(url, _fragment)| url))
    }

    /// Whether both are served by the same host and port, over the same scheme.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        (self.scheme, self.port()) == (other.scheme, other.port())
            && self.host.eq_ignore_ascii_case(&other.host)
    }

    fn parse_as(scheme: Scheme, url: &str) -> Result<Self, UrlError> {
        let (name, rest) = url.split_once("://").ok_or(UrlError::MissingScheme)?;
        if name.eq_ignore_ascii_case(scheme.secure_name()) {
            return Err(UrlError::TlsNotBuiltIn);
        }
        if !name.eq_ignore_ascii_case(scheme.name()) {
            return Err(UrlError::UnknownScheme);
        }
        // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST
        // NOT be used on these URIs." -- RFC 6455 §3
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::InvalidCharacter);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let authority = Authority::decode(authority).ok_or(UrlError::InvalidHost)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            scheme,
            host: authority.host().to_owned(),
            port: authority.port(),
            target: format!("{slash}{target}"),
        })
    }

    /// The host as written; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port; 80 where none is written.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self.port {
            Some(port) => port,
            None => Self::DEFAULT_PORT,
        }
    }

    /// The path, at least `/`, and the query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of the Host header: with the port where it isn't 80.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port() {
            Self::DEFAULT_PORT => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target)
    }
}

/// What is wrong with an address.
///
/// ```
/// use talkback::client::{Url, UrlError};
///
/// assert_eq!(Url::parse("http://localhost"), Err(UrlError::UnknownScheme));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// There is no `://`.
    MissingScheme,
    /// Another scheme than `ws`; for an event stream, than `http`.
    UnknownScheme,
    /// `wss` or `https`: TLS isn't built in. For a WebSocket, make the TLS connection yourself and
    /// give it to [`Connect::handshake`](super::Connect::handshake).
    TlsNotBuiltIn,
    /// A `#`, which RFC 6455 §3 forbids.
    Fragment,
    /// A blank, a control character, or one beyond ASCII.
    InvalidCharacter,
    /// `user@` or `user:password@`: use an Authorization header.
    UserInfo,
    /// The host is missing or malformed, or the port is no number up to 65,535.
    InvalidHost,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingScheme => "the address does not begin with a scheme, such as ws://",
            Self::UnknownScheme => "the address has another scheme than ws://, or http:// for events",
            Self::TlsNotBuiltIn => "wss:// and https:// need TLS, which is not built in",
            Self::Fragment => "the address has a fragment (#)",
            Self::InvalidCharacter => "the address has a character that must be percent-encoded",
            Self::UserInfo => "the address has a user name, which belongs into a header",
            Self::InvalidHost => "the address has no valid host and port",
        })
    }
}

impl core::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, host, port, target, authority) in [
            ("ws://a", "a", 80, "/", "a"),
            ("WS://a:80/", "a", 80, "/", "a"),
            ("ws://a:8080/b/c?d=e", "a", 8080, "/b/c?d=e", "a:8080"),
            ("ws://a?d", "a", 80, "/?d", "a"),
            ("ws://[::1]:9/", "::1", 9, "/", "[::1]:9"),
            ("ws://a/b@c:d", "a", 80, "/b@c:d", "a"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((url.host(), url.port(), url.target()), (host, port, target));
            assert_eq!(url.authority(), authority);
            assert_eq!(Url::parse(&url.to_string()).unwrap().to_string(), url.to_string());
        }
    }

    #[test]
    fn addresses_of_event_streams() {
        for (url, target, text) in [
            ("http://a", "/", "http://a/"),
            ("HTTP://a:81/b?c#d?e", "/b?c", "http://a:81/b?c"),
            ("http://a#/b", "/", "http://a/"),
        ] {
            let url = Url::parse_http(url).unwrap();
            assert_eq!((url.host(), url.target(), url.to_string().as_str()), ("a", target, text));
        }
        for (url, error) in [
            ("ws://a", UrlError::UnknownScheme),
            ("https://a", UrlError::TlsNotBuiltIn),
            ("wss://a", UrlError::UnknownScheme),
            ("a#://b", UrlError::MissingScheme),
            ("http://a b/", UrlError::InvalidCharacter),
        ] {
            assert_eq!(Url::parse_http(url), Err(error), "{url}");
        }
    }

    #[test]
    fn bad_addresses() {
        for (url, error) in [
            ("", UrlError::MissingScheme),
            ("localhost:80", UrlError::MissingScheme),
            ("http://a", UrlError::UnknownScheme),
            ("wss://a", UrlError::TlsNotBuiltIn),
            ("https://a", UrlError::UnknownScheme),
            ("ws://a/#b", UrlError::Fragment),
            ("ws://a/\r\nX: y", UrlError::InvalidCharacter),
            ("ws://a/b c", UrlError::InvalidCharacter),
            ("ws://a/\0", UrlError::InvalidCharacter),
            ("ws://a/é", UrlError::InvalidCharacter),
            ("ws://u:p@a", UrlError::UserInfo),
            ("ws://", UrlError::InvalidHost),
            ("ws:///b", UrlError::InvalidHost),
            ("ws://a:65536", UrlError::InvalidHost),
            ("ws://a:b", UrlError::InvalidHost),
            ("ws://::1", UrlError::InvalidHost),
        ] {
            assert_eq!(Url::parse(url), Err(error), "{url}");
        }
    }
}
