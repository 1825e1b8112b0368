//! talkback: the state machine driven by hand, and the blocking calls.

use bytes::Bytes;
use talkback::WebSocket;
use talkback::blocking::Untimed;
use talkback::protocol::{Config, Event, Message, Protocol, Role, SendError};

use super::Running;
use crate::wire::{Setup, Wire};
use crate::workload::{Direction, Kind, Row, next_index};

fn role(row: Row) -> Role {
    if row.direction == Direction::ClientSend { Role::Client } else { Role::Server }
}

/// What there is to send, as it would be at hand: text as text.
struct Messages {
    messages: Vec<Message>,
    next: usize,
}

impl Messages {
    fn new(row: Row, setup: &Setup) -> Self {
        let message = |payload: &Bytes| match row.kind {
            Kind::Binary => Message::Binary(payload.to_vec()),
            Kind::Ascii | Kind::NonAscii => Message::Text(String::from_utf8(payload.to_vec()).unwrap()),
        };
        Self { messages: setup.workload.messages.iter().map(message).collect(), next: 0 }
    }

    #[inline]
    fn next(&mut self) -> &Message {
        let message = &self.messages[self.next];
        self.next = next_index(self.next, self.messages.len());
        message
    }
}

struct ProtocolReceiver {
    protocol: Protocol,
    setup: Setup,
}

impl Running for ProtocolReceiver {
    fn run(&mut self, count: usize) {
        let Self { protocol, setup } = self;
        let mut left = count;
        while left > 0 {
            match protocol.next_event().unwrap() {
                Some((Event::Text(text), _)) => setup.inbox.deliver(text.as_bytes()),
                Some((Event::Binary(bytes), _)) => setup.inbox.deliver(bytes),
                Some((event, _)) => panic!("not a message: {event:?}"),
                None => {
                    let len = setup.wire.take(protocol.spare());
                    protocol.received(len);
                    continue;
                }
            }
            left -= 1;
        }
    }
}

struct ProtocolSender {
    protocol: Protocol,
    wire: Wire,
    messages: Messages,
}

impl Running for ProtocolSender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let write = |pieces: &[&[u8]]| Ok::<_, SendError>(self.wire.give_all(pieces.iter().copied()));
            self.protocol.outbound().send_with(self.messages.next(), write).unwrap();
        }
    }
}

pub fn open_protocol(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let protocol = Protocol::new(role(row), Config::default());
    Some(if row.direction == Direction::Receive {
        Box::new(ProtocolReceiver { protocol, setup })
    } else {
        let messages = Messages::new(row, &setup);
        Box::new(ProtocolSender { protocol, wire: setup.wire, messages })
    })
}

struct BlockingReceiver {
    web_socket: WebSocket<Untimed<Wire>>,
    setup: Setup,
}

impl Running for BlockingReceiver {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            match self.web_socket.recv_event().unwrap() {
                Some(Event::Text(text)) => self.setup.inbox.deliver(text.as_bytes()),
                Some(Event::Binary(bytes)) => self.setup.inbox.deliver(bytes),
                event => panic!("not a message: {event:?}"),
            }
        }
    }
}

struct BlockingSender {
    web_socket: WebSocket<Untimed<Wire>>,
    messages: Messages,
}

impl Running for BlockingSender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.web_socket.send(self.messages.next()).unwrap();
        }
    }
}

pub fn open_blocking(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let web_socket = WebSocket::from_stream(Untimed(setup.wire.clone()), role(row), Config::default());
    Some(if row.direction == Direction::Receive {
        Box::new(BlockingReceiver { web_socket, setup })
    } else {
        Box::new(BlockingSender { web_socket, messages: Messages::new(row, &setup) })
    })
}
