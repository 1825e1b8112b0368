//! What is sent and received.

use std::fmt;

use bytes::Bytes;

/// At least so many bytes of frames before they come again.
const CYCLE_LEN: usize = 64 * 1024;
/// At least so many messages.
const MIN_MESSAGE_COUNT: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// By a server: frames are masked.
    Receive,
    /// By a server.
    Send,
    /// By a client: it masks.
    ClientSend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Binary,
    Ascii,
    NonAscii,
}

#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub direction: Direction,
    pub kind: Kind,
    pub len: usize,
}

impl Row {
    pub fn is_text(self) -> bool {
        self.kind != Kind::Binary
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            Direction::Receive => "receive, ",
            Direction::Send => "send, ",
            Direction::ClientSend => "client send, ",
        })?;
        f.write_str(match self.kind {
            Kind::Binary => "binary, ",
            Kind::Ascii => "ASCII, ",
            Kind::NonAscii => "non-ASCII, ",
        })?;
        match self.len {
            len @ 0..1024 => write!(f, "{len} B"),
            len @ 1024..0x10_0000 => write!(f, "{} KiB", len / 1024),
            len => write!(f, "{} MiB", len >> 20),
        }
    }
}

/// The index after `index`, of `count` that come again and again: without a division.
#[inline]
pub fn next_index(index: usize, count: usize) -> usize {
    if index + 1 == count { 0 } else { index + 1 }
}

/// Messages, each different, and their frames.
pub struct Workload {
    pub messages: Vec<Bytes>,
    /// The masked frames of all messages, one behind the other.
    pub frames: Vec<u8>,
}

impl Workload {
    pub fn new(row: Row) -> Self {
        let count = CYCLE_LEN.div_ceil(row.len + 8).max(MIN_MESSAGE_COUNT);
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ row.len as u64);
        let messages: Vec<Bytes> = (0..count).map(|_| message(row, &mut random).into()).collect();
        let mut frames = Vec::new();
        for message in &messages {
            append_frame(
                &mut frames,
                row.is_text(),
                message,
                random.next().to_le_bytes()[..4].try_into().unwrap(),
            );
        }
        Self { messages, frames }
    }
}

/// A small generator, so that every run sends the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.next() % of.len() as u64).unwrap()]
    }
}

fn message(row: Row, random: &mut Random) -> Vec<u8> {
    let mut text = Vec::with_capacity(row.len + 4);
    // Words of Latin, Greek, Cyrillic and Japanese letters, and an emoji: one to four bytes each.
    const WORDS: [&str; 8] = ["naïve ", "κόσμος ", "привет ", "こんにちは", "世界", "🦀 ", "straße ", "ok "];
    while text.len() < row.len {
        match row.kind {
            Kind::Binary => text.extend(random.next().to_le_bytes()),
            Kind::Ascii => text.push(random.pick(b"abcdefghijklmnopqrstuvwxyz .,{}\"")),
            Kind::NonAscii => text.extend(random.pick(&WORDS).as_bytes()),
        }
    }
    let mut end = row.len;
    while row.is_text() && !is_boundary(&text, end) {
        end -= 1;
    }
    text.truncate(end);
    text.resize(row.len, b'.');
    text
}

fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

pub fn append_frame(out: &mut Vec<u8>, text: bool, payload: &[u8], key: [u8; 4]) {
    out.push(if text { 0x81 } else { 0x82 });
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}
