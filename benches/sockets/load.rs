//! The load: connections to a server, kept busy, in a process of its own.
//!
//! It is told what to do by lines of its standard input, and answers each by a line:
//!
//! - `connect COUNT`: opens connections. Answers with the server's CPU nanoseconds for them.
//! - `run WARM_MS WINDOW_MS`: keeps all connections busy, and measures in the window. Ends when every
//!   reply has come. Answers with a [`Window`].

use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use crate::sys::{self, Epoll};

/// The key of RFC 6455, section 1.3, and what answers it: the load is spared the hash.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Connections that are in their handshake at once: fewer than any server's backlog.
const HANDSHAKES: usize = 64;
/// From one address, so that ports don't run out.
const PER_SOURCE: usize = 20_000;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Without a byte from the server.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
const BUFFER_LEN: usize = 1024 * 1024;
/// Of so many reads, one is compared with what was sent; and the first of every connection.
const COMPARED: u64 = 32;
/// Of so many replies, the time of one is taken; of every one where they are large.
const TIMED: u64 = 16;
const LARGE: usize = 4096;
const MOST_TIMES: usize = 1 << 20;

#[derive(Clone, Copy)]
pub struct Shape {
    /// Of a payload.
    pub len: usize,
    /// Messages in flight: a connection's, or the publisher's.
    pub depth: usize,
    /// The replies are the bytes that were sent, masks and all.
    pub raw: bool,
    /// The first connection publishes; each message comes back to all.
    pub broadcast: bool,
}

/// What was measured in a window. Times are in nanoseconds.
#[derive(Clone, Copy, Default)]
pub struct Window {
    /// Replies.
    pub messages: u64,
    pub wall: u64,
    pub server_cpu: u64,
    pub own_cpu: u64,
    pub p50: u64,
    pub p99: u64,
    /// Of the whole run, not of the window alone.
    pub all_messages: u64,
}

impl Window {
    fn to_line(self) -> String {
        let Self { messages, wall, server_cpu, own_cpu, p50, p99, all_messages } = self;
        format!("{messages} {wall} {server_cpu} {own_cpu} {p50} {p99} {all_messages}")
    }

    pub fn from_line(line: &str) -> Option<Self> {
        let mut numbers = line.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            messages: next()?,
            wall: next()?,
            server_cpu: next()?,
            own_cpu: next()?,
            p50: next()?,
            p99: next()?,
            all_messages: next()?,
        })
    }
}

/// The frames that every connection sends, over and over, and the replies to them.
struct Ring {
    frame_len: usize,
    reply_len: usize,
    /// Frames until they repeat.
    period: usize,
    /// A period, and `depth` frames more, so that what is sent at once is contiguous.
    frames: Vec<u8>,
    /// A period.
    replies: Vec<u8>,
}

fn push_header(into: &mut Vec<u8>, len: usize, mask_bit: u8) {
    into.push(0x82); // a whole binary message
    match len {
        0..126 => into.push(mask_bit | len as u8),
        126..0x1_0000 => {
            into.push(mask_bit | 126);
            into.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            into.push(mask_bit | 127);
            into.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

impl Ring {
    fn new(shape: Shape) -> Self {
        let period = if shape.len <= LARGE { 64 } else { 4 };
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u32
        };
        let (mut frames, mut replies) = (Vec::new(), Vec::new());
        for _ in 0..period {
            let mask = (random() | 1).to_be_bytes();
            push_header(&mut frames, shape.len, 0x80);
            frames.extend_from_slice(&mask);
            push_header(&mut replies, shape.len, 0);
            for at in 0..shape.len {
                let byte = random() as u8;
                frames.push(byte ^ mask[at % 4]);
                replies.push(byte);
            }
        }
        if shape.raw {
            replies.clone_from(&frames);
        }
        let (frame_len, reply_len) = (frames.len() / period, replies.len() / period);
        frames.extend_from_within(..frame_len * shape.depth.min(period));
        Self { frame_len, reply_len, period, frames, replies }
    }

    /// What is sent after `sent` bytes: `len` bytes at most.
    fn to_send(&self, sent: u64, len: u64) -> &[u8] {
        let at = (sent % (self.period * self.frame_len) as u64) as usize;
        let end = self.frames.len().min(at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)));
        &self.frames[at..end]
    }

    /// Whether `bytes` are what must come after `received` bytes.
    fn matches(&self, received: u64, mut bytes: &[u8]) -> bool {
        let mut at = (received % self.replies.len() as u64) as usize;
        while !bytes.is_empty() {
            let len = bytes.len().min(self.replies.len() - at);
            let (here, rest) = bytes.split_at(len);
            if *here != self.replies[at..at + len] {
                return false;
            }
            bytes = rest;
            at = 0;
        }
        true
    }
}

