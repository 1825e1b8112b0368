//! One request and what becomes of it: a page, a stream of events, or a connection.

use std::io;
use std::net::Shutdown;

use super::{Accept, AcceptError, EventStream};
use crate::blocking::{HeadError, Stream, WebSocket, deadline, drain, never_zero, read_head};
use crate::handshake::{HandshakeError, Upgrade};
use crate::http::{Request, RequestDecoder, Response, Status};
use crate::protocol::{Config, Role};

/// A request that was read from a stream and waits for its answer: see it, then call one of
/// [`respond`](Self::respond), [`upgrade`](Self::upgrade) and [`events`](Self::events).
///
/// ```no_run
/// use talkback::http::{Response, Status};
/// use talkback::server::{Accept, Exchange};
///
/// # let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
/// # let stream = listener.accept()?.0;
/// let exchange = Exchange::read(stream, &Accept::new())?;
/// match exchange.request().path() {
///     "/" => exchange.respond(&Response::new(Status::OK).body("hello"))?,
///     "/socket" => drop(exchange.upgrade()?),
///     _ => exchange.respond(&Response::refusal(Status::NOT_FOUND, "there is nothing here"))?,
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Exchange<S> {
    stream: S,
    request: Request,
    /// What came behind the head.
    rest: Vec<u8>,
    accept: Accept,
}

impl<S: Stream> Exchange<S> {
    /// Reads a request's head. Blocks for [`Accept::handshake_timeout`] at most; what isn't
    /// an acceptable request is answered here.
    ///
    /// # Errors
    /// [`AcceptError`]: the client was answered, TCP is ended.
    pub fn read(mut stream: S, accept: &Accept) -> Result<Self, AcceptError> {
        let deadline = deadline(accept.handshake_timeout);
        stream.set_write_timeout(never_zero(accept.config.write_timeout))?;
        stream.set_nodelay(true)?;
        let mut decoder = RequestDecoder::new(accept.head_limits);
        match read_head(&mut stream, deadline, Vec::new(), |received| decoder.decode(received)) {
            Ok((request, rest)) => {
                let exchange = Self { stream, request, rest, accept: accept.clone() };
                match accept.policy.check_host(&exchange.request) {
                    Ok(()) => Ok(exchange),
                    Err(error) => Err(exchange.refuse(error)),
                }
            }
            Err(HeadError::Http(error)) => {
                let error = HandshakeError::from(error);
                // The answer is a courtesy: the error says what happened.
                write_last(stream, &error.response(), &accept.config).unwrap_or_default();
                Err(AcceptError::Handshake(error))
            }
            Err(HeadError::Timeout) => {
                let response =
                    Response::refusal(Status::REQUEST_TIMEOUT, "the request was not complete in time");
                write_last(stream, &response, &accept.config).unwrap_or_default();
                Err(AcceptError::Timeout)
            }
            Err(HeadError::Closed) => Err(AcceptError::Disconnected),
            Err(HeadError::Io(error)) => Err(AcceptError::Io(error)),
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The stream below.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Answers with `response`, and ends TCP. To a HEAD, the body isn't sent.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn respond(self, response: &Response) -> io::Result<()> {
        let mut bytes = Vec::new();
        encode_answer(self.request.method() == "HEAD", response, false, &mut bytes);
        write_and_end(self.stream, &bytes, &self.accept.config)
    }

    /// Opens a WebSocket connection. What came behind the request is received first.
    ///
    /// # Errors
    /// [`AcceptError::Handshake`] where the request isn't a valid upgrade; the client was
    /// told why, TCP is ended.
    pub fn upgrade(self) -> Result<WebSocket<S>, AcceptError> {
        self.upgrade_with(|_, _| Ok(()))
    }

    /// Opens a WebSocket connection, and lets the caller choose a subprotocol, add headers,
    /// or refuse.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade); [`AcceptError::Refused`].
    pub fn upgrade_with(
        mut self,
        choose: impl FnOnce(&Request, &mut Upgrade) -> Result<(), Response>,
    ) -> Result<WebSocket<S>, AcceptError> {
        let mut upgrade = match self.accept.upgrade(&self.request) {
            Ok(upgrade) => upgrade,
            Err(error) => return Err(self.refuse(error)),
        };
        if let Err(response) = choose(&self.request, &mut upgrade) {
            let status = response.status();
            // The answer is a courtesy: the error says what happened.
            self.respond(&response).unwrap_or_default();
            return Err(AcceptError::Refused(status));
        }
        let agreed = self.accept.agree_on_deflate(&mut upgrade);
        let mut response = Vec::new();
        upgrade.accept().encode(&mut response);
        self.stream.write_all(&response)?;
        self.stream.flush()?;
        let ws = WebSocket::from_parts(self.stream, &self.rest, Role::Server, self.accept.config);
        let ws = ws.with_agreed_deflate(agreed);
        Ok(ws.with_subprotocol(upgrade.chosen_subprotocol().map(str::to_owned)))
    }

    /// Opens a stream of server-sent events, for a GET whose page may read it.
    ///
    /// # Errors
    /// [`AcceptError::Handshake`] of another method; the client was told why, TCP is ended.
    pub fn events(self) -> Result<EventStream<S>, AcceptError> {
        if self.request.method() != "GET" {
            return Err(self.refuse(HandshakeError::NotGet));
        }
        Ok(EventStream::open(self.stream)?)
    }

    /// Tells the client why, and ends TCP.
    fn refuse(self, error: HandshakeError) -> AcceptError {
        // The answer is a courtesy: the error says what happened.
        self.respond(&error.response()).unwrap_or_default();
        AcceptError::Handshake(error)
    }
}

/// Appends the answer to a request. To a HEAD, the body isn't sent.
pub(super) fn encode_answer(is_head: bool, response: &Response, keep_alive: bool, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    if keep_alive || response.headers().contains("Connection") {
        response.encode(bytes);
    } else {
        // Both are constants and valid: it can't fail.
        let response = response.clone().header("Connection", "close").unwrap_or_else(|_| response.clone());
        response.encode(bytes);
    }
    if is_head && !response.status().is_bodiless() {
        bytes.truncate(start.max(bytes.len() - response.content().len()));
    }
}

fn write_last<S: Stream>(stream: S, response: &Response, config: &Config) -> io::Result<()> {
    let mut bytes = Vec::new();
    response.encode(&mut bytes);
    write_and_end(stream, &bytes, config)
}

/// Writes the last bytes, and reads and forgets what the client still sends for a short
/// while: closing a socket that has unread input sends an RST, which would eat the answer.
fn write_and_end<S: Stream>(mut stream: S, bytes: &[u8], config: &Config) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()?;
    stream.shutdown(Shutdown::Write)?;
    drain(config.linger_timeout, |left, scrap| {
        stream.set_read_timeout(left)?;
        stream.read(scrap)
    });
    Ok(())
}
