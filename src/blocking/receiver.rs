//! Receiving: what a whole connection and a split-off reader have in common.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::drain::drain;
use super::error::Failure;
use super::link::{Link, is_wait};
use super::stream::never_zero;
use super::{Error, Wait, deadline};
use crate::frame::CloseFrame;
use crate::protocol::{Beat, Config, Event, Inbound, Keepalive, Message, Part, Role};

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) inbound: Inbound,
    role: Role,
    keepalive: Keepalive,
    linger_timeout: Option<Duration>,
    close_timeout: Option<Duration>,
    /// When a read first began after `close_timeout`.
    close_overdue: Option<Instant>,
    recv_timeout: Option<Duration>,
    /// Whether the peer was silent for `ping_interval`.
    idle: bool,
    /// What the stream's read timeout was set to last; `None`: not yet.
    armed: Option<Option<Duration>>,
    peer_close: Option<CloseFrame>,
    failure: Option<Failure>,
    /// Whether the closing handshake is through and TCP ended.
    ended: bool,
}

impl Receiver {
    pub(super) fn new(inbound: Inbound, role: Role, config: &Config) -> Self {
        Self {
            inbound,
            role,
            keepalive: Keepalive::new(config, Instant::now()),
            linger_timeout: config.linger_timeout,
            close_timeout: config.close_timeout,
            close_overdue: None,
            recv_timeout: None,
            idle: false,
            armed: None,
            peer_close: None,
            failure: None,
            ended: false,
        }
    }

    pub(super) const fn set_recv_timeout(&mut self, timeout: Option<Duration>) {
        self.recv_timeout = timeout;
    }

    pub(super) const fn peer_close(&self) -> Option<&CloseFrame> {
        self.peer_close.as_ref()
    }

    /// The next event; `None`: closed.
    pub(super) fn recv_event(&mut self, link: &mut dyn Link) -> Result<Option<Event<'_>>, Error> {
        self.check()?;
        if let Some(whole) = self.inbound.whole_message() {
            let shown = self.inbound.show(whole);
            return shown.map_err(|error| refuse(&mut self.failure, self.linger_timeout, link, error.into()));
        }
        let deadline = self.recv_deadline();
        if !self.wait_for_event(link, deadline)? {
            return Ok(None);
        }
        match self.inbound.next_event() {
            Ok(Some(event)) => {
                if let Event::Close(Some(frame)) = &event {
                    self.peer_close = Some(frame.clone());
                }
                link.with_outbound(&mut |outbound| outbound.answer(&event));
                if matches!(event, Event::Close(_)) {
                    // Whoever stops here has answered all the same.
                    link.flush().unwrap_or_default();
                }
                Ok(Some(event))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(refuse(&mut self.failure, self.linger_timeout, link, error.into())),
        }
    }

    /// The next message; `None`: closed.
    pub(super) fn recv(&mut self, link: &mut dyn Link) -> Result<Option<Message>, Error> {
        self.check()?;
        let deadline = self.recv_deadline();
        loop {
            if !self.wait_for_event(link, deadline)? {
                return Ok(None);
            }
            let peer_close = &mut self.peer_close;
            let next = self.inbound.next_message(|event| {
                if let Event::Close(Some(frame)) = event {
                    *peer_close = Some(frame.clone());
                }
                link.with_outbound(&mut |outbound| outbound.answer(event));
            });
            match next {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(error) => return Err(refuse(&mut self.failure, self.linger_timeout, link, error.into())),
            }
        }
    }

