//! Drives the core without I/O: bytes into one endpoint in every way they can be fed, or two endpoints joined
//! in memory. The frames on the wire are built and taken apart here, not by the crate under test.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    reason = "shared by test binaries, each of which uses a part"
)]

use talkback::entropy::Entropy;
use talkback::frame::{CloseCode, CloseFrame};
use talkback::protocol::{
    Config, Event, Inbound, MessageKind, MessageRef, Outbound, Part, Protocol, ProtocolError, Role, SendError,
};

pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of frames: FIN and the opcode.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
/// The same without FIN.
pub const FIRST_TEXT: u8 = 0x01;
pub const FIRST_BINARY: u8 = 0x02;
pub const MIDDLE: u8 = 0x00;
pub const LAST: u8 = 0x80;

/// Sends by way of a write that takes so many bytes a call, and then none; what it took.
pub fn send_with<'m>(
    outbound: &mut Outbound,
    message: impl Into<MessageRef<'m>>,
    takes: &[usize],
) -> Result<Vec<u8>, SendError> {
    let (mut taken, mut takes) = (Vec::new(), takes.iter());
    outbound.send_with(message, |pieces| {
        let len = takes.next().map_or(0, |take| (*take).min(pieces.concat().len()));
        taken.extend_from_slice(&pieces.concat()[..len]);
        Ok::<_, SendError>(len)
    })?;
    Ok(taken)
}

/// A header that announces `len` bytes, as its peer has to send it to `to`.
pub fn header(to: Role, first: u8, len: u64) -> Vec<u8> {
    let mask = if to == Role::Server { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match len {
        0..=125 => bytes.push(mask | len.to_be_bytes()[7]),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&len.to_be_bytes()[6..]);
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&len.to_be_bytes());
        }
    }
    if to == Role::Server {
        bytes.extend_from_slice(&KEY);
    }
    bytes
}

/// A frame as its peer has to send it to `to`: masked to a server.
pub fn frame(to: Role, first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = header(to, first, payload.len().try_into().expect("a length"));
    let key = if to == Role::Server { KEY } else { [0; 4] };
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A close frame's payload.
pub fn close_payload(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_ref()].concat()
}

/// A frame on the wire, its payload unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    pub first: u8,
    pub key: Option<[u8; 4]>,
    pub payload: Vec<u8>,
}

/// Takes whole frames apart; panics where the bytes are anything else.
pub fn wire(mut bytes: &[u8]) -> Vec<Wire> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => {
                let len = u64::from_be_bytes(*rest.first_chunk().expect("a 64-bit length"));
                (usize::try_from(len).expect("a length"), &rest[8..])
            }
            len => (usize::from(len), rest),
        };
        let (key, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            (Some(*rest.first_chunk().expect("a key")), &rest[4..])
        };
        let mask = key.unwrap_or([0; 4]);
        let payload = rest[..len].iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        frames.push(Wire { first: *first, key, payload });
        bytes = &rest[len..];
    }
    assert!(bytes.is_empty(), "half a header: {bytes:?}");
    frames
}

/// The code of a close frame that stands alone in these bytes, and that its reason is UTF-8 and fits.
pub fn close_code(bytes: &[u8]) -> u16 {
    let frames = wire(bytes);
    let [Wire { first: CLOSE, payload, .. }] = frames.as_slice() else { panic!("no close: {frames:?}") };
    assert!(payload.len() <= 125);
    assert!(str::from_utf8(&payload[2..]).is_ok());
    u16::from_be_bytes([payload[0], payload[1]])
}

pub fn close_frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame::new(CloseCode::new(code).expect("a valid code"), reason)
}

/// An event that owns what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame>),
}

impl From<Event<'_>> for Received {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(frame) => Self::Close(frame),
        }
    }
}

