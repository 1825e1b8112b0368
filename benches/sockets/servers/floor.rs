//! The floor: WebSocket written by hand, with nothing but the work. One thread, edge-triggered events, one
//! buffer for all connections, unmasked in place; all that a read brought is answered by one write. No
//! fragments, no control frames, no text, no limits, no deadlines.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::Mode;
use crate::sys::{self, Epoll};

pub const LOOP_BUFFER_LEN: usize = 512 * 1024;
/// Frames from here on have a buffer of their own.
const LONG: usize = LOOP_BUFFER_LEN / 2;
const LISTENER: u64 = u64::MAX;
/// Payloads from here on aren't moved to be next to the one before: the write has several pieces.
const MOVED_BELOW: usize = 4 * 1024;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[derive(PartialEq, Eq)]
pub enum Progress {
    Done,
    Blocked,
}

/// The connections of an event loop, by descriptor.
pub struct Connections<S> {
    epoll: Epoll,
    listener: TcpListener,
    pub slots: Vec<Option<(TcpStream, S)>>,
    events: Vec<sys::Event>,
}

impl<S: Default> Connections<S> {
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new()?;
        epoll.add(listener.as_raw_fd(), LISTENER)?;
        Ok(Self { epoll, listener, slots: Vec::new(), events: vec![sys::EMPTY; 512] })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if sys::would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let fd = stream.as_raw_fd();
            self.epoll.add(fd, u64::from(fd.cast_unsigned()))?;
            let slot = fd.cast_unsigned() as usize;
            if slot >= self.slots.len() {
                self.slots.resize_with(slot + 1, || None);
            }
            self.slots[slot] = Some((stream, S::default()));
        }
    }

    /// Waits, and serves whatever has an event. What fails is closed.
    pub fn turn(&mut self, mut serve: impl FnMut(&TcpStream, &mut S) -> io::Result<()>) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        for event in self.epoll.wait(&mut events, Duration::from_secs(60))? {
            if event.u64 == LISTENER {
                self.accept()?;
                continue;
            }
            let slot = event.u64 as usize;
            if let Some(Some((stream, state))) = self.slots.get_mut(slot)
                && serve(stream, state).is_err()
            {
                self.slots[slot] = None;
            }
        }
        self.events = events;
        Ok(())
    }
}

/// What a connection has besides its socket. While it is idle: nothing.
#[derive(Default)]
struct State {
    open: bool,
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    /// The beginning of a frame; or a long frame, of which `filled` bytes are there, unmasked.
    input: Vec<u8>,
    filled: usize,
    header: Header,
    /// What couldn't be sent, from `sent` on.
    output: Vec<u8>,
    sent: usize,
}

/// A frame's header: the lengths of it and of the payload, and the mask.
#[derive(Default)]
struct Header {
    len: usize,
    payload_len: usize,
    mask: [u8; 4],
}

