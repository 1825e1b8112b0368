//! talkback: the state machine as an event loop drives it, one read buffer lent to all.

use std::cell::RefCell;

use talkback::handshake::DeflateParameters;
use talkback::protocol::{Config, Deflate, Event, Protocol, Role};

use super::{Connection, Setting, States};
use crate::pipe::Pipe;

struct Ours {
    protocol: Protocol,
    pipe: Pipe,
}

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

pub fn open(setting: Setting, pipe: Pipe) -> Option<Box<dyn Connection>> {
    let (options, parameters) = match setting.states {
        States::Private => (Deflate::private(), DeflateParameters::default()),
        States::Shared => (Deflate::shared(), Deflate::shared().parameters),
    };
    let options = options.level(setting.level).min_len(Some(0));
    let config = Config::default().deflate(Some(options));
    let protocol = Protocol::new(Role::Server, config).with_deflate(&parameters, &options);
    Some(Box::new(Ours { protocol, pipe }))
}

pub fn open_plain(pipe: Pipe) -> Box<dyn Connection> {
    let protocol = Protocol::new(Role::Server, Config::default());
    Box::new(Ours { protocol, pipe })
}

impl Connection for Ours {
    fn echo(&mut self) {
        READ_BUFFER.with_borrow_mut(|buffer| {
            while let Some(len) = self.pipe.read(buffer) {
                let mut lent = self.protocol.lend(&mut buffer[..len]);
                while let Some((event, outbound)) = lent.next_event().unwrap() {
                    if let Event::Text(text) = event {
                        outbound.send(text).unwrap();
                    }
                }
            }
        });
        let mut len = 0;
        for piece in self.protocol.output() {
            self.pipe.write(piece);
            len += piece.len();
        }
        self.protocol.sent(len);
    }
}
