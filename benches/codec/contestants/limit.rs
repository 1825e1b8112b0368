//! LIMIT: written by hand for this row and nothing else. It copies out of the wire, takes the
//! mask off, checks text, and shows the message; or writes a header, masks and copies, and
//! gives the wire all in one call. No fragments, no control frames, no limits, no errors.

use std::rc::Rc;

use super::Running;
use crate::wire::{Inbox, Setup, Wire};
use crate::workload::{Direction, Row, Workload, next_index};

/// What is read at a time, and how much of a large message is worked on at a time: both stay in
/// the nearest cache.
const BUFFER_LEN: usize = 32 * 1024;
const BLOCK_LEN: usize = 32 * 1024;

pub fn open(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    let Setup { workload, wire, inbox } = setup;
    Some(match row.direction {
        Direction::Receive if row.len < BUFFER_LEN => Box::new(Small {
            wire,
            inbox,
            text: row.is_text(),
            buffer: vec![0; BUFFER_LEN],
            start: 0,
            end: 0,
        }),
        Direction::Receive => Box::new(Large { wire, inbox, text: row.is_text(), message: vec![0; row.len] }),
        Direction::Send => Box::new(Sender { wire, workload, text: row.is_text(), next: 0 }),
        Direction::ClientSend => Box::new(ClientSender {
            wire,
            workload,
            text: row.is_text(),
            next: 0,
            frame: vec![0; row.len + 14],
            key: 0x9e37_79b9_7f4a_7c15,
        }),
    })
}

/// Receives messages of less than a buffer, in place.
struct Small {
    wire: Wire,
    inbox: Inbox,
    text: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Running for Small {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let (payload_start, payload_end) = loop {
                if let Some(range) = frame(&self.buffer[self.start..self.end]) {
                    break (self.start + range.0, self.start + range.1);
                }
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                self.end += self.wire.take(&mut self.buffer[self.end..]);
            };
            let key = self.buffer[payload_start - 4..payload_start].try_into().unwrap();
            let payload = &mut self.buffer[payload_start..payload_end];
            unmask(payload, key);
            assert!(!self.text || simdutf8::basic::from_utf8(payload).is_ok());
            self.inbox.deliver(payload);
            self.start = payload_end;
        }
    }
}

/// Where the payload of the frame in front begins and ends; `None`: it isn't all there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let [_, second, rest @ ..] = bytes else { return None };
    let (len, start) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 8),
        127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 14),
        len => (usize::from(len), 6),
    };
    (bytes.len() >= start + len).then_some((start, start + len))
}

/// Receives messages of a buffer and more: each straight into its place.
struct Large {
    wire: Wire,
    inbox: Inbox,
    text: bool,
    message: Vec<u8>,
}

impl Running for Large {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let mut header = [0; 14];
            assert_eq!(self.wire.take(&mut header), 14);
            let key = *header.last_chunk().unwrap();
            let mut checked = 0;
            for start in (0..self.message.len()).step_by(BLOCK_LEN) {
                let end = (start + BLOCK_LEN).min(self.message.len());
                let block = &mut self.message[start..end];
                assert_eq!(self.wire.take(block), block.len());
                unmask(block, key);
                if self.text {
                    let boundary = if end == self.message.len() { end } else { boundary(&self.message, end) };
                    assert!(simdutf8::basic::from_utf8(&self.message[checked..boundary]).is_ok());
                    checked = boundary;
                }
            }
            self.inbox.deliver(&self.message);
        }
    }
}

/// The last place up to `end` where a character may begin.
fn boundary(text: &[u8], mut end: usize) -> usize {
    while text[end - 1] & 0xc0 == 0x80 {
        end -= 1;
    }
    if text[end - 1] >= 0xc0 { end - 1 } else { end }
}

/// A server's sender: the header, and the payload from where it is.
struct Sender {
    wire: Wire,
    workload: Rc<Workload>,
    text: bool,
    next: usize,
}

impl Running for Sender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let message = &self.workload.messages[self.next];
            let mut header = [0; 14];
            let header_len = write_header(&mut header, self.text, 0, message.len());
            self.wire.give_all([&header[..header_len], message].into_iter());
            self.next = next_index(self.next, self.workload.messages.len());
        }
    }
}