impl Header {
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first != 0x82 || second & 0x80 == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (payload_len, rest) = match second & 0x7f {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (usize::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*len) as usize, rest)
            }
            len => (usize::from(len), rest),
        };
        let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some(Self { len: bytes.len() - rest.len(), payload_len, mask: *mask }))
    }

    fn frame_len(&self) -> usize {
        self.len + self.payload_len
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let word = u64::from(u32::from_ne_bytes(mask));
    let word = word << 32 | word;
    let mut words = payload.chunks_exact_mut(8);
    for chunk in &mut words {
        let unmasked = u64::from_ne_bytes(chunk.try_into().unwrap()) ^ word;
        chunk.copy_from_slice(&unmasked.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Writes the header of a reply so that it ends at `end`. Gives where it begins.
fn write_header(buffer: &mut [u8], end: usize, payload_len: usize) -> usize {
    let mut header = [0x82, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let len = match payload_len {
        0..126 => {
            header[1] = payload_len as u8;
            2
        }
        126..0x1_0000 => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(payload_len as u64).to_be_bytes());
            10
        }
    };
    buffer[end - len..end].copy_from_slice(&header[..len]);
    end - len
}

/// Makes the replies to all whole frames of `buffer`, in place, and puts where they are into `pieces`.
/// Gives how many bytes of frames there were.
fn answer(buffer: &mut [u8], pieces: &mut Vec<Range<usize>>) -> io::Result<usize> {
    pieces.clear();
    let mut at = 0;
    loop {
        let Some(header) = Header::parse(&buffer[at..])? else { return Ok(at) };
        if buffer.len() - at < header.frame_len() {
            return Ok(at);
        }
        let payload = at + header.len..at + header.frame_len();
        at = payload.end;
        unmask(&mut buffer[payload.clone()], header.mask);
        let len = header.payload_len;
        match pieces.last_mut() {
            Some(last) if len < MOVED_BELOW => {
                // A reply's header is shorter than its frame's, so this overtakes nothing.
                let reply_header_len = header.len - 4;
                let start = last.end + reply_header_len;
                buffer.copy_within(payload, start);
                write_header(buffer, start, len);
                last.end = start + len;
            }
            _ => {
                let start = write_header(buffer, payload.start, len);
                pieces.push(start..payload.end);
            }
        }
    }
}

/// Sends the pieces, and keeps what can't be sent.
fn send(fd: i32, buffer: &[u8], pieces: &[Range<usize>], rest: &mut Option<Box<Rest>>) -> io::Result<()> {
    let result = match pieces {
        [] => return Ok(()),
        [piece] => sys::send(fd, &buffer[piece.clone()]),
        _ => sys::send_pieces(fd, buffer, pieces),
    };
    let mut sent = match result {
        Ok(len) => len,
        Err(error) if sys::would_block(&error) => 0,
        Err(error) => return Err(error),
    };
    for piece in pieces {
        let here = sent.min(piece.len());
        sent -= here;
        if here < piece.len() {
            let rest = rest.get_or_insert_default();
            rest.output.extend_from_slice(&buffer[piece.start + here..piece.end]);
        }
    }
    Ok(())
}

fn shake_hands(fd: i32, head: &[u8]) -> io::Result<()> {
    const NAME: &[u8] = b"sec-websocket-key:";
    let key = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())
    });
    let key = key.ok_or(io::ErrorKind::InvalidData)?;
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut response = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: 0123456789012345678901234567\r\n\r\n";
    let at = response.len() - 4 - 28;
    let len = STANDARD.encode_slice(hash, &mut response[at..at + 28]).map_err(io::Error::other)?;
    assert_eq!(len, 28);
    sys::send(fd, &response)?; // a new socket has room for it
    Ok(())
}

struct Loop {
    buffer: Vec<u8>,
    /// For a frame that is too long for `buffer`, while no connection has it.
    spare: Vec<u8>,
    pieces: Vec<Range<usize>>,
    broadcast: bool,
    /// Replies for all, to be sent after the connection that they came from.
    for_all: Vec<u8>,
}

impl Loop {
    /// Sends what is left of the last replies.
    fn flush(&mut self, fd: i32, state: &mut State) -> io::Result<Progress> {
        let Some(rest) = &mut state.rest else { return Ok(Progress::Done) };
        while rest.sent < rest.output.len() {
            match sys::send(fd, &rest.output[rest.sent..]) {
                Ok(len) => rest.sent += len,
                Err(error) if sys::would_block(&error) => return Ok(Progress::Blocked),
                Err(error) => return Err(error),
            }
        }
        let output = std::mem::take(&mut rest.output);
        if output.len() >= LONG && output.len() > self.spare.len() {
            self.spare = output;
        }
        if rest.input.is_empty() {
            state.rest = None;
        } else {
            rest.sent = 0;
        }
        Ok(Progress::Done)
    }