    /// Lets `take` have the parts that come until it has what it wants; `None`: closed.
    pub(super) fn recv_part<R>(
        &mut self,
        link: &mut dyn Link,
        max_len: usize,
        mut take: impl FnMut(&Part<'_>) -> Option<R>,
    ) -> Result<Option<R>, Error> {
        self.check()?;
        let deadline = self.recv_deadline();
        loop {
            match self.inbound.next_part(max_len) {
                Ok(Some(part)) => {
                    if let Part::Close(Some(frame)) = &part {
                        self.peer_close = Some(frame.clone());
                    }
                    link.with_outbound(&mut |outbound| outbound.answer_part(&part));
                    if let Some(taken) = take(&part) {
                        return Ok(Some(taken));
                    }
                }
                Ok(None) => {
                    if !self.read_more(link, deadline)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(refuse(&mut self.failure, self.linger_timeout, link, error.into())),
            }
        }
    }

    /// Waits until an event is ready; `false`: closed.
    fn wait_for_event(&mut self, link: &mut dyn Link, deadline: Option<Instant>) -> Result<bool, Error> {
        loop {
            match self.inbound.poll_event() {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => return Err(refuse(&mut self.failure, self.linger_timeout, link, error.into())),
            }
            if !self.read_more(link, deadline)? {
                return Ok(false);
            }
        }
    }

    /// An error if the connection has failed.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.error()))
    }

    /// At least a moment ahead: a timeout of zero takes what has come.
    fn recv_deadline(&self) -> Option<Instant> {
        deadline(self.recv_timeout.map(|timeout| timeout.max(Duration::from_millis(1))))
    }

    /// Sends what waits, then reads once; `false`: the peer has closed, and TCP is ended.
    fn read_more(&mut self, link: &mut dyn Link, deadline: Option<Instant>) -> Result<bool, Error> {
        if self.inbound.is_closed() {
            self.finish(link)?;
            return Ok(false);
        }
        match link.flush() {
            // What can't be sent can't be; there may still be something to read.
            Err(error) if !error.is_retryable() && !matches!(error, Error::Disconnected) => {
                return Err(self.fail(link, error));
            }
            _ => {}
        }
        match self.read_once(link, deadline) {
            Ok(()) => Ok(true),
            Err(Error::Disconnected) => {
                // If we ended TCP ourselves, why is known better.
                let error = link.failure().unwrap_or(Error::Disconnected);
                Err(self.fail(link, error))
            }
            Err(error) => Err(self.fail(link, error)),
        }
    }

    fn read_once(&mut self, link: &mut dyn Link, deadline: Option<Instant>) -> Result<(), Error> {
        let start = Instant::now();
        self.check_overdue(link, start, deadline)?;
        let armed = self.arm(link, start, deadline)?;
        match self.read_into_inbound(link) {
            Ok(0) => Err(Error::Disconnected),
            Ok(_) => {
                self.idle = false;
                self.keepalive.handle_input(Instant::now());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if is_wait(&error) => self.handle_wait(link, start, armed, deadline),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads once. A connection that has fallen silent holds no buffer while it waits: what
    /// ends the silence is read by way of the stack.
    fn read_into_inbound(&mut self, link: &mut dyn Link) -> io::Result<usize> {
        if !self.idle {
            let len = link.read(self.inbound.spare())?;
            self.inbound.received(len);
            return Ok(len);
        }
        self.inbound.release();
        link.with_outbound(&mut |outbound| outbound.release());
        let mut small = [0; 256];
        let len = link.read(&mut small)?;
        self.inbound.receive(small.get(..len).unwrap_or_default());
        Ok(len)
    }

    /// Ends the wait for a peer that never stops sending, so that no read times out.
    fn check_overdue(
        &mut self,
        link: &mut dyn Link,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        if let (Some(sent_at), Some(timeout)) = (link.close_sent_at(), self.close_timeout) {
            self.keepalive.handle_close_sent(sent_at);
            if now.saturating_duration_since(sent_at) >= timeout {
                // What came in time may still wait to be read; what never ends may not.
                let since = *self.close_overdue.get_or_insert(now);
                if now.saturating_duration_since(since) > timeout {
                    return Err(Error::Timeout(Wait::Close));
                }
            }
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Error::Timeout(Wait::Recv));
        }
        Ok(())
    }

    /// Bounds the next read by what is due next. A timeout that is set already and fits
    /// well enough stays: a system call saved, a ping at most a sixteenth late.
    fn arm(
        &mut self,
        link: &mut dyn Link,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<Option<Duration>, Error> {
        let due = self.keepalive.poll_timeout().into_iter().chain(deadline).min();
        let until_due = due.map(|due| due.saturating_duration_since(now));
        let wanted = until_due.into_iter().chain(link.max_wait()).min();
        let fits = match (self.armed, wanted) {
            (Some(Some(armed)), Some(wanted)) => armed - armed / 16 <= wanted && armed >= wanted / 2,
            (Some(armed), wanted) => armed.is_none() && wanted.is_none(),
            (None, _) => false,
        };
        if !fits {
            let wanted = never_zero(wanted);
            link.set_read_timeout(wanted)?;
            self.armed = Some(wanted);
        }
        Ok(self.armed.flatten())
    }

    /// A read brought nothing: by its timeout, which is ours, or because it would block.
    fn handle_wait(
        &mut self,
        link: &mut dyn Link,
        start: Instant,
        armed: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let now = Instant::now();
        match self.keepalive.handle_timeout(now) {
            Some(Beat::Ping) => {
                // Where it can't be queued, output waits, or a close: that serves as well.
                link.with_outbound(&mut |outbound| outbound.ping(b"").unwrap_or_default());
                self.idle = true;
                Ok(())
            }
            Some(Beat::CloseUnanswered) => Err(Error::Timeout(Wait::Close)),
            Some(_) => Err(Error::Timeout(Wait::Idle)),
            None if deadline.is_some_and(|deadline| now >= deadline) => Err(Error::Timeout(Wait::Recv)),
            // The kernel's clock ticks coarser than ours.
            None if armed.is_some_and(|armed| now - start + Duration::from_millis(10) >= armed) => Ok(()),
            None => Err(Error::Io(ErrorKind::WouldBlock.into())),
        }
    }

    /// Both closes are through: ends TCP, the server first. To be called again where the
    /// stream would block.
    fn finish(&mut self, link: &mut dyn Link) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        match link.flush_last() {
            Err(error) if error.is_retryable() => return Err(error),
            // The peer has said all; whether it hears our answer is its own affair.
            Ok(()) | Err(_) => self.ended = true,
        }
        // "the underlying TCP connection, in most normal cases, SHOULD be closed first by
        // the server" -- RFC 6455 §7.1.1
        if self.role == Role::Server {
            link.shutdown(Shutdown::Write);
        }
        linger(link, self.linger_timeout);
        link.shutdown(Shutdown::Both);
        Ok(())
    }

    /// What a write came to. One that failed ends the connection; but what a peer sent before
    /// it went away can still be received.
    pub(super) fn written(&mut self, link: &mut dyn Link, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Ok(()) | Err(Error::Disconnected | Error::Send(_)) => result,
            Err(error) => Err(self.fail(link, error)),
        }
    }

    /// Ends the connection, unless it goes on after `error`.
    pub(super) fn fail(&mut self, link: &mut dyn Link, error: Error) -> Error {
        if let Some(failure) = Failure::of(&error) {
            self.failure = Some(failure);
            link.shutdown(Shutdown::Both);
        }
        error
    }
}

/// Tells the peer what it did wrong, and ends TCP.
fn refuse(
    failure: &mut Option<Failure>,
    linger_timeout: Option<Duration>,
    link: &mut dyn Link,
    error: Error,
) -> Error {
    *failure = Failure::of(&error);
    if let Error::Protocol(error) = &error {
        link.with_outbound(&mut |outbound| outbound.fail(error));
    }
    link.flush_last().unwrap_or_default();
    link.shutdown(Shutdown::Write);
    linger(link, linger_timeout);
    link.shutdown(Shutdown::Both);
    error
}

/// Listens on for a while, so that the peer gets to read our last words.
fn linger(link: &mut dyn Link, timeout: Option<Duration>) {
    drain(timeout, |left, scrap| {
        link.set_read_timeout(left)?;
        link.read(scrap)
    });
}
