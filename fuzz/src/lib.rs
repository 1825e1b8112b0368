//! What the fuzz targets share: cutting bytes, three ways to read a connection, and a peer with its model.
//!
//! `cargo +nightly fuzz run pair` runs a target until it finds something, and puts what it learns into
//! `corpus/pair`; to keep the seeds as they are, name another folder before that of the seeds:
//! `cargo +nightly fuzz run pair ../grown fuzz/corpus/pair`. Without nightly: `RUSTC_BOOTSTRAP=1 cargo fuzz run`.

pub mod peer;

use talkback::frame::CloseFrame;
use talkback::protocol::{Event, Message, MessageKind, Part, Protocol, ProtocolError};

/// Something that came from the peer, owned, so that ways of reading can be compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Message(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseFrame>),
}

/// What was seen so far, in order.
#[derive(Debug, Default)]
pub struct Log {
    pub seen: Vec<Seen>,
    /// The message whose parts come, up to here.
    unfinished: Option<(MessageKind, Vec<u8>)>,
}

impl Log {
    pub fn event(&mut self, event: &Event<'_>) {
        self.seen.push(match event {
            Event::Text(text) => Seen::Message(Message::from(*text)),
            Event::Binary(bytes) => Seen::Message(Message::from(bytes.to_vec())),
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(frame) => Seen::Close(frame.clone()),
        });
    }

    fn part(&mut self, part: &Part<'_>) {
        match part {
            Part::Start(kind) => assert_eq!(self.unfinished.replace((*kind, Vec::new())), None),
            Part::Data(data) => self.unfinished.as_mut().expect("data has a start").1.extend_from_slice(data),
            Part::End => {
                let (kind, bytes) = self.unfinished.take().expect("an end has a start");
                self.seen.push(Seen::Message(match kind {
                    MessageKind::Text => String::from_utf8(bytes).expect("text is checked").into(),
                    MessageKind::Binary => bytes.into(),
                }));
            }
            Part::Ping(payload) => self.event(&Event::Ping(payload)),
            Part::Pong(payload) => self.event(&Event::Pong(payload)),
            Part::Close(frame) => self.event(&Event::Close(frame.clone())),
        }
    }
}

/// Cuts `bytes`: each of `cuts`, again and again, is the length of a piece, from 128 on in
/// steps of 512; 0, or no cuts at all, is the rest.
pub fn pieces<'a>(bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let (mut rest, mut cuts) = (bytes, cuts.iter().copied().map(usize::from).cycle());
    core::iter::from_fn(move || {
        let len = match cuts.next() {
            None | Some(0) => rest.len(),
            Some(cut @ ..128) => cut,
            Some(cut) => (cut - 127) * 512,
        };
        let (piece, later) = rest.split_at(len.min(rest.len()));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Copies the start of `bytes` to `room`: how many bytes, and what is left of them.
pub fn fill<'a>(room: &mut [u8], bytes: &'a [u8]) -> (usize, &'a [u8]) {
    assert!(!room.is_empty(), "there is room once all events are taken");
    let (now, later) = bytes.split_at(room.len().min(bytes.len()));
    room[..now.len()].copy_from_slice(now);
    (now.len(), later)
}

/// Reads `bytes` into the connection's own room, and takes whole messages.
pub fn read_spare(protocol: &mut Protocol, mut bytes: &[u8], log: &mut Log) -> Result<(), ProtocolError> {
    while !bytes.is_empty() {
        let (len, later) = fill(protocol.spare(), bytes);
        protocol.received(len);
        while let Some((event, _)) = protocol.next_event()? {
            log.event(&event);
        }
        bytes = later;
    }
    Ok(())
}

/// Lends `bytes` to the connection, and takes whole messages.
pub fn read_lent(protocol: &mut Protocol, bytes: &[u8], log: &mut Log) -> Result<(), ProtocolError> {
    let mut bytes = bytes.to_vec();
    let mut lent = protocol.lend(&mut bytes);
    while let Some((event, _)) = lent.next_event()? {
        log.event(&event);
    }
    Ok(())
}

/// Reads `bytes` into the connection's own room, and takes parts of at most `max_len` bytes.
pub fn read_parts(
    protocol: &mut Protocol,
    mut bytes: &[u8],
    max_len: usize,
    log: &mut Log,
) -> Result<(), ProtocolError> {
    while !bytes.is_empty() {
        let (len, later) = fill(protocol.spare(), bytes);
        protocol.received(len);
        while let Some(part) = protocol.next_part(max_len)? {
            if let Part::Data(data) = part {
                assert!((1..=max_len).contains(&data.len()));
            }
            log.part(&part);
        }
        bytes = later;
    }
    Ok(())
}
