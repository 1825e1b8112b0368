//! fastwebsockets. It flushes nothing: what it writes is on the wire.

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};

use super::Running;
use super::asynchronous::{Messages, now};
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row};

struct Receiver {
    web_socket: FragmentCollector<Wire>,
    inbox: Inbox,
}

impl Running for Receiver {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                let frame = self.web_socket.read_frame().await.unwrap();
                assert!(matches!(frame.opcode, OpCode::Text | OpCode::Binary));
                self.inbox.deliver(&frame.payload);
            }
        });
    }
}

/// A server's payloads are borrowed. A client's are masked where they are, so each is copied
/// into the buffer first: left to itself it would allocate.
struct Sender {
    web_socket: WebSocket<Wire>,
    messages: Messages<Bytes>,
    opcode: OpCode,
    client_buffer: Option<Vec<u8>>,
}

impl Running for Sender {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                let message = self.messages.next();
                let payload = match &mut self.client_buffer {
                    None => Payload::Borrowed(message),
                    Some(buffer) => {
                        buffer.copy_from_slice(message);
                        Payload::BorrowedMut(buffer)
                    }
                };
                self.web_socket.write_frame(Frame::new(true, self.opcode, None, payload)).await.unwrap();
            }
        });
    }
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let client = row.direction == Direction::ClientSend;
    let messages = Messages::new(&setup, |message| message);
    let role = if client { Role::Client } else { Role::Server };
    let mut web_socket = WebSocket::after_handshake(setup.wire, role);
    web_socket.set_auto_close(false);
    web_socket.set_auto_pong(false);
    Some(if row.direction == Direction::Receive {
        Box::new(Receiver { web_socket: FragmentCollector::new(web_socket), inbox: setup.inbox })
    } else {
        let opcode = if row.is_text() { OpCode::Text } else { OpCode::Binary };
        let client_buffer = client.then(|| vec![0; row.len]);
        Box::new(Sender { web_socket, messages, opcode, client_buffer })
    })
}