/// All counts are of bytes since the connection was opened.
struct Connection {
    fd: RawFd,
    queued: u64,
    sent: u64,
    received: u64,
    /// What `received` must reach for the reply whose time is taken; 0 if none is.
    timed: u64,
    timed_since: Instant,
}

struct Load {
    port: u16,
    server: u32,
    shape: Shape,
    ring: Ring,
    epoll: Epoll,
    streams: Vec<TcpStream>,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    times: Vec<u32>,
    reads: u64,
    sends: u64,
    /// Replies, since the load began.
    messages: u64,
    /// Replies that are to come.
    expected: u64,
    stopping: bool,
}

fn broken(what: String) -> io::Error {
    io::Error::other(what)
}

impl Load {
    fn new(port: u16, server: u32, shape: Shape) -> io::Result<Self> {
        Ok(Self {
            port,
            server,
            shape,
            ring: Ring::new(shape),
            epoll: Epoll::new()?,
            streams: Vec::new(),
            connections: Vec::new(),
            buffer: vec![0; BUFFER_LEN],
            times: Vec::new(),
            reads: 0,
            sends: 0,
            messages: 0,
            expected: 0,
            stopping: true,
        })
    }

    fn open(&self, index: usize) -> io::Result<TcpStream> {
        let source = Ipv4Addr::new(127, 0, 0, 1 + (index / PER_SOURCE) as u8);
        let mut stream = sys::connect_from(source, self.port)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANDSHAKE_LIMIT))?;
        if !self.shape.raw {
            let port = self.port;
            let request = format!(
                "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            );
            stream.write_all(request.as_bytes())?;
        }
        Ok(stream)
    }

    fn take_response(stream: &mut TcpStream) -> io::Result<()> {
        let mut head = [0; 2048];
        let mut len = 0;
        while !head[..len].ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut head[len..])?;
            if count == 0 {
                return Err(broken("the server closed in the handshake".to_owned()));
            }
            len += count;
        }
        let head = String::from_utf8_lossy(&head[..len]);
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
            return Err(broken(format!("not the response: {head}")));
        }
        Ok(())
    }

    fn connect(&mut self, count: usize) -> io::Result<u64> {
        let before = sys::cpu_time(self.server)?;
        let end = self.streams.len() + count;
        while self.streams.len() < end {
            let first = self.streams.len();
            for index in first..end.min(first + HANDSHAKES) {
                let stream = self.open(index)?;
                self.streams.push(stream);
            }
            for index in first..self.streams.len() {
                let stream = &mut self.streams[index];
                if !self.shape.raw {
                    Self::take_response(stream)?;
                }
                let fd = stream.as_raw_fd();
                self.epoll.add(fd, index as u64)?;
                let timed_since = Instant::now();
                self.connections.push(Connection {
                    fd,
                    queued: 0,
                    sent: 0,
                    received: 0,
                    timed: 0,
                    timed_since,
                });
            }
        }
        Ok(sys::cpu_time(self.server)? - before)
    }

    /// Puts as many frames as `count` behind those that a connection has to send.
    fn queue(&mut self, index: usize, count: u64) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.queued += count * self.ring.frame_len as u64;
        self.expected += count * if self.shape.broadcast { self.streams.len() as u64 } else { 1 };
        self.sends += count;
        if connection.timed == 0 && (self.sends % TIMED < count || self.shape.len > LARGE) {
            connection.timed = connection.queued / self.ring.frame_len as u64 * self.ring.reply_len as u64;
            connection.timed_since = Instant::now();
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        while connection.sent < connection.queued {
            let bytes = self.ring.to_send(connection.sent, connection.queued - connection.sent);
            match sys::send(connection.fd, bytes) {
                Ok(len) => connection.sent += len as u64,
                Err(error) if sys::would_block(&error) => return Ok(()), // there will be an event
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives how many replies came.
    fn receive(&mut self, index: usize) -> io::Result<u64> {
        let connection = &mut self.connections[index];
        let reply_len = self.ring.reply_len as u64;
        let before = connection.received / reply_len;
        loop {
            self.reads += 1;
            let compared = connection.received < reply_len || self.reads.is_multiple_of(COMPARED);
            let result = if compared {
                sys::recv(connection.fd, &mut self.buffer)
            } else {
                sys::discard(connection.fd, BUFFER_LEN)
            };
            let len = match result {
                Ok(0) => return Err(broken("the server closed".to_owned())),
                Ok(len) => len,
                Err(error) if sys::would_block(&error) => break,
                Err(error) => return Err(error),
            };
            if compared && !self.ring.matches(connection.received, &self.buffer[..len]) {
                return Err(broken(format!("connection {index}: not what was sent")));
            }
            connection.received += len as u64;
            if len < BUFFER_LEN {
                break; // what comes from now on makes an event
            }
        }
        if connection.timed != 0 && connection.received >= connection.timed {
            connection.timed = 0;
            if self.times.len() < MOST_TIMES {
                let nanos = connection.timed_since.elapsed().as_nanos();
                self.times.push(u32::try_from(nanos).unwrap_or(u32::MAX));
            }
        }
        Ok(connection.received / reply_len - before)
    }

    fn take_event(&mut self, index: usize, readable: bool) -> io::Result<()> {
        let count = if readable { self.receive(index)? } else { 0 };
        self.messages += count;
        if self.messages > self.expected {
            return Err(broken("more replies than messages".to_owned()));
        }
        if count > 0 && !self.stopping && !self.shape.broadcast {
            self.queue(index, count)
        } else {
            self.flush(index)
        }
    }

    /// A broadcast's publisher sends when all messages but `depth` - 1 have come to all.
    fn publish(&mut self) -> io::Result<()> {
        let subscribers = self.streams.len() as u64;
        let in_flight = (self.expected - self.messages).div_ceil(subscribers);
        let free = (self.shape.depth as u64).saturating_sub(in_flight);
        if free > 0 { self.queue(0, free) } else { Ok(()) }
    }

    fn start(&mut self) -> io::Result<()> {
        self.stopping = false;
        self.times.clear();
        if self.shape.broadcast {
            return self.publish();
        }
        for index in 0..self.connections.len() {
            self.queue(index, self.shape.depth as u64)?;
        }
        Ok(())
    }

    fn run(&mut self, warm: Duration, window: Duration) -> io::Result<Window> {
        let mut events = [sys::EMPTY; 512];
        let mut result = Window::default();
        let all_before = self.messages;
        let (mut measuring, mut heard) = (false, Instant::now());
        let mut until = heard + warm;
        self.start()?;
        while !self.stopping || self.messages < self.expected {
            let events = self.epoll.wait(&mut events, Duration::from_millis(100))?;
            for event in events {
                self.take_event(event.u64 as usize, sys::readable(event))?;
            }
            if self.shape.broadcast && !self.stopping {
                self.publish()?;
            }
            let now = Instant::now();
            if !events.is_empty() {
                heard = now;
            } else if now - heard > SILENCE_LIMIT {
                let missing = self.expected - self.messages;
                return Err(broken(format!("{missing} replies haven't come")));
            }
            if self.stopping || now < until {
                continue;
            }
            let (server_cpu, own_cpu) = (sys::cpu_time(self.server)?, sys::cpu_time(0)?);
            if measuring {
                result.messages = self.messages - result.messages;
                if result.messages == 0 {
                    return Err(broken("not one reply came in the window".to_owned()));
                }
                result.server_cpu = server_cpu - result.server_cpu;
                result.own_cpu = own_cpu - result.own_cpu;
                result.wall = ((now - until) + window).as_nanos() as u64;
                self.stopping = true;
            } else {
                result = Window { messages: self.messages, server_cpu, own_cpu, ..result };
                self.times.clear();
                measuring = true;
                until = now + window;
            }
        }
        self.times.sort_unstable();
        let time = |share: usize| self.times.get(self.times.len() * share / 100).copied().unwrap_or(0);
        result.p50 = u64::from(time(50));
        result.p99 = u64::from(time(99));
        result.all_messages = self.messages - all_before;
        Ok(result)
    }
}

/// Until the standard input ends.
pub fn obey(port: u16, server: u32, shape: Shape) -> io::Result<()> {
    let mut load = Load::new(port, server, shape)?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let millis = |at| Duration::from_millis(number(at) as u64);
        match words[0] {
            "connect" => println!("{}", load.connect(number(1))?),
            "run" => println!("{}", load.run(millis(1), millis(2))?.to_line()),
            _ => return Err(broken(format!("not a command: {line}"))),
        }
    }
    Ok(())
}