impl From<MessageRef<'_>> for Received {
    fn from(message: MessageRef<'_>) -> Self {
        match message {
            MessageRef::Text(text) => Self::Text(text.to_owned()),
            MessageRef::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

/// How an endpoint is fed, and how its events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `spare` and `received`, then `next_event`.
    Window,
    /// `lend`, then `next_event`.
    Lend,
    /// `spare` and `received`, then `next_part` with this length.
    Parts(usize),
    /// The two ways of taking, by turns.
    Turns(usize),
    /// The halves apart, `Inbound::next_message`.
    Messages,
}

pub const STYLES: [Style; 6] =
    [Style::Window, Style::Lend, Style::Parts(1000), Style::Parts(1), Style::Turns(100_000), Style::Messages];

#[derive(Debug)]
enum Halves {
    Whole(Box<Protocol>),
    Split(Box<Inbound>, Box<Outbound>),
}

/// One end of a connection, and all that came to it.
#[derive(Debug)]
pub struct Endpoint {
    halves: Halves,
    style: Style,
    turn: bool,
    pub received: Vec<Received>,
    /// The message that comes in parts.
    partial: Option<(MessageKind, Vec<u8>)>,
    pub error: Option<ProtocolError>,
}

impl Endpoint {
    pub fn new(role: Role, config: Config, style: Style) -> Self {
        Self::of(Protocol::new(role, config).with_entropy(Entropy::from_seed([7; 32])), style)
    }

    pub fn of(protocol: Protocol, style: Style) -> Self {
        let halves = if style == Style::Messages {
            let (inbound, outbound) = protocol.split();
            Halves::Split(Box::new(inbound), Box::new(outbound))
        } else {
            Halves::Whole(Box::new(protocol))
        };
        Self { halves, style, turn: false, received: Vec::new(), partial: None, error: None }
    }

    pub fn outbound(&mut self) -> &mut Outbound {
        match &mut self.halves {
            Halves::Whole(protocol) => protocol.outbound(),
            Halves::Split(_, outbound) => outbound,
        }
    }

    /// Takes at most `max_len` bytes of the output, as if they were written.
    pub fn write(&mut self, max_len: usize) -> Vec<u8> {
        let outbound = self.outbound();
        let bytes: Vec<u8> = outbound.output().flatten().copied().take(max_len).collect();
        outbound.sent(bytes.len());
        bytes
    }

    /// Gives it these bytes as one read, or as many as its room takes, and takes all events.
    pub fn read(&mut self, bytes: &[u8]) {
        if self.style == Style::Lend {
            return self.lend(bytes);
        }
        let mut rest = bytes;
        loop {
            let room = match &mut self.halves {
                Halves::Whole(protocol) => protocol.spare(),
                Halves::Split(inbound, _) => inbound.spare(),
            };
            let len = room.len().min(rest.len());
            room[..len].copy_from_slice(&rest[..len]);
            match &mut self.halves {
                Halves::Whole(protocol) => protocol.received(len),
                Halves::Split(inbound, _) => inbound.received(len),
            }
            rest = &rest[len..];
            if self.take().is_err() || rest.is_empty() {
                return;
            }
            assert!(len > 0, "no room, and no event");
        }
    }

    fn lend(&mut self, bytes: &[u8]) {
        let Halves::Whole(protocol) = &mut self.halves else { unreachable!("not split") };
        let mut shared = bytes.to_vec();
        let mut lent = protocol.lend(&mut shared);
        loop {
            match lent.next_event() {
                Ok(Some((event, _))) => self.received.push(event.into()),
                Ok(None) => return,
                Err(error) => return fail(&mut self.error, error),
            }
        }
    }

    fn take(&mut self) -> Result<(), ()> {
        loop {
            self.turn = !self.turn;
            let taken = match (&mut self.halves, self.style) {
                (Halves::Split(inbound, outbound), _) => take_message(inbound, outbound, &mut self.received),
                (Halves::Whole(protocol), Style::Parts(len)) => {
                    take_part(protocol, len, &mut self.received, &mut self.partial)
                }
                // By turns, but a message that was begun in parts is also ended in parts.
                (Halves::Whole(protocol), Style::Turns(len)) if self.turn || self.partial.is_some() => {
                    take_part(protocol, len, &mut self.received, &mut self.partial)
                }
                (Halves::Whole(protocol), _) => take_event(protocol, &mut self.received),
            };
            match taken {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    fail(&mut self.error, error);
                    return Err(());
                }
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        match &self.halves {
            Halves::Whole(protocol) => protocol.is_closed(),
            Halves::Split(inbound, outbound) => inbound.is_closed() && outbound.is_closed(),
        }
    }

    pub fn release(&mut self) {
        match &mut self.halves {
            Halves::Whole(protocol) => protocol.release(),
            Halves::Split(inbound, outbound) => {
                inbound.release();
                outbound.release();
            }
        }
    }
}

/// Errors are sticky: whatever is called, the first one comes again.
fn fail(first: &mut Option<ProtocolError>, error: ProtocolError) {
    assert_eq!(*first.get_or_insert(error.clone()), error, "not the first error again");
}

fn take_event(protocol: &mut Protocol, received: &mut Vec<Received>) -> Result<bool, ProtocolError> {
    let event = protocol.next_event()?.map(|(event, _)| event.into());
    let some = event.is_some();
    received.extend(event);
    Ok(some)
}

fn take_message(
    inbound: &mut Inbound,
    outbound: &mut Outbound,
    received: &mut Vec<Received>,
) -> Result<bool, ProtocolError> {
    let message = inbound.next_message(|event| {
        outbound.answer(event);
        received.push(event.clone().into());
    });
    let message = message.inspect_err(|error| outbound.fail(error))?;
    let some = message.is_some();
    received.extend(message.map(|message| MessageRef::from(&message).into()));
    Ok(some)
}

fn take_part(
    protocol: &mut Protocol,
    max_len: usize,
    received: &mut Vec<Received>,
    partial: &mut Option<(MessageKind, Vec<u8>)>,
) -> Result<bool, ProtocolError> {
    let Some(part) = protocol.next_part(max_len)? else { return Ok(false) };
    match part {
        Part::Start(kind) => assert_eq!(partial.replace((kind, Vec::new())), None),
        Part::Data(bytes) => {
            assert!((1..=max_len).contains(&bytes.len()), "{}", bytes.len());
            partial.as_mut().expect("a message began").1.extend_from_slice(bytes);
        }
        Part::End => received.push(match partial.take().expect("a message began") {
            (MessageKind::Text, bytes) => Received::Text(String::from_utf8(bytes).expect("UTF-8")),
            (MessageKind::Binary, bytes) => Received::Binary(bytes),
        }),
        Part::Ping(payload) => received.push(Received::Ping(payload.to_vec())),
        Part::Pong(payload) => received.push(Received::Pong(payload.to_vec())),
        Part::Close(frame) => received.push(Received::Close(frame)),
    }
    Ok(true)
}

/// What an endpoint made of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub received: Vec<Received>,
    pub error: Option<ProtocolError>,
    pub output: Vec<u8>,
    pub closed: bool,
}

/// What an endpoint makes of these bytes, read in pieces of `piece_len`.
pub fn outcome(role: Role, config: &Config, style: Style, bytes: &[u8], piece_len: usize) -> Outcome {
    let mut endpoint = Endpoint::new(role, config.clone(), style);
    bytes.chunks(piece_len).for_each(|piece| endpoint.read(piece));
    let output = endpoint.write(usize::MAX);
    let closed = endpoint.is_closed();
    Outcome { received: endpoint.received, error: endpoint.error, output, closed }
}

/// What an endpoint makes of these bytes: the same in each style, and in some cuts.
pub fn feed_with(role: Role, config: &Config, bytes: &[u8]) -> Outcome {
    let expected = outcome(role, config, Style::Window, bytes, usize::MAX);
    for style in STYLES {
        for piece_len in [usize::MAX, 7, 1] {
            let other = outcome(role, config, style, bytes, piece_len);
            assert_eq!(other, expected, "{role:?} {style:?} in pieces of {piece_len}");
        }
    }
    expected
}

pub fn feed(role: Role, bytes: impl AsRef<[u8]>) -> Outcome {
    feed_with(role, &Config::default(), bytes.as_ref())
}

/// Has the endpoint fail with this error and close code, and nothing received before it.
pub fn assert_fails(role: Role, bytes: impl AsRef<[u8]>, error: impl Into<ProtocolError>, code: u16) {
    let bytes = bytes.as_ref();
    let outcome = feed(role, bytes);
    assert_eq!(outcome.error, Some(error.into()), "{bytes:x?}");
    assert_eq!(close_code(&outcome.output), code, "{bytes:x?}");
    assert_eq!(outcome.received, [], "{bytes:x?}");
}

/// The frames that a fresh endpoint sends when this is done to it.
pub fn sent_by(role: Role, work: impl FnOnce(&mut Outbound)) -> Vec<u8> {
    let mut endpoint = Endpoint::new(role, Config::default(), Style::Window);
    work(endpoint.outbound());
    endpoint.write(usize::MAX)
}

/// Passes all output of each to the other, until neither has any.
pub fn settle(first: &mut Endpoint, second: &mut Endpoint) {
    loop {
        let (there, back) = (first.write(usize::MAX), second.write(usize::MAX));
        if there.is_empty() && back.is_empty() {
            return;
        }
        second.read(&there);
        first.read(&back);
    }
}
