//! wtx. It knows no wire but its own kinds and those of its users, who write all that they are
//! given: a short write isn't looked for here.

use wtx::collection::Vector;
use wtx::rng::Xorshift64;
use wtx::stream::{StreamReader, StreamWriter};
use wtx::web_socket::{Frame, OpCode, WebSocket, WebSocketBuffer, WebSocketPayloadOrigin};

use super::Running;
use super::asynchronous::{Messages, now};
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row};

impl StreamReader for Wire {
    #[inline]
    async fn read(&mut self, into: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.take(into))
    }
}

impl StreamWriter for Wire {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.give(bytes);
        Ok(())
    }

    #[inline]
    async fn write_all_vectored(&mut self, pieces: &[&[u8]]) -> wtx::Result<()> {
        self.give_all(pieces.iter().copied());
        Ok(())
    }
}

type Socket<const IS_CLIENT: bool> = WebSocket<(), Xorshift64, Wire, WebSocketBuffer, IS_CLIENT>;

/// It grows by itself, to what a frame needs. More at the beginning makes nothing faster.
const READ_BUFFER_LEN: usize = 8 * 1024;

struct Receiver {
    web_socket: Socket<false>,
    inbox: Inbox,
    fragments: Vector<u8>,
}

impl Running for Receiver {
    fn run(&mut self, count: usize) {
        let Self { web_socket, inbox, fragments } = self;
        now(async {
            for _ in 0..count {
                let origin = WebSocketPayloadOrigin::Adaptive;
                let frame = web_socket.read_frame(fragments, origin).await.unwrap();
                assert!(matches!(frame.op_code(), OpCode::Text | OpCode::Binary));
                inbox.deliver(frame.payload());
            }
        });
    }
}

/// It wants payloads that it may change, though a server doesn't.
struct Sender {
    web_socket: Socket<false>,
    messages: Messages<Vec<u8>>,
    op_code: OpCode,
}

impl Running for Sender {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                let mut frame = Frame::new_fin(self.op_code, &mut self.messages.next()[..]);
                self.web_socket.write_frame(&mut frame).await.unwrap();
            }
        });
    }
}

/// It masks a payload where it is, so each is copied first.
struct ClientSender {
    web_socket: Socket<true>,
    messages: Messages<Vec<u8>>,
    op_code: OpCode,
    buffer: Vec<u8>,
}

impl Running for ClientSender {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                self.buffer.copy_from_slice(self.messages.next());
                let mut frame = Frame::new_fin(self.op_code, &mut self.buffer[..]);
                self.web_socket.write_frame(&mut frame).await.unwrap();
            }
        });
    }
}

fn socket<const IS_CLIENT: bool>(wire: Wire) -> Socket<IS_CLIENT> {
    let buffers = WebSocketBuffer::with_capacity(READ_BUFFER_LEN, 0, 0).unwrap();
    WebSocket::new((), false, Xorshift64::new(0x9e37_79b9_7f4a_7c15), wire, buffers)
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let op_code = if row.is_text() { OpCode::Text } else { OpCode::Binary };
    let messages = Messages::new(&setup, |message| message.to_vec());
    Some(match row.direction {
        Direction::Receive => Box::new(Receiver {
            web_socket: socket(setup.wire),
            inbox: setup.inbox,
            fragments: Vector::new(),
        }),
        Direction::Send => Box::new(Sender { web_socket: socket(setup.wire), messages, op_code }),
        Direction::ClientSend => {
            let buffer = vec![0; row.len];
            Box::new(ClientSender { web_socket: socket(setup.wire), messages, op_code, buffer })
        }
    })
}
