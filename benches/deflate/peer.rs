//! The other side: a client such as npm's `ws`, which compresses at level 6 and keeps its
//! window, and checks what comes back.

use std::rc::Rc;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

pub const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What a client sends, over and over: made once, read by every connection.
pub struct Cycle {
    pub texts: Vec<String>,
    /// Masked, compressed frames.
    pub frames: Vec<Vec<u8>>,
    /// What is in them, unmasked and with the tail: what the floor begins with.
    pub payloads: Vec<Vec<u8>>,
}

impl Cycle {
    /// `takeover`: each message may refer to those before it in the cycle. The first one
    /// refers to none, so that the cycle can be repeated.
    pub fn new(texts: Vec<String>, takeover: bool) -> Rc<Self> {
        let mut state = Deflate::new(6, false, 15);
        let mut payloads = Vec::new();
        for text in &texts {
            if !takeover {
                state.reset();
            }
            let mut out = vec![0; text.len() + 128];
            let before = state.total_out();
            state.compress(text.as_bytes(), &mut out, DeflateFlush::SyncFlush).unwrap();
            out.truncate(usize::try_from(state.total_out() - before).unwrap());
            assert!(out.ends_with(&TAIL));
            payloads.push(out);
        }
        let frames = payloads.iter().map(|payload| frame(&payload[..payload.len() - 4])).collect();
        Rc::new(Self { texts, frames, payloads })
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0xc1];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Reads replies, with a window of its own.
pub struct Checker(Inflate);

impl Checker {
    pub fn new() -> Self {
        Self(Inflate::new(false, 15))
    }

    /// Whether `bytes` are one whole frame with this text in it.
    pub fn check(&mut self, bytes: &[u8], text: &str) -> bool {
        let [first, second, rest @ ..] = bytes else { return false };
        let (len, payload) = match second {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()), &rest[8..]),
            len => (u64::from(*len), rest),
        };
        if len != payload.len() as u64 {
            return false;
        }
        match first {
            0x81 => payload == text.as_bytes(),
            0xc1 => self.inflate(payload, text),
            _ => false,
        }
    }

    fn inflate(&mut self, payload: &[u8], text: &str) -> bool {
        let input = [payload, &TAIL].concat();
        let mut output = vec![0; text.len() + 1];
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let done = self.0.decompress(&input, &mut output, InflateFlush::SyncFlush).is_ok();
        let all = self.0.total_in() - read == input.len() as u64;
        let written = usize::try_from(self.0.total_out() - written).unwrap();
        done && all && &output[..written] == text.as_bytes()
    }
}
