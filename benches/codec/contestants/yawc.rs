//! yawc: its streams, and its encoder by itself.

use bytes::BytesMut;
use tokio_util::codec::Encoder as _;
use yawc::codec::Encoder;
use yawc::{Frame, OpCode, Options, Role, WebSocket};

use super::Running;
use super::asynchronous::{Messages, SinkSender, now};
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row};

const READ_BUFFER_LEN: usize = 8 * 1024;
/// Of a frame with a mask.
const MAX_HEADER_LEN: usize = 14;

struct Receiver {
    web_socket: WebSocket<Wire>,
    inbox: Inbox,
}

impl Running for Receiver {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                let frame = self.web_socket.next_frame().await.unwrap();
                assert!(matches!(frame.opcode(), OpCode::Text | OpCode::Binary));
                self.inbox.deliver(frame.payload());
            }
        });
    }
}

/// Into a buffer, all of which is given to the wire.
struct EncoderSender {
    encoder: Encoder,
    wire: Wire,
    messages: Messages<Frame>,
    buffer: BytesMut,
}

impl Running for EncoderSender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.encoder.encode(self.messages.next().clone(), &mut self.buffer).unwrap();
            self.wire.give(&self.buffer);
            self.buffer.clear();
        }
    }
}

fn role(row: Row) -> Role {
    if row.direction == Direction::ClientSend { Role::Client } else { Role::Server }
}

fn messages(row: Row, setup: &Setup) -> Messages<Frame> {
    Messages::new(setup, if row.is_text() { Frame::text } else { Frame::binary })
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    // Its default limit is just less than 1 MiB. A read buffer of less than a frame would grow
    // by doubling and be given back, for each frame.
    let options = Options::default()
        .with_limits(16 << 20, 32 << 20)
        .with_utf8()
        .with_read_buffer_capacity(READ_BUFFER_LEN.max(row.len + MAX_HEADER_LEN));
    let open = |wire| WebSocket::from_stream(wire, role(row), options).unwrap();
    Some(if row.direction == Direction::Receive {
        Box::new(Receiver { web_socket: open(setup.wire), inbox: setup.inbox })
    } else {
        let messages = messages(row, &setup);
        Box::new(SinkSender { sink: open(setup.wire), messages })
    })
}

/// Only to send: the decoder neither checks text nor puts fragments together.
pub fn open_encoder(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    if row.direction == Direction::Receive {
        return None;
    }
    let messages = messages(row, &setup);
    let encoder = Encoder::new(role(row));
    Some(Box::new(EncoderSender { encoder, wire: setup.wire, messages, buffer: BytesMut::new() }))
}
