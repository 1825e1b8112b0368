//! Sockets of this machine, frames made by hand, and waits that end.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use sha1::{Digest, Sha1};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Something that runs in a thread of its own, and must end.
pub(crate) struct Task<T>(mpsc::Receiver<T>);

pub(crate) fn start<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(body()));
    Task(receiver)
}

impl<T> Task<T> {
    /// Its result. Fails if there is none in time, or if the thread panicked.
    #[track_caller]
    pub(crate) fn end(self) -> T {
        self.0.recv_timeout(PATIENCE).expect("the thread ends in time, and does not panic")
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}

/// Ends the process if its tests hang, in a call of ours that never returns.
pub(crate) fn watch() {
    watch_for(Duration::from_secs(150));
}

/// The same, where tests may take so long. The first call counts.
pub(crate) fn watch_for(time: Duration) {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        thread::spawn(move || {
            thread::sleep(time);
            eprintln!("a test hangs");
            std::process::exit(101);
        });
    });
}

pub(crate) fn listen() -> (TcpListener, String) {
    watch();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// Two ends of a TCP connection; the reads of both end in time.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen();
    let one = TcpStream::connect(address).expect("a connection");
    let other = listener.accept().expect("a connection").0;
    for stream in [&one, &other] {
        patient(stream);
    }
    (one, other)
}

pub(crate) fn patient(stream: &TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
}

/// All that still comes, up to the end of the stream. A reset is a failure.
#[track_caller]
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an orderly end, no reset");
    bytes
}

/// Fails if the peer, whose stream has ended, no longer listens: a reset could have eaten
/// its last words.
#[track_caller]
pub(crate) fn assert_listens(stream: &mut TcpStream) {
    for _ in 0..2 {
        stream.write_all(b"more").expect("a peer that listens for a while");
        thread::sleep(millis(10));
    }
}

/// Whether nothing comes for a while, not even the end.
pub(crate) fn is_silent(stream: &mut TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).expect("a socket");
    let result = stream.read(&mut [0; 64]);
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    matches!(result, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Reads up to the end of a head.
#[track_caller]
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the rest of a head");
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).expect("a head in ASCII")
}

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const KEY_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request that is upgraded, with these lines besides.
pub(crate) fn request(lines: &str) -> String {
    request_to("/chat", lines)
}

pub(crate) fn request_to(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// The accept key for a client's request.
pub(crate) fn accept_for(request: &str) -> String {
    let key = header(request, "Sec-WebSocket-Key").expect("a key");
    let hash = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(hash)
}

/// The value of a header in a head.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Does a server's half of the handshake by hand.
pub(crate) fn open_by_hand(stream: &mut TcpStream) {
    patient(stream);
    let accept = accept_for(&read_head(stream));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).expect("a peer that reads");
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame: its first byte, the length that it announces in the form asked for, its payload.
pub(crate) fn raw_frame(masked: bool, first: u8, len: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    let (short, long) = len.split_first().expect("a length");
    frame.push(short | if masked { 0x80 } else { 0 });
    frame.extend_from_slice(long);
    if masked {
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend_from_slice(payload);
    }
    frame
}

/// A frame with the length in its shortest form.
pub(crate) fn frame(masked: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(masked, first, &len_bytes(payload.len()), payload)
}

pub(crate) fn len_bytes(len: usize) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) if len < 126 => vec![len],
        (_, Ok(len)) => [&[126][..], &len.to_be_bytes()].concat(),
        _ => [&[127][..], &(len as u64).to_be_bytes()].concat(),
    }
}

/// The frames in `bytes`, each with its first byte and its payload without the mask. They
/// must be whole, and masked or not, all alike.
#[track_caller]
pub(crate) fn frames(masked: bool, mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut input = &mut bytes;
    while !input.is_empty() {
        frames.push(read_frame(masked, &mut input));
    }
    frames
}

/// Reads one frame.
#[track_caller]
pub(crate) fn read_frame(masked: bool, stream: &mut impl Read) -> (u8, Vec<u8>) {
    let [first, second] = read_array(stream);
    assert_eq!(second & 0x80 != 0, masked, "masked or not");
    let len = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(read_array(stream))),
        127 => u64::from_be_bytes(read_array(stream)),
        len => u64::from(len),
    };
    let key = masked.then(|| read_array::<4>(stream));
    let mut payload = vec![0; usize::try_from(len).expect("a length")];
    stream.read_exact(&mut payload).expect("a whole frame");
    if let Some(key) = key {
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    (first, payload)
}

#[track_caller]
fn read_array<const N: usize>(stream: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("a whole frame");
    bytes
}

/// The code of a close frame; `None` if it has none.
#[track_caller]
pub(crate) fn close_code((first, payload): &(u8, Vec<u8>)) -> Option<u16> {
    assert_eq!(*first, 0x88, "a close frame");
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

/// Bytes of memory that this process has, on Linux; elsewhere 0.
pub(crate) fn resident_len() -> usize {
    resident_len_in("/proc/self/status")
}

/// The same of any process, by the file that tells of it.
pub(crate) fn resident_len_in(status: &str) -> usize {
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or_default() * 1024
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it does not happen");
        thread::sleep(millis(2));
    }
}

/// Numbers that look random, the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % end.max(1)
    }
}