    /// Keeps the beginning of a frame.
    fn begin(&mut self, state: &mut State, beginning: Range<usize>) -> io::Result<()> {
        let bytes = &self.buffer[beginning];
        let rest = state.rest.get_or_insert_default();
        match Header::parse(bytes)? {
            Some(header) if header.frame_len() >= LONG => {
                rest.input = std::mem::take(&mut self.spare);
                rest.input.resize(header.frame_len(), 0);
                rest.input[..bytes.len()].copy_from_slice(bytes);
                unmask(&mut rest.input[header.len..bytes.len()], header.mask);
                rest.filled = bytes.len();
                rest.header = header;
            }
            _ => rest.input = bytes.to_vec(),
        }
        Ok(())
    }

    /// Reads what a long frame lacks. It is answered where it is, however many writes that takes.
    fn read_long(&mut self, fd: i32, state: &mut State) -> io::Result<Progress> {
        let Some(rest) = &mut state.rest else { return Ok(Progress::Done) };
        while rest.filled < rest.input.len() {
            let len = match sys::recv(fd, &mut rest.input[rest.filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if sys::would_block(&error) => return Ok(Progress::Blocked),
                Err(error) => return Err(error),
            };
            let mut mask = rest.header.mask;
            mask.rotate_left((rest.filled - rest.header.len) % 4);
            unmask(&mut rest.input[rest.filled..rest.filled + len], mask);
            rest.filled += len;
        }
        let start = write_header(&mut rest.input, rest.header.len, rest.header.payload_len);
        if self.broadcast {
            self.for_all.extend_from_slice(&rest.input[start..]);
            self.spare = std::mem::take(&mut rest.input);
            state.rest = None;
        } else {
            rest.output = std::mem::take(&mut rest.input);
            rest.sent = start;
        }
        Ok(Progress::Done)
    }

    fn serve(&mut self, fd: i32, state: &mut State) -> io::Result<()> {
        loop {
            if self.flush(fd, state)? == Progress::Blocked {
                return Ok(());
            }
            if state.rest.as_ref().is_some_and(|rest| rest.input.len() >= LONG) {
                if self.read_long(fd, state)? == Progress::Blocked {
                    return Ok(());
                }
                continue;
            }
            // Behind the beginning of a frame.
            let start = state.rest.as_ref().map_or(0, |rest| rest.input.len());
            if let Some(rest) = &state.rest {
                self.buffer[..start].copy_from_slice(&rest.input);
            }
            let len = match sys::recv(fd, &mut self.buffer[start..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if sys::would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            state.rest = None;
            let end = start + len;
            let received = &mut self.buffer[..end];
            if !state.open {
                if !received.ends_with(b"\r\n\r\n") {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                shake_hands(fd, received)?;
                state.open = true;
                return Ok(());
            }
            let answered = answer(received, &mut self.pieces)?;
            if self.broadcast {
                for piece in &self.pieces {
                    self.for_all.extend_from_slice(&received[piece.clone()]);
                }
            } else {
                send(fd, received, &self.pieces, &mut state.rest)?;
            }
            if answered < end {
                self.begin(state, answered..end)?;
            }
            if end < self.buffer.len() {
                return Ok(());
            }
        }
    }
}

fn send_to_all(bytes: &[u8], slots: &mut [Option<(TcpStream, State)>]) {
    for slot in slots {
        let Some((stream, state)) = slot else { continue };
        let result = match &mut state.rest {
            Some(rest) if !rest.output.is_empty() => {
                rest.output.extend_from_slice(bytes);
                Ok(())
            }
            rest => send(stream.as_raw_fd(), bytes, std::slice::from_ref(&(0..bytes.len())), rest),
        };
        if result.is_err() {
            *slot = None;
        }
    }
}

pub fn serve(mode: Mode, listener: TcpListener) -> io::Result<()> {
    let mut connections: Connections<State> = Connections::new(listener)?;
    let mut state = Loop {
        buffer: vec![0; LOOP_BUFFER_LEN],
        spare: Vec::new(),
        pieces: Vec::new(),
        broadcast: mode == Mode::Broadcast,
        for_all: Vec::new(),
    };
    loop {
        connections.turn(|stream, connection| state.serve(stream.as_raw_fd(), connection))?;
        if !state.for_all.is_empty() {
            send_to_all(&state.for_all, &mut connections.slots);
            state.for_all.clear();
        }
    }
}
