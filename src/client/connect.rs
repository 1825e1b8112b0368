//! The opening of a connection: TCP, then the handshake.

use std::net::TcpStream;
use std::time::Duration;

use super::exchange::{exchange, with_body};
use super::request_headers::RequestHeaders;
use super::{ConnectError, Url, tcp};
use crate::blocking::{HeadError, Stream, WebSocket, deadline};
use crate::entropy::Entropy;
use crate::handshake::{ClientHandshake, ResponseError};
use crate::http::HeadLimits;
use crate::protocol::{Config, Role};

/// Connects to a `ws://` address: TCP, handshake, ready to send. Blocks for 10 s at most
/// for each of the two.
///
/// ```no_run
/// let mut ws = talkback::connect("ws://localhost:8080/socket")?;
/// ws.send("hello")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ConnectError`].
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, ConnectError> {
    Connect::new(url).connect()
}

/// What to ask for when connecting, and how long to wait.
///
/// ```no_run
/// use std::time::Duration;
/// use talkback::client::Connect;
///
/// let ws = Connect::new("ws://localhost:8080/socket")
///     .header("Authorization", "Bearer secret")
///     .subprotocol("chat")
///     .connect_timeout(Some(Duration::from_secs(3)))
///     .connect()?;
/// assert_eq!(ws.subprotocol(), Some("chat"));
/// # Ok::<(), talkback::client::ConnectError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connect {
    url: String,
    headers: RequestHeaders,
    subprotocols: Vec<String>,
    config: Config,
    head_limits: HeadLimits,
    connect_timeout: Option<Duration>,
    handshake_timeout: Option<Duration>,
}

impl Connect {
    /// A connection to this `ws://` address. It is looked at by [`connect`](Self::connect).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: RequestHeaders::new(),
            subprotocols: Vec::new(),
            config: Config::default(),
            head_limits: HeadLimits::default(),
            connect_timeout: Some(Duration::from_secs(10)),
            handshake_timeout: Some(Duration::from_secs(10)),
        }
    }

    /// Adds a header to the request, such as Origin, Authorization or Cookie.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(name.into(), value.into());
        self
    }

    /// Offers a subprotocol, after those offered before.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Sets the limits and deadlines of the connection.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the limits of the response's head.
    #[must_use]
    pub const fn head_limits(mut self, head_limits: HeadLimits) -> Self {
        self.head_limits = head_limits;
        self
    }

    /// Bounds the search for the host's address and the TCP connection. Default 10 s; `None`: as long as the
    /// system takes. Zero: no time at all, so that it fails.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bounds the handshake, in all: the request's writing and the response's coming. Default 10 s; `None`:
    /// without bound. Zero: no time at all, so that it fails.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Connects. Small messages are sent at once (`TCP_NODELAY`). Redirects aren't
    /// followed: they are [`ResponseError::Refused`], with the response.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(&self) -> Result<WebSocket<TcpStream>, ConnectError> {
        let (stream, handshake) = self.connect_tcp()?;
        self.open(stream, &handshake)
    }

    /// Does the first half of [`connect`](Self::connect): what is left is the handshake.
    pub(crate) fn connect_tcp(&self) -> Result<(TcpStream, ClientHandshake), ConnectError> {
        let url = Url::parse(&self.url)?;
        let handshake = self.client_handshake(&url)?;
        Ok((tcp::connect(&url, self.connect_timeout)?, handshake))
    }

    /// The same to another address.
    #[cfg(feature = "rooms")]
    pub(crate) fn to(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    #[cfg(feature = "rooms")]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Does the handshake over a stream that is connected to the server already, such as a
    /// TLS or Unix one. For one without deadlines, wrap it in
    /// [`Untimed`](crate::blocking::Untimed).
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn handshake<S: Stream>(&self, stream: S) -> Result<WebSocket<S>, ConnectError> {
        let handshake = self.client_handshake(&Url::parse(&self.url)?)?;
        self.open(stream, &handshake)
    }

    /// The request, if it can be made: what is wrong with the options is found here.
    pub(crate) fn client_handshake(&self, url: &Url) -> Result<ClientHandshake, ConnectError> {
        let nonce = Entropy::from_system().bytes();
        let mut handshake = ClientHandshake::new(&url.authority(), url.target(), nonce)?;
        if let Some(deflate) = self.config.deflate.filter(|_| cfg!(feature = "deflate")) {
            handshake.deflate(deflate.parameters);
        }
        for name in &self.subprotocols {
            handshake.subprotocol(name)?;
        }
        for (name, value) in self.headers.iter() {
            handshake.header(name, value)?;
        }
        Ok(handshake)
    }

    /// Does the second half of [`connect`](Self::connect).
    pub(crate) fn open<S: Stream>(
        &self,
        mut stream: S,
        handshake: &ClientHandshake,
    ) -> Result<WebSocket<S>, ConnectError> {
        let deadline = deadline(self.handshake_timeout);
        let (response, rest) = exchange(&mut stream, &handshake.request(), self.head_limits, deadline)?;
        let negotiated = match handshake.finish(&response) {
            Ok(negotiated) => negotiated,
            Err(ResponseError::Refused(_)) => {
                let response = with_body(response, rest, &mut stream, deadline);
                return Err(ResponseError::Refused(Box::new(response)).into());
            }
            Err(error) => return Err(error.into()),
        };
        let ws = WebSocket::from_parts(stream, &rest, Role::Client, self.config.clone());
        let ws = ws.with_agreed_deflate(negotiated.deflate().copied());
        Ok(ws.with_subprotocol(negotiated.subprotocol().map(str::to_owned)))
    }
}

impl From<HeadError> for ConnectError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Http(error) => ResponseError::from(error).into(),
            HeadError::Closed => Self::Disconnected,
            HeadError::Timeout => Self::HandshakeTimeout,
            HeadError::Io(error) => Self::Io(error),
        }
    }
}