/// A client's sender: the payload is masked on its way into the buffer.
struct ClientSender {
    wire: Wire,
    workload: Rc<Workload>,
    text: bool,
    next: usize,
    frame: Vec<u8>,
    key: u64,
}

impl Running for ClientSender {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let message = &self.workload.messages[self.next];
            // A key a frame, of the cheapest generator there is.
            self.key ^= self.key << 13;
            self.key ^= self.key >> 7;
            self.key ^= self.key << 17;
            let key: [u8; 4] = self.key.to_le_bytes()[..4].try_into().unwrap();
            let header_len = write_header(&mut self.frame, self.text, 0x80, message.len());
            let start = header_len + 4;
            self.frame[header_len..start].copy_from_slice(&key);
            copy_masked(&mut self.frame[start..start + message.len()], message, key);
            self.wire.give(&self.frame[..start + message.len()]);
            self.next = next_index(self.next, self.workload.messages.len());
        }
    }
}

fn write_header(out: &mut [u8], text: bool, masked: u8, len: usize) -> usize {
    out[0] = if text { 0x81 } else { 0x82 };
    match len {
        0..126 => {
            out[1] = masked | len as u8;
            2
        }
        126..0x1_0000 => {
            out[1] = masked | 126;
            out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            out[1] = masked | 127;
            out[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    }
}

/// From so many bytes on, the steps begin at an address that suits the stores.
const MIN_ALIGNED_LEN: usize = 2048;
const STEP_LEN: usize = 32;

fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let head_len = if payload.len() < MIN_ALIGNED_LEN { 0 } else { payload.as_ptr().align_offset(16) };
    let (head, rest) = payload.split_at_mut(head_len);
    unmask_words(head, key);
    let key = rotated(key, head_len);
    let wide = wide(key);
    let (chunks, rest) = rest.as_chunks_mut::<STEP_LEN>();
    for chunk in chunks {
        chunk.iter_mut().zip(wide).for_each(|(byte, key)| *byte ^= key);
    }
    unmask_words(rest, key);
}

fn unmask_words(payload: &mut [u8], key: [u8; 4]) {
    let long = u64::from_ne_bytes([key; 2].as_flattened().try_into().unwrap());
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ long).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([key; 2].as_flattened()) {
        *byte ^= key;
    }
}

fn rotated(mut key: [u8; 4], by: usize) -> [u8; 4] {
    key.rotate_left(by % 4);
    key
}

fn wide(key: [u8; 4]) -> [u8; STEP_LEN] {
    [key; STEP_LEN / 4].as_flattened().try_into().unwrap()
}

/// Copies and masks in one pass.
pub fn copy_masked(out: &mut [u8], payload: &[u8], key: [u8; 4]) {
    let head_len = if payload.len() < MIN_ALIGNED_LEN { 0 } else { out.as_ptr().align_offset(16) };
    let ((out_head, out), (head, payload)) = (out.split_at_mut(head_len), payload.split_at(head_len));
    out_head.iter_mut().zip(head).zip(key.iter().cycle()).for_each(|((out, byte), key)| *out = byte ^ key);
    let key = rotated(key, head_len);
    let wide = wide(key);
    let ((out_chunks, out), (chunks, rest)) =
        (out.as_chunks_mut::<STEP_LEN>(), payload.as_chunks::<STEP_LEN>());
    for (out, chunk) in out_chunks.iter_mut().zip(chunks) {
        out.iter_mut().zip(chunk).zip(wide).for_each(|((out, byte), key)| *out = byte ^ key);
    }
    let long = u64::from_ne_bytes([key; 2].as_flattened().try_into().unwrap());
    let ((out_words, out), (words, rest)) = (out.as_chunks_mut::<8>(), rest.as_chunks::<8>());
    for (out, word) in out_words.iter_mut().zip(words) {
        *out = (u64::from_ne_bytes(*word) ^ long).to_ne_bytes();
    }
    out.iter_mut().zip(rest).zip([key; 2].as_flattened()).for_each(|((out, byte), key)| *out = byte ^ key);
}
