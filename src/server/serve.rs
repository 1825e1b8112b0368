//! The event-driven server: its settings, its threads, and a handle to it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::accepting::Places;
use super::event_loop::{EventLoop, Setup, WAKER};
use super::peer::{Command, Mailbox, lock};
use super::{Accept, Handler, Snapshot};

/// What happens to a connection for which more waits than `Config::max_output_len`, when another thread sends
/// it a message; and to one that is further behind in a room than the room keeps publications.
///
/// ```
/// use talkback::server::{Overflow, Server};
///
/// let server = Server::bind("127.0.0.1:0")?.overflow(Overflow::Close);
/// # drop(server);
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The message is dropped, and counted. The default.
    #[default]
    Drop,
    /// The connection is closed with 1013, try again later.
    Close,
}

/// An event-driven server: many thousands of connections on one port, in a loop a core.
///
/// For a thread a connection, with calls that wait, see [`accept`](crate::accept).
///
/// A loop reads into one buffer of 512 KiB for all its connections, and keeps the memory of the last large message for
/// the next, until a small one comes. A connection that is idle holds neither: about 80 bytes, and its state.
///
/// ```no_run
/// use talkback::http::Request;
/// use talkback::protocol::MessageRef;
/// use talkback::server::{Connection, Handler, Server};
///
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Handler for Echo {
///     type State = ();
///
///     fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}
///
///     fn on_message(&mut self, _: &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
///         connection.send(message).unwrap_or_default();
///     }
/// }
///
/// Server::bind("127.0.0.1:9001")?.run(Echo)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    accept: Accept,
    overflow: Overflow,
    loop_count: usize,
    max_socket_count: usize,
    control: Arc<Control>,
}

/// What a handle and its server share.
#[derive(Debug, Default)]
struct Control {
    loops: Mutex<Loops>,
}

#[derive(Debug, Default)]
struct Loops {
    mailboxes: Vec<Arc<Mailbox>>,
    /// Whether it was to be drained before it ran.
    drain: Option<Duration>,
}

impl Server {
    /// Listens on an address, port 0 for any that is free.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::from_listener(TcpListener::bind(address)?))
    }

    /// Takes a socket over that listens already: one that was inherited, or has options of its own.
    #[must_use]
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            listener,
            accept: Accept::default(),
            overflow: Overflow::default(),
            loop_count: thread::available_parallelism().map_or(1, usize::from),
            max_socket_count: usize::MAX,
            control: Arc::default(),
        }
    }

    /// Sets whom it takes, on what terms, and every limit and deadline. Default: [`Accept::new`].
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// Sets how many loops there are, each with a thread. Default: as many as processors.
    #[must_use]
    pub fn loop_count(mut self, count: usize) -> Self {
        self.loop_count = count.max(1);
        self
    }

    /// Sets how many sockets may be open at once, in all loops together, whatever they are used for. Who comes
    /// when there are as many waits, unaccepted, until one has gone; also where the process runs out of file
    /// descriptors. Default: as many as come.
    #[must_use]
    pub const fn max_socket_count(mut self, count: usize) -> Self {
        self.max_socket_count = count;
        self
    }

    /// Sets what happens to connections that too much waits for. Default: [`Overflow::Drop`].
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What to end it by, and to look at it, while it runs.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { control: Arc::clone(&self.control) }
    }

    /// Serves, until [`ServerHandle::drain`]. Each loop has a clone of `handler`; the first runs in
    /// this thread, and accepts for all: handing a socket over costs no more than `SO_REUSEPORT`, and
    /// spreads them evenly.
    ///
    /// # Errors
    /// Those of the system, that no connection is to blame for.
    pub fn run(self, handler: impl Handler) -> io::Result<()> {
        let Self { listener, accept, overflow, loop_count, max_socket_count, control } = self;
        let places = Arc::new(Places::new(max_socket_count));
        let mut polls = Vec::new();
        let mut mailboxes = Vec::new();
        for _ in 0..loop_count {
            let poll = mio::Poll::new()?;
            mailboxes.push(Arc::new(Mailbox::new(poll.registry(), WAKER)?));
            polls.push(poll);
        }
        let mut setups: Vec<Setup> = (0..)
            .zip(polls)
            .zip(&mailboxes)
            .map(|((index, poll), mailbox)| Setup {
                index,
                poll,
                mailbox: Arc::clone(mailbox),
                accept: accept.clone(),
                overflow,
                mailboxes: mailboxes.clone(),
                places: Arc::clone(&places),
            })
            .collect();
        let first = setups.remove(0);
        let mut threads = Vec::new();
        for setup in setups {
            let handler = handler.clone();
            let name = format!("talkback-{}", setup.index);
            let serve = move || EventLoop::new(setup, handler, None)?.run();
            threads.push(thread::Builder::new().name(name).spawn(serve)?);
        }
        let first = EventLoop::new(first, handler, Some(listener))?;
        {
            let mut loops = lock(&control.loops);
            loops.mailboxes = mailboxes;
            if let Some(over) = loops.drain {
                loops.mailboxes.iter().for_each(|mailbox| mailbox.post(Command::Drain(over)));
            }
        }
        let mut result = first.run();
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a loop has panicked")));
            result = result.and(ended);
        }
        result
    }
}

/// What to end a server by, and to look at it, from any thread.
///
/// ```no_run
/// use std::time::Duration;
/// use talkback::server::Server;
///
/// let server = Server::bind("127.0.0.1:9001")?;
/// let handle = server.handle();
/// std::thread::spawn(move || {
///     std::thread::sleep(Duration::from_secs(60));
///     println!("{:?}", handle.snapshot());
///     handle.drain(Duration::from_secs(10)); // and `run` returns
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    control: Arc<Control>,
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerHandle")
    }
}

impl ServerHandle {
    /// Ends the server gently: it takes nobody any more, closes its connections with 1001, one after
    /// the other over this time, so that they don't all come back at once, waits for their answers within
    /// `Config::close_timeout`, and lets [`Server::run`] return. Streams end cleanly; requests that are held get
    /// what their [`Hold`](super::Hold) says, and those whose body is not whole yet get 503.
    pub fn drain(&self, over: Duration) {
        let mut loops = lock(&self.control.loops);
        loops.drain.get_or_insert(over);
        loops.mailboxes.iter().for_each(|mailbox| mailbox.post(Command::Drain(over)));
    }

    /// What it has done, and what it holds, as of the last turn of each loop.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mailboxes = lock(&self.control.loops).mailboxes.clone();
        mailboxes.iter().fold(Snapshot::default(), |mut sum, mailbox| {
            sum.add(&lock(&mailbox.snapshot));
            sum
        })
    }
}
