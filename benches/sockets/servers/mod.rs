//! The servers. Each listens on a port of 127.0.0.1 that the kernel chooses, says which, and serves until
//! it is ended. Binary messages only; what isn't one ends the connection, or is passed over.

#[cfg(feature = "rivals")]
mod fastwebsockets;
mod floor;
mod raw;
#[cfg(feature = "rivals")]
mod sockudo;
mod talkback;
#[cfg(feature = "rivals")]
mod tokio_tungstenite;
#[cfg(feature = "rivals")]
mod tokio_websockets;
#[cfg(feature = "rivals")]
mod tungstenite;
#[cfg(feature = "rivals")]
mod yawc;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use crate::sys;

/// Larger than any message of the lab, which some of the defaults aren't.
const MAX_MESSAGE_LEN: usize = 16 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not WebSocket.
    Raw,
    /// What the others are measured against.
    Floor,
    Rival,
    Ours,
    /// Ours in another way, measured only when it is asked for by name.
    Variant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each message goes back to where it came from.
    Echo,
    /// Each message goes to all connections.
    Broadcast,
}

pub struct Server {
    pub name: &'static str,
    pub kind: Kind,
    pub broadcasts: bool,
    serve: fn(Mode, TcpListener) -> io::Result<()>,
}

impl Server {
    /// Listens, prints the port, and serves.
    pub fn run(&self, mode: Mode) -> io::Result<()> {
        let listener = sys::listen_shared(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        println!("{}", listener.local_addr()?.port());
        io::stdout().flush()?;
        (self.serve)(mode, listener)
    }
}

const fn server(
    name: &'static str,
    kind: Kind,
    broadcasts: bool,
    serve: fn(Mode, TcpListener) -> io::Result<()>,
) -> Server {
    Server { name, kind, broadcasts, serve }
}

/// In the order of the tables.
pub const ALL: &[Server] = &[
    server("raw TCP", Kind::Raw, false, raw::serve),
    server("floor", Kind::Floor, true, floor::serve),
    server("talkback", Kind::Ours, true, talkback::serve),
    server("talkback, threads", Kind::Ours, false, talkback::serve_threads),
    server("talkback, handed over", Kind::Variant, true, talkback::serve_handed_over),
    server("talkback, SO_REUSEPORT", Kind::Variant, false, talkback::serve_shared),
    #[cfg(feature = "rivals")]
    server("tungstenite, threads", Kind::Rival, false, tungstenite::serve),
    #[cfg(feature = "rivals")]
    server("tokio-tungstenite", Kind::Rival, true, tokio_tungstenite::serve),
    #[cfg(feature = "rivals")]
    server("fastwebsockets", Kind::Rival, true, fastwebsockets::serve),
    #[cfg(feature = "rivals")]
    server("tokio-websockets", Kind::Rival, false, tokio_websockets::serve),
    #[cfg(feature = "rivals")]
    server("yawc", Kind::Rival, false, yawc::serve),
    #[cfg(feature = "rivals")]
    server("sockudo-ws", Kind::Rival, false, sockudo::serve),
];

pub fn find(name: &str) -> Option<&'static Server> {
    ALL.iter().find(|server| server.name == name)
}

#[cfg(feature = "rivals")]
mod asynchronous {
    //! What the servers on tokio have in common: one thread, a task a connection.

    use std::future::Future;
    use std::io;
    use std::net::TcpListener;

    use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
    use tokio::net::TcpStream;

    /// A connection that fails ends; the server doesn't. Tasks are never made to yield while they have
    /// input, as in the examples of fastwebsockets and tokio-websockets.
    pub fn serve<F>(listener: TcpListener, connection: impl Fn(TcpStream) -> F) -> io::Result<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        tokio::task::LocalSet::new().block_on(&runtime, async {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::task::spawn_local(tokio::task::unconstrained(connection(stream)));
            }
        })
    }

    /// Sends back each message; flushes when no other is at hand, so that what one read brought can be
    /// answered by one write.
    pub async fn echo<S, M, E>(mut ws: S, is_message: impl Fn(&M) -> bool) -> Result<(), E>
    where
        S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    {
        while let Some(first) = ws.next().await {
            let mut next = Some(first);
            while let Some(message) = next {
                let message = message?;
                if is_message(&message) {
                    ws.feed(message).await?;
                }
                next = ws.next().now_or_never().flatten();
            }
            ws.flush().await?;
        }
        Ok(())
    }
}
