//! A peer and what is known of it: the model that the target `pair` holds two connections to.

use std::collections::VecDeque;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use talkback::entropy::Entropy;
use talkback::frame::{CloseCode, CloseFrame};
use talkback::protocol::{Config, Message, Outbound, Prepared, Protocol, Role, SendError};

use crate::{Log, Seen, read_lent, read_parts, read_spare};

/// Bytes of messages that a peer sends.
const MAX_TOTAL_LEN: usize = 1 << 18;

/// What a peer may do.
#[derive(Debug, Arbitrary)]
pub enum Action {
    Send(How, Payload),
    Fragment { last: bool, payload: Payload },
    Ping(u8),
    Pong(u8),
    Close(Option<u16>),
    Write(u16),
    Read { len: u16, lent: bool },
    Release,
}

/// The ways to send a whole message.
#[derive(Debug, Arbitrary)]
pub enum How {
    Copied,
    Owned,
    Prepared,
    Lent { written: u16 },
}

/// What a message is made of: most are short, some are read straight into their buffer.
#[derive(Debug, Arbitrary)]
pub struct Payload {
    text: bool,
    scale: u8,
    len: u16,
}

/// One end of a connection, and its half of the wire.
pub struct Peer {
    protocol: Protocol,
    log: Log,
    max_output_len: usize,
    /// Set: it reads in parts of this length.
    part_len: Option<usize>,
    /// What was written and the other has not read.
    wire: VecDeque<u8>,
    /// What the other is to see next, but for answers to its pings.
    expected: VecDeque<Seen>,
    /// The message being sent in fragments.
    fragmented: Option<Message>,
    ping_count: u32,
    /// The latest of our pings that was answered.
    answered: Option<u32>,
    /// The latest ping that came before we had closed: its answer is due.
    due: Option<u32>,
    /// Bytes of messages that may still be sent.
    left_len: usize,
}

impl Peer {
    /// A peer that has done nothing.
    pub fn new(role: Role, max_output_len: Option<usize>, part_len: Option<usize>) -> Self {
        let config = Config::default().max_output_len(max_output_len);
        Self {
            protocol: Protocol::new(role, config).with_entropy(Entropy::from_seed([7; 32])),
            log: Log::default(),
            max_output_len: max_output_len.unwrap_or(usize::MAX),
            part_len,
            wire: VecDeque::new(),
            expected: VecDeque::new(),
            fragmented: None,
            ping_count: 0,
            answered: None,
            due: None,
            left_len: MAX_TOTAL_LEN,
        }
    }

    /// Does one thing, and checks that it is allowed exactly when it should be.
    pub fn act(&mut self, action: &Action, other: &mut Self) {
        match action {
            Action::Send(how, payload) => {
                let message = payload.message(&mut self.left_len);
                self.send(how, message);
            }
            Action::Fragment { last, payload } => {
                let fragment = payload.message(&mut self.left_len);
                self.send_fragment(fragment, *last);
            }
            Action::Ping(width) => {
                let payload = format!("?{:0width$}", self.ping_count + 1, width = usize::from(*width) % 125);
                if self.control(Outbound::ping, Seen::Ping(payload.into_bytes())) {
                    self.ping_count += 1;
                }
            }
            Action::Pong(len) => {
                self.control(Outbound::pong, Seen::Pong(vec![b'!'; usize::from(*len) % 125 + 1]));
            }
            Action::Close(code) => {
                let code = code.and_then(CloseCode::new);
                self.close(code.map(|code| CloseFrame::new(code, "enough")));
            }
            Action::Write(len) => self.write(usize::from(*len)),
            Action::Read { len, lent } => self.read(other, usize::from(*len), *lent),
            Action::Release => self.protocol.release(),
        }
    }

    fn send(&mut self, how: &How, message: Message) {
        let allowed = self.may_send() && self.fragmented.is_none();
        let outbound = self.protocol.outbound();
        let sent = match how {
            How::Copied => outbound.send(&message),
            How::Owned => outbound.send_owned(message.clone()),
            How::Prepared => outbound.send_prepared(&Prepared::new(&message)),
            How::Lent { written } => {
                let mut left = usize::from(*written);
                outbound.send_with(&message, |pieces| {
                    let len = copy(pieces.iter().copied(), left, &mut self.wire);
                    left -= len;
                    Ok(len)
                })
            }
        };
        assert_eq!(sent.is_ok(), allowed, "{sent:?}");
        if allowed {
            self.expected.push_back(Seen::Message(message));
        }
    }

