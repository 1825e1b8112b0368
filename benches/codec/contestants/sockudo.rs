//! sockudo-ws: its streams, and its encoder by itself.

use bytes::BytesMut;
use futures_util::StreamExt;
use sockudo_ws::protocol::Protocol;
use sockudo_ws::{Config, Message, Role, WebSocketStream};

use super::Running;
use super::asynchronous::{Messages, SinkSender, now};
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row};

struct Receiver {
    web_socket: WebSocketStream<Wire>,
    inbox: Inbox,
}

impl Running for Receiver {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                match self.web_socket.next().await.unwrap().unwrap() {
                    Message::Text(bytes) | Message::Binary(bytes) => self.inbox.deliver(&bytes),
                    message => panic!("not a message: {message:?}"),
                }
            }
        });
    }
}

/// Into a buffer, all of which is given to the wire.
struct EncoderSender {
    protocol: Protocol,
    wire: Wire,
    messages: Messages<Message>,
    buffer: BytesMut,
}

impl Running for EncoderSender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.protocol.encode_message(self.messages.next(), &mut self.buffer).unwrap();
            self.wire.give(&self.buffer);
            self.buffer.clear();
        }
    }
}

fn role(row: Row) -> Role {
    if row.direction == Direction::ClientSend { Role::Client } else { Role::Server }
}

fn messages(row: Row, setup: &Setup) -> Messages<Message> {
    Messages::new(setup, if row.is_text() { Message::Text } else { Message::Binary })
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    // No timers: in memory nobody is late.
    let config = Config { idle_timeout: 0, auto_ping: false, ping_interval: 0, ..Config::default() };
    let open = |wire| WebSocketStream::from_raw(wire, role(row), config);
    Some(if row.direction == Direction::Receive {
        Box::new(Receiver { web_socket: open(setup.wire), inbox: setup.inbox })
    } else {
        let messages = messages(row, &setup);
        Box::new(SinkSender { sink: open(setup.wire), messages })
    })
}

/// Only to send: without a stream it decodes all that was read at once, into a vector, which is
/// hardly faster than the stream.
pub fn open_encoder(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    if row.direction == Direction::Receive {
        return None;
    }
    let config = Config::default();
    let protocol = Protocol::new(role(row), config.max_frame_size, config.max_message_size);
    let messages = messages(row, &setup);
    Some(Box::new(EncoderSender { protocol, wire: setup.wire, messages, buffer: BytesMut::new() }))
}
