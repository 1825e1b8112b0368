//! Taking connections: the policy, and the paved path from a socket to a connection.

use std::time::Duration;

use super::{AcceptError, Exchange};
use crate::blocking::{Stream, WebSocket};
use crate::handshake::{DeflateParameters, HandshakeError, Origins, Policy, Upgrade};
use crate::http::{HeadLimits, Request, Response};
use crate::protocol::{Config, Deflate};

/// Does the server's half of the handshake over an accepted stream. Blocks for 10 s at most.
///
/// Pages of other origins are refused (403), as is all that isn't a valid upgrade; the
/// client is told why.
///
/// ```no_run
/// let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
/// for stream in listener.incoming() {
///     let stream = stream?;
///     std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         let mut ws = talkback::accept(stream)?;
///         while let Some(message) = ws.recv()? {
///             ws.send(&message)?;
///         }
///         Ok(())
///     });
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`AcceptError`].
pub fn accept<S: Stream>(stream: S) -> Result<WebSocket<S>, AcceptError> {
    Accept::new().accept(stream)
}

/// As [`accept`], and shows the request first: choose a subprotocol, add headers, or refuse
/// with a response of your own.
///
/// ```no_run
/// use talkback::http::{Response, Status};
///
/// # let stream = std::net::TcpStream::connect("127.0.0.1:1")?;
/// let ws = talkback::accept_with(stream, |request, upgrade| {
///     if request.path() != "/socket" {
///         return Err(Response::refusal(Status::NOT_FOUND, "there is nothing here"));
///     }
///     if upgrade.subprotocols().any(|offered| offered == "chat") {
///         upgrade.subprotocol("chat").map_err(|error| Response::refusal(Status::BAD_REQUEST, &error.to_string()))?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(ws.subprotocol(), Some("chat"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`AcceptError`]; of a refusal, [`AcceptError::Refused`].
pub fn accept_with<S: Stream>(
    stream: S,
    choose: impl FnOnce(&Request, &mut Upgrade) -> Result<(), Response>,
) -> Result<WebSocket<S>, AcceptError> {
    Accept::new().accept_with(stream, choose)
}

/// Whom a server takes, on what terms, and how long it waits for a request.
///
/// ```
/// use std::time::Duration;
/// use talkback::handshake::Origins;
/// use talkback::protocol::Config;
/// use talkback::server::Accept;
///
/// let accept = Accept::new()
///     .origins(Origins::Listed(vec!["https://app.example".to_owned()]))
///     .subprotocols(["chat.v2", "chat.v1"])
///     .config(Config::default().max_message_len(Some(64 * 1024)))
///     .handshake_timeout(Some(Duration::from_secs(5)));
/// # drop(accept);
/// ```
#[derive(Debug, Clone)]
pub struct Accept {
    pub(super) policy: Policy,
    pub(super) subprotocols: Vec<String>,
    pub(super) require_subprotocol: bool,
    pub(super) config: Config,
    pub(super) head_limits: HeadLimits,
    pub(super) handshake_timeout: Option<Duration>,
    #[cfg(feature = "server")]
    pub(super) max_body_len: Option<usize>,
    #[cfg(feature = "server")]
    pub(super) body_timeout: Option<Duration>,
}

impl Default for Accept {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            subprotocols: Vec::new(),
            require_subprotocol: false,
            config: Config::default().deflate(Some(Deflate::shared())),
            head_limits: HeadLimits::default(),
            handshake_timeout: Some(Duration::from_secs(10)),
            #[cfg(feature = "server")]
            max_body_len: Some(1024 * 1024),
            #[cfg(feature = "server")]
            body_timeout: Some(Duration::from_secs(30)),
        }
    }
}

impl Accept {
    /// The defaults: same origin, any host, no subprotocol, 10 s for the request, messages
    /// compressed with shared states if the client offers it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which pages may connect. Default: those of the same origin.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.policy = self.policy.origins(origins);
        self
    }

    /// Serves these hosts only, whatever is asked of them; others are answered 421. Default: all.
    #[must_use]
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.policy = self.policy.hosts(hosts);
        self
    }

    /// Serves these subprotocols: the first one that a client offers is chosen. Default: none.
    #[must_use]
    pub fn subprotocols<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a client that offers none of the subprotocols is refused (400) rather than
    /// connected without. Default: no.
    #[must_use]
    pub const fn require_subprotocol(mut self, required: bool) -> Self {
        self.require_subprotocol = required;
        self
    }

    /// Sets the limits and deadlines of connections, and how messages are compressed. Mind
    /// that [`Config::default`] has private states: see [`Deflate`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the limits of a request's head.
    #[must_use]
    pub const fn head_limits(mut self, head_limits: HeadLimits) -> Self {
        self.head_limits = head_limits;
        self
    }

    /// Bounds the wait for a request, in all. Default 10 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Limits the body of a request, in bytes of data: what a connection of an event-driven server holds while
    /// it reads one. A longer one is answered 413, from its Content-Length if it has one. Default 1 MiB.
    #[cfg(feature = "server")]
    #[must_use]
    pub const fn max_body_len(mut self, len: Option<usize>) -> Self {
        self.max_body_len = len;
        self
    }

    /// Bounds the wait for the body of a request, in all, in an event-driven server; it is answered 408 then.
    /// Default 30 s.
    #[cfg(feature = "server")]
    #[must_use]
    pub const fn body_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// A request that may be upgraded, its subprotocol chosen.
    pub(super) fn upgrade(&self, request: &Request) -> Result<Upgrade, HandshakeError> {
        let mut upgrade = Upgrade::new(request, &self.policy)?;
        let common = self
            .subprotocols
            .iter()
            .find(|name| upgrade.subprotocols().any(|offered| offered == name.as_str()));
        match common {
            // It is offered: it can't fail.
            Some(name) => upgrade.subprotocol(name).unwrap_or_default(),
            None if self.require_subprotocol => return Err(HandshakeError::NoCommonSubprotocol),
            None => {}
        }
        Ok(upgrade)
    }

    /// How messages are compressed on a connection that is being upgraded.
    pub(super) fn agree_on_deflate(&self, upgrade: &mut Upgrade) -> Option<DeflateParameters> {
        let wanted = self.config.deflate.filter(|_| cfg!(feature = "deflate"))?;
        upgrade.deflate(&wanted.parameters)
    }

    /// Does the handshake: see [`accept`](accept()).
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn accept<S: Stream>(&self, stream: S) -> Result<WebSocket<S>, AcceptError> {
        Exchange::read(stream, self)?.upgrade()
    }

    /// Does the handshake, and shows the request first: see [`accept_with`].
    ///
    /// # Errors
    /// [`AcceptError`].
    pub fn accept_with<S: Stream>(
        &self,
        stream: S,
        choose: impl FnOnce(&Request, &mut Upgrade) -> Result<(), Response>,
    ) -> Result<WebSocket<S>, AcceptError> {
        Exchange::read(stream, self)?.upgrade_with(choose)
    }
}
