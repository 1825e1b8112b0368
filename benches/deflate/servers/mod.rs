//! Who is measured: each makes connections that echo.

mod floor;
mod ours;
mod sockudo;
mod wtx;
mod yawc;

use std::task::{Context, Poll, Waker};

use crate::pipe::Pipe;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum States {
    /// Context takeover in both directions.
    Private,
    /// None in either direction.
    Shared,
}

#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub level: u8,
    pub states: States,
}

/// A connection after its handshake.
pub trait Connection {
    /// Takes the one message that is due, and writes it back.
    fn echo(&mut self);
}

pub struct Server {
    pub name: &'static str,
    /// `None`: it can't be set up so.
    pub open: fn(Setting, Pipe) -> Option<Box<dyn Connection>>,
}

pub const FLOOR: Server = Server { name: "zlib-rs", open: floor::open };
pub const OURS: Server = Server { name: "talkback", open: ours::open };
pub const RIVALS: [Server; 3] = [
    Server { name: "wtx", open: wtx::open },
    Server { name: "yawc", open: yawc::open },
    Server { name: "sockudo-ws", open: sockudo::open },
];
pub const ALL: [Server; 5] = {
    let [a, b, c] = RIVALS;
    [FLOOR, OURS, a, b, c]
};

/// A server without compression, for the memory.
pub fn open_plain(pipe: Pipe) -> Box<dyn Connection> {
    ours::open_plain(pipe)
}

/// In memory everything is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waits for more than one message"),
    }
}