    fn send_fragment(&mut self, fragment: Message, last: bool) {
        let fits = self.fragmented.as_ref().is_none_or(|message| message.kind() == fragment.kind());
        let allowed = self.may_send() && fits;
        let sent = self.protocol.outbound().send_fragment(&fragment, last);
        assert_eq!(sent.is_ok(), allowed, "{sent:?}");
        if allowed {
            let whole = match (self.fragmented.take(), fragment) {
                (Some(Message::Text(before)), Message::Text(text)) => Message::Text(before + &text),
                (Some(before), fragment) => [before.as_bytes(), fragment.as_bytes()].concat().into(),
                (None, fragment) => fragment,
            };
            if last {
                self.expected.push_back(Seen::Message(whole));
            } else {
                self.fragmented = Some(whole);
            }
        }
    }

    fn control(&mut self, send: fn(&mut Outbound, &[u8]) -> Result<(), SendError>, control: Seen) -> bool {
        let allowed = self.may_send();
        let (Seen::Ping(payload) | Seen::Pong(payload)) = &control else { unreachable!("those are sent") };
        assert_eq!(send(self.protocol.outbound(), payload).is_ok(), allowed);
        if allowed {
            self.expected.push_back(control);
        }
        allowed
    }

    /// Closes, if that was not done before; then nothing can be sent.
    pub fn close(&mut self, frame: Option<CloseFrame>) {
        let allowed = !self.protocol.outbound().is_closed();
        assert_eq!(self.protocol.outbound().close(frame.clone()).is_ok(), allowed);
        if allowed {
            self.expected.push_back(Seen::Close(frame));
        }
        assert!(self.protocol.outbound().send("late").is_err());
    }

    fn may_send(&mut self) -> bool {
        let outbound = self.protocol.outbound();
        !outbound.is_closed() && outbound.output_len() <= self.max_output_len
    }

    /// Writes at most `max_len` bytes to the wire.
    pub fn write(&mut self, max_len: usize) {
        // The pong that waits comes out when all before it is gone.
        let mut left = max_len;
        while left > 0 && !self.protocol.outbound().is_empty() {
            let len = copy(self.protocol.output(), left, &mut self.wire);
            assert_eq!(len, left.min(self.protocol.outbound().output_len()));
            self.protocol.sent(len);
            left -= len;
        }
    }

    /// Reads at most `max_len` bytes from the other's wire, and checks what they bring.
    pub fn read(&mut self, other: &mut Self, max_len: usize, lent: bool) {
        let bytes: Vec<u8> = other.wire.drain(..max_len.min(other.wire.len())).collect();
        let was_closed = self.protocol.outbound().is_closed();
        let read = match self.part_len {
            Some(len) => read_parts(&mut self.protocol, &bytes, len, &mut self.log),
            None if lent => read_lent(&mut self.protocol, &bytes, &mut self.log),
            None => read_spare(&mut self.protocol, &bytes, &mut self.log),
        };
        assert_eq!(read, Ok(()));
        for seen in std::mem::take(&mut self.log.seen) {
            match &seen {
                Seen::Pong(payload) if payload.starts_with(b"?") => {
                    let number = number(payload);
                    assert!(self.answered < Some(number) && number <= self.ping_count);
                    self.answered = Some(number);
                    continue;
                }
                Seen::Ping(payload) if !was_closed => self.due = Some(number(payload)),
                Seen::Close(frame) if !was_closed => {
                    let echo = frame.as_ref().map(|frame| frame.code().into());
                    self.expected.push_back(Seen::Close(echo));
                }
                _ => {}
            }
            assert_eq!(Some(seen), other.expected.pop_front());
        }
    }

    /// Checks that all is through: what was sent has come, and what was asked is answered.
    pub fn check_end(&self, other: &Self) {
        assert!(self.protocol.is_closed() && self.expected.is_empty() && self.wire.is_empty());
        assert_eq!(self.protocol.output().next(), None);
        assert_eq!(self.answered, other.due, "the latest ping is answered");
    }
}

/// Copies at most `max_len` bytes of the output to the wire; how many.
fn copy<'o>(output: impl Iterator<Item = &'o [u8]>, max_len: usize, wire: &mut VecDeque<u8>) -> usize {
    output.fold(0, |len, slice| {
        let taken = slice.len().min(max_len - len);
        wire.extend(&slice[..taken]);
        len + taken
    })
}

/// The number that a ping bears.
fn number(payload: &[u8]) -> u32 {
    std::str::from_utf8(&payload[1..]).expect("digits").parse().expect("a number")
}

impl Payload {
    fn message(&self, left_len: &mut usize) -> Message {
        let len = usize::from(self.len);
        let wanted = match self.scale {
            ..240 => len % 512,
            240..252 => len % (16 * 1024),
            252.. => len * 3,
        };
        let len = wanted.min(*left_len);
        *left_len -= len;
        let start = *left_len % 251; // so that messages differ
        if self.text {
            ("x".repeat(start % 5) + &"aé€😀".repeat(len / 10)).into()
        } else {
            let numbers: Vec<u8> = (0..=250).collect();
            numbers.repeat(len / 251 + 2)[start..start + len].to_vec().into()
        }
    }
}
