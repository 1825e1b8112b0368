//! tokio-websockets.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Message, Payload, ServerBuilder, WebSocketStream};

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
                let message = self.web_socket.next().await.unwrap().unwrap();
                assert!(message.is_text() || message.is_binary());
                self.inbox.deliver(message.as_payload());
            }
        });
    }
}

/// It masks a payload where it is, if nobody else has it, so each gets a copy. It would make
/// one itself of a payload that is shared, which is slower.
struct ClientSender {
    web_socket: WebSocketStream<Wire>,
    messages: Messages<Bytes>,
    make: fn(BytesMut) -> Message,
}

impl Running for ClientSender {
    fn run(&mut self, count: usize) {
        now(async {
            for _ in 0..count {
                let payload = BytesMut::from(&self.messages.next()[..]);
                self.web_socket.send((self.make)(payload)).await.unwrap();
            }
        });
    }
}

fn make<P: Into<Payload>>(row: Row) -> fn(P) -> Message {
    if row.is_text() { Message::text } else { Message::binary }
}

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    Some(match row.direction {
        Direction::Receive => {
            Box::new(Receiver { web_socket: ServerBuilder::new().serve(setup.wire), inbox: setup.inbox })
        }
        Direction::Send => {
            let messages = Messages::new(&setup, make::<Bytes>(row));
            Box::new(SinkSender { sink: ServerBuilder::new().serve(setup.wire), messages })
        }
        Direction::ClientSend => {
            let messages = Messages::new(&setup, |message| message);
            let web_socket = ClientBuilder::new().take_over(setup.wire);
            Box::new(ClientSender { web_socket, messages, make: make(row) })
        }
    })
}
