//! tungstenite, over the wire as it is. It checks text with the standard library, and zeroes
//! its read buffer before each read: with the default of 128 KiB that is most of its work, so
//! it gets a smaller one.

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes, WebSocket};

use super::Running;
use super::asynchronous::Messages;
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row};

const READ_BUFFER_LEN: usize = 16 * 1024;

struct Receiver {
    web_socket: WebSocket<Wire>,
    inbox: Inbox,
}

impl Running for Receiver {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            match self.web_socket.read().unwrap() {
                Message::Text(text) => self.inbox.deliver(text.as_bytes()),
                Message::Binary(bytes) => self.inbox.deliver(&bytes),
                message => panic!("not a message: {message:?}"),
            }
        }
    }
}

struct Sender {
    web_socket: WebSocket<Wire>,
    messages: Messages<Message>,
}

impl Running for Sender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.web_socket.send(self.messages.next().clone()).unwrap();
        }
    }
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let role = if row.direction == Direction::ClientSend { Role::Client } else { Role::Server };
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_LEN);
    let open = |wire| WebSocket::from_raw_socket(wire, role, Some(config));
    Some(if row.direction == Direction::Receive {
        Box::new(Receiver { web_socket: open(setup.wire), inbox: setup.inbox })
    } else {
        let messages = Messages::new(&setup, |message| {
            if row.is_text() {
                Message::Text(Utf8Bytes::try_from(message).unwrap())
            } else {
                Message::Binary(message)
            }
        });
        Box::new(Sender { web_socket: open(setup.wire), messages })
    })
}
