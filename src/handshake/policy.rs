//! Who may connect: RFC 6455 §4.2.2 step 4, §10.2.

use super::HandshakeError;
use crate::http::{Authority, Request};

/// Which pages may connect. Browsers say in `Origin` which page a script is from; requests
/// without an Origin aren't from a browser and pass.
///
/// ```
/// use talkback::handshake::{Origins, Policy};
///
/// let policy = Policy::default().origins(Origins::Listed(vec!["https://app.example".to_owned()]));
/// # drop(policy);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages from this very host and port, whose scripts a user of this server trusts. The
    /// default: without it, any page could act as its visitor (cross-site WebSocket hijacking).
    #[default]
    SameOrigin,
    /// Those of the same origin, and these, written as browsers do:
    /// `scheme://host` or `scheme://host:port`, in lower case.
    Listed(Vec<String>),
    /// Any page of the web. For public services that no cookie or address gives rights to.
    Any,
}

impl Origins {
    /// Whether the page that a request comes from is one of these, or none at all.
    ///
    /// ```
    /// use talkback::handshake::Origins;
    /// use talkback::http::{HeadLimits, Request};
    ///
    /// let head = b"GET / HTTP/1.1\r\nHost: a.example\r\nOrigin: https://b.example\r\n\r\n";
    /// let Some((request, _)) = Request::decode(head, HeadLimits::default())? else { return Ok(()) };
    /// assert!(!Origins::SameOrigin.allow(&request) && Origins::Any.allow(&request));
    /// # Ok::<(), talkback::http::HttpError>(())
    /// ```
    #[must_use]
    pub fn allow(&self, request: &Request) -> bool {
        let origin = match request.headers().only("Origin") {
            Ok(Some(origin)) => origin,
            Ok(None) => return true,
            Err(_) => return false,
        };
        match self {
            Self::Any => true,
            Self::SameOrigin => is_same_origin(origin, request.authority()),
            Self::Listed(list) => {
                list.iter().any(|listed| listed == origin) || is_same_origin(origin, request.authority())
            }
        }
    }
}

/// What a server asks of a request before it looks at its content.
///
/// ```
/// use talkback::handshake::Policy;
///
/// // Only these hosts: a page can't reach this server through a name of its own (DNS rebinding).
/// let policy = Policy::default().hosts(["localhost:8080", "chat.example"]);
/// # drop(policy);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which pages may connect. Default: those of the same origin.
    pub origins: Origins,
    /// Which values of `Host` are served, with the port where it isn't the default one;
    /// `None`, the default: all.
    pub hosts: Option<Vec<String>>,
}

impl Policy {
    /// Sets which pages may connect.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Serves these hosts only; others are answered 421.
    #[must_use]
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// [`HandshakeError::UnknownHost`] where the request is for another host than those served.
    pub(crate) fn check_host(&self, request: &Request) -> Result<(), HandshakeError> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let host = request.authority();
        let served = hosts
            .iter()
            .filter_map(|served| Authority::decode(served))
            .any(|served| served.host().eq_ignore_ascii_case(host.host()) && served.port() == host.port());
        if served { Ok(()) } else { Err(HandshakeError::UnknownHost) }
    }

    pub(super) fn check_origin(&self, request: &Request) -> Result<(), HandshakeError> {
        if self.origins.allow(request) { Ok(()) } else { Err(HandshakeError::ForbiddenOrigin) }
    }
}

/// Whether a page of this origin came from the host that the request is for. A port left
/// out is the default one of the origin's scheme: whether TLS ended before us isn't known.
fn is_same_origin(origin: &str, host: Authority<'_>) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, 80),
        Some(("https", authority)) => (authority, 443),
        _ => return false,
    };
    Authority::decode(authority).is_some_and(|authority| authority.is_same(host, default_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_origin() {
        let same = |origin, host| is_same_origin(origin, Authority::decode(host).unwrap());
        assert!(same("http://a.example", "a.example"));
        assert!(same("http://a.example", "A.example:80"));
        assert!(same("https://a.example:443", "a.example"));
        assert!(same("http://[::1]:8080", "[::1]:8080"));
        assert!(!same("https://a.example", "a.example:80"));
        assert!(!same("http://a.example:8080", "a.example"));
        assert!(!same("http://b.example", "a.example"));
        assert!(!same("http://a.example.b.example", "a.example"));
        assert!(!same("http://a.example/", "a.example"));
        for no_origin in ["null", "", "file://", "a.example", "ftp://a.example", "http://"] {
            assert!(!same(no_origin, "a.example"), "{no_origin}");
        }
    }
}
