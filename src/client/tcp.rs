//! A TCP connection to a host by name, before a deadline.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Url;
use crate::blocking::deadline;

/// Why there is no TCP connection.
#[derive(Debug)]
pub(super) enum TcpError {
    Timeout,
    Io(io::Error),
}

impl From<io::Error> for TcpError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Timeout } else { Self::Io(error) }
    }
}

/// Connects to the first address of the host that answers.
pub(super) fn connect(url: &Url, timeout: Option<Duration>) -> Result<TcpStream, TcpError> {
    let deadline = deadline(timeout);
    let mut last = TcpError::Io(io::ErrorKind::NotFound.into());
    let addresses = resolve(url, deadline)?;
    let mut untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let stream = match left(deadline)? {
            // One that never answers leaves the others their share of the time.
            Some(left) => TcpStream::connect_timeout(&address, left / untried.max(1)),
            None => TcpStream::connect(address),
        };
        untried = untried.saturating_sub(1);
        match stream {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// The addresses of the host. The system's resolver knows no deadline: with one, it runs
/// in a thread of its own, which may outlive this call.
fn resolve(url: &Url, deadline: Option<Instant>) -> Result<Vec<SocketAddr>, TcpError> {
    if let Ok(address) = url.host().parse() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    let name = (url.host().to_owned(), url.port());
    let Some(left) = left(deadline)? else { return Ok(name.to_socket_addrs()?.collect()) };
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let found = name.to_socket_addrs().map(Vec::from_iter);
        // Nobody listens any more if the time was up.
        sender.send(found).unwrap_or_default();
    })?;
    let found = receiver.recv_timeout(left).map_err(|_| TcpError::Timeout)?;
    Ok(found?)
}

fn left(deadline: Option<Instant>) -> Result<Option<Duration>, TcpError> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(TcpError::Timeout);
    }
    Ok(left)
}
