//! A whole connection, for one thread: over sockets, and over streams that fail at every
//! point where a stream may.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "that is how a test fails")]

mod net;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use net::*;
use talkback::blocking::{Stream, Untimed, Wait};
use talkback::protocol::{Event, MessageKind, Protocol, Role, SendError};
use talkback::server::AcceptError;
use talkback::{Accept, CloseCode, CloseFrame, Config, Connect, Error, Message, Prepared, WebSocket};

/// A client and a server that are connected.
fn connected(config: &Config) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    let (client, server) = pair();
    (
        WebSocket::from_stream(client, Role::Client, config.clone()),
        WebSocket::from_stream(server, Role::Server, config.clone()),
    )
}

fn is_retryable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(error) if error.is_retryable())
}

// Both roles

#[test]
fn messages_pings_and_closes_cross_both_ways() {
    for client_closes in [true, false] {
        let (listener, address) = listen();
        let task = start(move || Accept::new().accept(listener.accept().unwrap().0));
        let client = Connect::new(format!("ws://{address}/")).connect().unwrap();
        let server = task.end().unwrap();
        // Which of them closes must not matter.
        let (mut closing, mut other) = if client_closes { (client, server) } else { (server, client) };

        let large = "zażółć 😀".repeat(20_000);
        let task = start(move || {
            while let Some(message) = other.recv()? {
                other.send(&message)?;
            }
            Ok::<_, Error>(other.peer_close().cloned())
        });
        for message in
            [Message::from("one"), Message::from(vec![0; 200_000]), Message::from(large), Message::from("")]
        {
            closing.send(&message).unwrap();
            assert_eq!(closing.recv().unwrap(), Some(message));
        }
        closing.queue("two").unwrap();
        closing.send_prepared(&Prepared::new("three")).unwrap();
        closing.ping(b"are you there?").unwrap();
        assert_eq!(closing.recv_event().unwrap(), Some(Event::Text("two")));
        assert_eq!(closing.recv_event().unwrap(), Some(Event::Text("three")));
        assert_eq!(closing.recv_event().unwrap(), Some(Event::Pong(b"are you there?")));
        let reason = CloseFrame::new(CloseCode::GOING_AWAY, "that is all");
        closing.close(reason.clone()).unwrap();
        assert!(matches!(closing.send("more"), Err(Error::Send(SendError::Closing))));
        assert!(matches!(closing.close(None), Err(Error::Send(SendError::Closing))));
        assert_eq!(closing.recv().unwrap(), None);
        assert_eq!(closing.recv().unwrap(), None);
        assert_eq!(closing.peer_close().map(CloseFrame::code), Some(CloseCode::GOING_AWAY));
        assert_eq!(task.end().unwrap(), Some(reason));
    }
}

#[test]
fn messages_before_the_answer_to_a_close_are_received() {
    let (mut client, mut server) = connected(&Config::default());
    client.close(None).unwrap();
    server.send("one").unwrap();
    server.send(&vec![2; 100_000]).unwrap();
    let task = start(move || server.recv());
    assert_eq!(client.recv().unwrap(), Some(Message::from("one")));
    assert_eq!(client.recv().unwrap(), Some(Message::from(vec![2; 100_000])));
    assert_eq!(client.recv().unwrap(), None);
    assert_eq!(task.end().unwrap(), None);
}

#[cfg(unix)]
#[test]
fn unix_sockets_carry_connections_too() {
    let (client, server) = std::os::unix::net::UnixStream::pair().unwrap();
    let task = start(move || {
        let mut ws = talkback::accept(server).unwrap();
        while let Some(message) = ws.recv().unwrap() {
            ws.send(&message).unwrap();
        }
    });
    let mut ws = Connect::new("ws://localhost/").handshake(client).unwrap();
    ws.send("hello").unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("hello")));
    ws.close(None).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    task.end();
}

// Costs

/// A stream in memory that gives all it has to one read, and counts.
#[derive(Default)]
struct Counting {
    input: RefCell<VecDeque<u8>>,
    output: RefCell<Vec<u8>>,
    read_count: Cell<usize>,
    write_count: Cell<usize>,
}

impl Read for &Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_count.set(self.read_count.get() + 1);
        self.input.borrow_mut().read(buffer)
    }
}

impl Write for &Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_count.set(self.write_count.get() + 1);
        self.output.borrow_mut().write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sixteen messages of 16 bytes and a close, as a peer of that role sends them.
fn sixteen(sender: Role) -> Vec<u8> {
    let mut peer = Protocol::new(sender, Config::default());
    for n in 0..16_u8 {
        peer.outbound().send(&[n; 16]).unwrap();
    }
    peer.output().flatten().copied().collect()
}

#[test]
fn sixteen_pipelined_echoes_cost_one_read_and_one_write() {
    for (role, sender) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        for by_event in [false, true] {
            let stream = Counting { input: RefCell::new(sixteen(sender).into()), ..Counting::default() };
            let mut ws = WebSocket::from_stream(Untimed(&stream), role, Config::default());
            for n in 0..16 {
                let message = if by_event {
                    match ws.recv_event().unwrap() {
                        Some(Event::Binary(bytes)) => bytes.to_vec(),
                        event => panic!("{event:?}"),
                    }
                } else {
                    ws.recv().unwrap().unwrap().into_bytes()
                };
                assert_eq!(message, [n; 16]);
                ws.queue(&message[..]).unwrap();
                assert_eq!((stream.read_count.get(), stream.write_count.get()), (1, 0));
            }
            // The stream ends here; before that, what was queued is written.
            assert!(matches!(ws.recv(), Err(Error::Disconnected)));
            assert_eq!((stream.read_count.get(), stream.write_count.get()), (2, 1));
            let echoes = frames(role == Role::Client, &stream.output.borrow());
            assert_eq!(echoes, (0..16).map(|n| (0x82, vec![n; 16])).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_large_message_is_one_write_and_no_read() {
    let stream = Counting::default();
    let mut ws = WebSocket::from_stream(Untimed(&stream), Role::Server, Config::default());
    ws.queue("first").unwrap();
    ws.send(&vec![1; 500_000]).unwrap();
    assert_eq!((stream.read_count.get(), stream.write_count.get()), (0, 1));
    assert_eq!(frames(false, &stream.output.borrow()).len(), 2);
}

// Streams that fail at any point

/// A stream that reads and writes a few bytes at a time, and in between says that it was
/// interrupted, or would block, or that the time is up.
struct Fickle {
    random: Random,
    max_len: usize,
    input: VecDeque<u8>,
    written: Vec<u8>,
    /// What of `written` a flush let through.
    flushed_len: usize,
}

impl Fickle {
    fn new(seed: u64, max_len: usize, input: Vec<u8>) -> Self {
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { random, max_len, input: input.into(), written: Vec::new(), flushed_len: 0 }
    }

    fn trouble(&mut self) -> io::Result<()> {
        match self.random.below(8) {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => Err(ErrorKind::WouldBlock.into()),
            2 => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

impl Read for Fickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.trouble()?;
        let len = 1 + self.random.below(self.max_len);
        let end = len.min(buffer.len());
        self.input.read(&mut buffer[..end])
    }
}

impl Write for Fickle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.trouble()?;
        let len = (1 + self.random.below(self.max_len)).min(bytes.len());
        self.written.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.trouble()?;
        self.flushed_len = self.written.len();
        Ok(())
    }
}

/// Calls again until there is a result.
fn again<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..1_000_000 {
        let result = call();
        if !is_retryable(&result) {
            return result;
        }
    }
    panic!("it never ends");
}

fn other(role: Role) -> Role {
    if role == Role::Client { Role::Server } else { Role::Client }
}

/// Messages of all kinds, and as a peer of that role sends them: with pings between.
fn conversation(random: &mut Random, sender: Role) -> (Vec<Message>, Vec<u8>) {
    let mut peer = Protocol::new(sender, Config::default());
    let mut messages = Vec::new();
    for n in 0..12_u8 {
        let len = [0, 1, 16, 125, 126, 300, 5000][random.below(7)];
        let message =
            if random.below(2) == 0 { Message::from("é".repeat(len)) } else { vec![n; len].into() };
        if let (Message::Text(text), true) = (&message, random.below(2) == 0) {
            let at = random.below(text.len() + 1) / 2 * 2;
            let (start, end) = text.split_at(at);
            peer.outbound().send_fragment(start, false).unwrap();
            peer.outbound().ping(&[n]).unwrap();
            peer.outbound().send_fragment(end, true).unwrap();
        } else {
            peer.outbound().send(&message).unwrap();
        }
        messages.push(message);
    }
    peer.outbound().close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
    (messages, peer.output().flatten().copied().collect())
}

/// The messages in what was written, and whether a close is behind them.
fn understood(role: Role, written: &[u8]) -> (Vec<Message>, bool) {
    let mut peer = Protocol::new(role, Config::default());
    peer.receive(written);
    let (mut messages, mut closed) = (Vec::new(), false);
    while let Some((event, _)) = peer.next_event().unwrap() {
        match event {
            Event::Text(text) => messages.push(Message::from(text)),
            Event::Binary(bytes) => messages.push(Message::from(bytes.to_vec())),
            Event::Close(_) => closed = true,
            Event::Ping(_) | Event::Pong(_) => {}
        }
    }
    (messages, closed)
}

#[test]
fn no_failure_of_the_stream_loses_or_doubles_anything() {
    for seed in 1..=300 {
        let mut random = Random(seed);
        let role = if seed % 2 == 0 { Role::Client } else { Role::Server };
        let (messages, bytes) = conversation(&mut random, other(role));
        let max_len = [1, 3, 200, 4000][random.below(4)];
        // A part of it was read already, cut anywhere.
        let (early, late) = bytes.split_at(random.below(bytes.len()));
        let stream = Untimed(Fickle::new(seed, max_len, late.to_vec()));
        let mut ws = WebSocket::from_parts(stream, early, role, Config::default());
        let mut received = Vec::new();
        while let Some(message) = again(|| ws.recv()).unwrap() {
            match random.below(3) {
                0 => again(|| ws.queue(&message)).unwrap(),
                1 => again(|| ws.send(&message)).unwrap(),
                _ => again(|| ws.send_prepared(&Prepared::new(&message))).unwrap(),
            }
            received.push(message);
        }
        assert_eq!(received, messages, "{seed}");
        let stream = &ws.stream().0;
        assert_eq!(stream.flushed_len, stream.written.len(), "{seed}: all of it was flushed");
        assert_eq!(understood(other(role), &stream.written), (messages, true), "{seed}");
    }
}

#[test]
fn events_and_parts_survive_a_fickle_stream() {
    for seed in 1..=200 {
        let mut random = Random(seed);
        let role = if seed % 2 == 0 { Role::Client } else { Role::Server };
        let (messages, bytes) = conversation(&mut random, other(role));
        let stream = Untimed(Fickle::new(seed, 200, bytes));
        let mut ws = WebSocket::from_stream(stream, role, Config::default());
        for message in &messages {
            if random.below(2) == 0 {
                loop {
                    match ws.recv_event() {
                        Ok(Some(Event::Text(text))) => assert_eq!(text.as_bytes(), message.as_bytes()),
                        Ok(Some(Event::Binary(bytes))) => assert_eq!(bytes, message.as_bytes()),
                        Ok(Some(Event::Ping(_))) => continue,
                        Err(error) if error.is_retryable() => continue,
                        event => panic!("{event:?}"),
                    }
                    break;
                }
                continue;
            }
            let mut reader = loop {
                match ws.recv_reader() {
                    Ok(reader) => break reader.unwrap(),
                    Err(error) => assert!(error.is_retryable()),
                }
            };
            assert_eq!(reader.kind(), message.kind());
            let (mut got, mut buffer) = (Vec::new(), vec![0; 1 + random.below(400)]);
            loop {
                match reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => got.extend_from_slice(&buffer[..len]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(got, message.as_bytes(), "{seed}");
        }
        assert_eq!(again(|| ws.recv()).unwrap(), None);
    }
}

#[test]
fn a_streamed_message_survives_a_fickle_stream() {
    for seed in 1..=30 {
        let role = if seed % 2 == 0 { Role::Client } else { Role::Server };
        let text = "zażółć 😀".repeat(4000);
        let mut ws =
            WebSocket::from_stream(Untimed(Fickle::new(seed, 5000, Vec::new())), role, Config::default());
        let mut writer = ws.writer(MessageKind::Text);
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match writer.write(&rest[..rest.len().min(777)]) {
                Ok(len) => rest = &rest[len..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        writer.finish().unwrap();
        again(|| ws.flush()).unwrap();
        assert_eq!(understood(other(role), &ws.stream().0.written), (vec![Message::from(text)], false));
    }
}

#[test]
fn leftovers_may_be_cut_anywhere() {
    let (messages, bytes) = conversation(&mut Random(5), Role::Client);
    let bytes: Vec<u8> = bytes.into_iter().collect();
    let step = (bytes.len() / 400).max(1);
    for cut in (0..=bytes.len()).step_by(step).chain([bytes.len()]) {
        let (early, late) = bytes.split_at(cut);
        let stream = Counting { input: RefCell::new(late.to_vec().into()), ..Counting::default() };
        let mut ws = WebSocket::from_parts(Untimed(&stream), early, Role::Server, Config::default());
        for message in &messages {
            assert_eq!(ws.recv().unwrap().as_ref(), Some(message));
        }
        assert_eq!(ws.recv().unwrap(), None);
    }
}

#[test]
fn a_tcp_stream_that_does_not_block() {
    let (client, server) = pair();
    for stream in [&client, &server] {
        stream.set_nonblocking(true).unwrap();
    }
    let config = Config::default();
    let mut client = WebSocket::from_stream(client, Role::Client, config.clone());
    let mut server = WebSocket::from_stream(server, Role::Server, config);
    assert!(is_retryable(&client.recv()));
    // One thread for both: neither must ever wait for the other.
    let message = Message::from(vec![7; 3_000_000]);
    client.send(&message).unwrap();
    let mut echoed = false;
    let end = Instant::now() + PATIENCE;
    let received = loop {
        assert!(Instant::now() < end);
        match server.recv() {
            Ok(Some(received)) => {
                assert!(!std::mem::replace(&mut echoed, true));
                server.send(&received).unwrap();
            }
            result => assert!(is_retryable(&result)),
        }
        match client.recv() {
            Ok(Some(received)) => break received,
            result => assert!(is_retryable(&result)),
        }
    };
    assert_eq!(received, message);
    // What a stream doesn't take is queued up to a limit.
    let mut count = 0;
    while server.send(&[1; 100_000]).is_ok() {
        count += 1;
        assert!(count < 1000);
    }
    assert!(is_retryable(&server.send("no room")));
    for _ in 0..count {
        assert_eq!(
            again_later(|| client.recv(), || drop(server.flush())),
            Some(Message::from(vec![1; 100_000]))
        );
    }
    server.close(None).unwrap();
    assert_eq!(again_later(|| client.recv(), || ()), None);
    assert_eq!(again_later(|| server.recv(), || ()), None);
}

fn again_later<T>(mut call: impl FnMut() -> Result<T, Error>, mut between: impl FnMut()) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => assert!(error.is_retryable() && Instant::now() < end, "{error:?}"),
        }
        between();
    }
}

// Streamed messages

#[test]
fn text_is_streamed_in_whole_characters() {
    let stream = Counting::default();
    let mut ws = WebSocket::from_stream(Untimed(&stream), Role::Server, Config::default());
    let mut writer = ws.writer(MessageKind::Text);
    for byte in "é😀".bytes() {
        assert_eq!(writer.write(&[byte]).unwrap(), 1);
        writer.flush().unwrap();
    }
    writer.finish().unwrap();
    let fragments = frames(false, &stream.output.borrow());
    let mut joined = String::new();
    for (_, payload) in &fragments {
        joined += str::from_utf8(payload).expect("whole characters");
    }
    assert_eq!(joined, "é😀");
    assert_eq!(fragments.first().unwrap().0, 0x01);
    assert!(fragments[1..fragments.len() - 1].iter().all(|(first, _)| *first == 0x00));
    assert_eq!(fragments.last().unwrap().0, 0x80);

    for bad in [&b"\xff"[..], b"\xe2\x82"] {
        let mut writer = ws.writer(MessageKind::Text);
        writer.write_all(bad).unwrap();
        match writer.finish() {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidData),
            result => panic!("{result:?}"),
        }
    }
    ws.send("nothing of it was sent").unwrap();
}

#[test]
fn an_unfinished_message_stands_in_the_way() {
    let stream = Counting::default();
    let mut ws = WebSocket::from_stream(Untimed(&stream), Role::Server, Config::default());
    drop(ws.writer(MessageKind::Text)); // nothing of it was sent
    ws.send("fine").unwrap();
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(b"begun").unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert!(matches!(ws.send("no"), Err(Error::Send(SendError::Unfinished))));
    assert!(matches!(ws.queue("no"), Err(Error::Send(SendError::Unfinished))));
    assert!(matches!(ws.send_prepared(&Prepared::new("no")), Err(Error::Send(SendError::Unfinished))));
    let binary = ws.writer(MessageKind::Binary).finish();
    assert!(matches!(binary, Err(Error::Send(SendError::MixedKinds))));
    ws.ping(b"fine").unwrap();
    ws.close(None).unwrap();
    let frames = frames(false, &stream.output.borrow());
    assert_eq!(frames.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0x81, 0x01, 0x89, 0x88]);
}

#[test]
fn what_a_dropped_reader_left_is_skipped() {
    let mut input = frame(false, 0x01, b"begin");
    input.extend(frame(false, 0x89, b"ping"));
    input.extend(frame(false, 0x80, &[b'x'; 10_000]));
    input.extend(frame(false, 0x81, b"next"));
    input.extend(frame(false, 0x82, &[1; 5000]));
    input.extend(frame(false, 0x81, b"last"));
    input.extend(frame(false, 0x01, b"cut off"));
    input.extend(frame(false, 0x88, b"\x03\xe8"));
    let stream = Counting { input: RefCell::new(input.into()), ..Counting::default() };
    let mut ws = WebSocket::from_stream(Untimed(&stream), Role::Client, Config::default());
    let mut reader = ws.recv_reader().unwrap().unwrap();
    reader.read_exact(&mut [0; 7]).unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::from("next")));
    assert!(ws.recv_reader().unwrap().is_some());
    let mut text = String::new();
    ws.recv_reader().unwrap().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "last");
    let mut reader = ws.recv_reader().unwrap().unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(ws.recv_reader().unwrap().is_none());
    let answers = frames(true, &stream.output.borrow());
    assert_eq!(answers, [(0x8a, b"ping".to_vec()), (0x88, b"\x03\xe8".to_vec())]);
}

// Errors

#[test]
fn errors_are_told_again_by_each_call() {
    fn assert_sticky<S: Stream>(ws: &mut WebSocket<S>, is_it: impl Fn(&Error) -> bool) {
        for _ in 0..2 {
            for error in [
                ws.recv().map(drop).unwrap_err(),
                ws.recv_event().map(drop).unwrap_err(),
                ws.recv_reader().map(drop).unwrap_err(),
                ws.send("x").unwrap_err(),
                ws.queue("x").unwrap_err(),
                ws.send_prepared(&Prepared::new("x")).unwrap_err(),
                ws.ping(b"x").unwrap_err(),
                ws.flush().unwrap_err(),
                ws.close(None).unwrap_err(),
            ] {
                assert!(is_it(&error) && !error.is_retryable(), "{error:?}");
            }
        }
    }
    let (mut client, server) = connected(&Config::default());
    drop(server);
    assert_sticky(&mut client, |error| matches!(error, Error::Disconnected));

    let (mut peer, server) = pair();
    let mut server = WebSocket::from_stream(server, Role::Server, Config::default());
    peer.write_all(&frame(true, 0x83, b"")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_sticky(&mut server, |error| matches!(error, Error::Protocol(_)));

    let (_peer, server) = pair();
    let config = Config::default().ping_interval(None).idle_timeout(Some(millis(50)));
    let mut server = WebSocket::from_stream(server, Role::Server, config);
    assert_sticky(&mut server, |error| matches!(error, Error::Timeout(Wait::Idle)));
}

#[test]
fn a_reset_is_disconnected_once_and_again() {
    let (peer, server) = pair();
    let mut server = WebSocket::from_stream(server, Role::Server, Config::default());
    server.send("never read").unwrap();
    wait_until(|| peer.peek(&mut [0; 8]).unwrap() > 0);
    drop(peer); // with unread input: that is a reset
    assert!(matches!(server.recv(), Err(Error::Disconnected)));
    assert!(matches!(server.recv(), Err(Error::Disconnected)));
    assert!(matches!(server.send("x"), Err(Error::Disconnected)));
}

#[test]
fn what_a_peer_sent_before_it_went_away_is_received() {
    let (mut peer, server) = pair();
    let mut server = WebSocket::from_stream(server, Role::Server, Config::default());
    peer.write_all(&frame(true, 0x81, b"first")).unwrap();
    peer.write_all(&frame(true, 0x82, &[9; 50_000])).unwrap();
    drop(peer);
    // The first write finds nobody, which the second one learns.
    let end = Instant::now() + PATIENCE;
    while server.send(&[0; 10_000]).is_ok() {
        assert!(Instant::now() < end);
    }
    assert!(matches!(server.send("x"), Err(Error::Disconnected)));
    assert_eq!(server.recv().unwrap(), Some(Message::from("first")));
    assert_eq!(server.recv().unwrap(), Some(Message::from(vec![9; 50_000])));
    assert!(matches!(server.recv(), Err(Error::Disconnected)));
}

// Deadlines

#[track_caller]
fn assert_between(from: Instant, least: u64, most: u64) {
    let elapsed = from.elapsed();
    assert!(elapsed >= millis(least) && elapsed < millis(most), "{elapsed:?}");
}

#[test]
fn a_recv_timeout_loses_nothing() {
    let (mut peer, server) = pair();
    let mut server = WebSocket::from_stream(server, Role::Server, Config::default());
    server.set_recv_timeout(Some(millis(60)));
    let message = frame(true, 0x82, &[5; 1000]);
    for piece in message.chunks(300) {
        let start = Instant::now();
        assert!(matches!(server.recv(), Err(Error::Timeout(Wait::Recv))));
        assert_between(start, 50, 3000);
        peer.write_all(piece).unwrap();
    }
    assert_eq!(server.recv().unwrap(), Some(Message::from(vec![5; 1000])));
    // A timeout of zero takes what is there.
    server.set_recv_timeout(Some(Duration::ZERO));
    peer.write_all(&frame(true, 0x81, b"there")).unwrap();
    assert_eq!(again_later(|| server.recv(), || ()), Some(Message::from("there")));
    assert!(matches!(server.recv(), Err(Error::Timeout(Wait::Recv))));
    // And one that never comes is none.
    server.set_recv_timeout(Some(Duration::MAX));
    peer.write_all(&frame(true, 0x81, b"at last")).unwrap();
    assert_eq!(server.recv().unwrap(), Some(Message::from("at last")));
    server.set_recv_timeout(None);
    let task = start(move || server.recv());
    std::thread::sleep(millis(100));
    peer.write_all(&frame(true, 0x88, b"")).unwrap();
    drop(peer);
    assert_eq!(task.end().unwrap(), None);
}

#[test]
fn a_recv_timeout_is_for_the_whole_call() {
    for pause in [millis(20), Duration::ZERO] {
        let (mut peer, server) = pair();
        let mut server = WebSocket::from_stream(server, Role::Server, Config::default());
        server.set_recv_timeout(Some(millis(150)));
        let task = start(move || {
            // Pings are not what is waited for, however many there are.
            let pings = frame(true, 0x89, b"?").repeat(if pause.is_zero() { 1000 } else { 1 });
            let mut reader = peer.try_clone().unwrap();
            start(move || io::copy(&mut reader, &mut io::sink()));
            while peer.write_all(&pings).is_ok() {
                std::thread::sleep(pause);
            }
        });
        let start = Instant::now();
        assert!(matches!(server.recv(), Err(Error::Timeout(Wait::Recv))));
        assert_between(start, 140, 5000);
        drop(server);
        task.end();
    }
}

#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    for role in [Role::Server, Role::Client] {
        let (mut peer, subject) = pair();
        let config = Config::default().ping_interval(Some(millis(100))).idle_timeout(Some(millis(900)));
        let task = start(move || {
            let start = Instant::now();
            let mut ws = WebSocket::from_stream(subject, role, config);
            let event = ws.recv_event().map(|event| matches!(event, Some(Event::Pong(b""))));
            assert!(event.unwrap());
            (ws.recv(), start)
        });
        assert_eq!(read_frame(role == Role::Client, &mut peer), (0x89, Vec::new()));
        peer.write_all(&frame(role == Role::Server, 0x8a, b"")).unwrap();
        let (result, start) = task.end();
        assert!(matches!(result, Err(Error::Timeout(Wait::Idle))));
        assert_between(start, 980, 8000); // the silence began anew with the pong
        assert_eq!(frames(role == Role::Client, &read_to_end(&mut peer)), [(0x89, Vec::new())]);
    }
}

#[test]
fn a_peer_is_not_given_up_for_the_time_nobody_listened() {
    let (mut peer, server) = pair();
    let config = Config::default().ping_interval(Some(millis(100))).idle_timeout(Some(millis(1000)));
    let mut server = WebSocket::from_stream(server, Role::Server, config);
    std::thread::sleep(millis(1100)); // busy elsewhere
    let task = start(move || server.recv());
    assert_eq!(read_frame(false, &mut peer), (0x89, Vec::new()));
    std::thread::sleep(millis(50));
    peer.write_all(&frame(true, 0x81, b"alive")).unwrap();
    assert_eq!(task.end().unwrap(), Some(Message::from("alive")));
}

#[test]
fn a_close_that_is_not_answered_has_a_deadline() {
    // A peer that says nothing, one that talks now and then, and one that never stops.
    for pause in [None, Some(millis(20)), Some(Duration::ZERO)] {
        let (mut peer, server) = pair();
        let config = Config::default().close_timeout(Some(millis(200)));
        let mut server = WebSocket::from_stream(server, Role::Server, config);
        let start_of_close = Instant::now();
        server.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
        let task = start(move || {
            loop {
                match server.recv() {
                    Ok(message) => assert_eq!(message, Some(Message::from("talk"))),
                    result => return result,
                }
            }
        });
        assert_eq!(close_code(&read_frame(false, &mut peer)), Some(1000));
        if let Some(pause) = pause {
            let talk = frame(true, 0x81, b"talk").repeat(if pause.is_zero() { 1000 } else { 1 });
            while peer.write_all(&talk).is_ok() {
                std::thread::sleep(pause);
            }
        }
        assert!(matches!(task.end(), Err(Error::Timeout(Wait::Close))));
        assert_between(start_of_close, 190, 5000);
        drop(peer);
    }
}

#[test]
fn a_peer_that_never_reads_holds_nobody_for_ever() {
    let (mut peer, server) = pair();
    let config = Config::default().write_timeout(Some(millis(200)));
    let mut server = WebSocket::from_stream(server, Role::Server, config.clone());
    let start_of_send = Instant::now();
    let task = start(move || {
        let result = server.send(&vec![0; 64 << 20]);
        (result, server.recv())
    });
    let (sent, received) = task.end();
    assert!(matches!(sent, Err(Error::Timeout(Wait::Write))), "{sent:?}");
    assert!(matches!(received, Err(Error::Timeout(Wait::Write))), "{received:?}");
    assert_between(start_of_send, 190, 15_000);
    // TCP was ended: the peer gets what was sent, and no more.
    assert!(io::copy(&mut peer, &mut io::sink()).is_ok_and(|len| len < 64 << 20));

    // The same where the receiver answers: the echoes find no reader.
    let (mut peer, server) = pair();
    let mut server = WebSocket::from_stream(server, Role::Server, config);
    let task = start(move || {
        loop {
            let message = server.recv()?;
            server.queue(&message.expect("no close"))?;
        }
    });
    let message = frame(true, 0x82, &[1; 60_000]);
    while peer.write_all(&message).is_ok() {}
    let result: Result<(), Error> = task.end();
    assert!(matches!(result, Err(Error::Timeout(Wait::Write))), "{result:?}");
}

#[test]
fn a_client_waits_for_the_servers_end_and_not_for_ever() {
    let (mut peer, client) = pair();
    let config = Config::default().linger_timeout(Some(millis(200)));
    let task = start(move || {
        let mut client = WebSocket::from_stream(client, Role::Client, config);
        let start = Instant::now();
        (client.recv(), start)
    });
    peer.write_all(&frame(false, 0x88, b"\x03\xe8")).unwrap();
    assert_eq!(close_code(&read_frame(true, &mut peer)), Some(1000));
    assert_eq!(read_to_end(&mut peer), b"");
    let (result, start) = task.end();
    assert_eq!(result.unwrap(), None);
    assert_between(start, 190, 5000);
}

#[test]
fn a_refused_peer_is_listened_to_for_a_while_and_not_for_ever() {
    let (mut peer, server) = pair();
    let config = Config::default().linger_timeout(Some(millis(200)));
    let task = start(move || {
        let mut server = WebSocket::from_stream(server, Role::Server, config);
        let start = Instant::now();
        (server.recv(), start)
    });
    peer.write_all(&frame(true, 0x83, b"")).unwrap();
    // A flood behind it, which nobody asked for.
    while peer.write_all(&[0; 10_000]).is_ok() {}
    let (result, start) = task.end();
    assert!(matches!(result, Err(Error::Protocol(_))));
    assert_between(start, 190, 5000);
}

#[test]
fn deadlines_beyond_all_time_are_none() {
    let endless = Some(Duration::MAX);
    let config = Config::default()
        .ping_interval(endless)
        .idle_timeout(endless)
        .write_timeout(endless)
        .close_timeout(endless)
        .linger_timeout(endless);
    let (listener, address) = listen();
    let accept = Accept::new().config(config.clone()).handshake_timeout(endless);
    let task = start(move || {
        let mut server = accept.accept(listener.accept().unwrap().0)?;
        Ok::<_, AcceptError>(server.recv().unwrap())
    });
    let connect = Connect::new(format!("ws://{address}/")).config(config);
    let mut client = connect.connect_timeout(endless).handshake_timeout(endless).connect().unwrap();
    client.close(None).unwrap();
    assert_eq!(start(move || client.recv()).end().unwrap(), None);
    assert_eq!(task.end().unwrap(), None);
}

#[test]
fn a_timeout_of_zero_is_a_short_one() {
    let (_peer, stream) = pair();
    let config = Config::default().write_timeout(Some(Duration::ZERO));
    let mut ws = WebSocket::from_stream(stream, Role::Server, config);
    ws.send("taken by the socket's buffer").unwrap();
}

#[test]
fn whoever_stops_at_the_close_event_has_answered_it() {
    let (mut peer, stream) = pair();
    let mut ws = WebSocket::from_stream(stream, Role::Server, Config::default());
    peer.write_all(&frame(true, 0x88, &[0x03, 0xe8])).unwrap();
    assert!(matches!(ws.recv_event().unwrap(), Some(Event::Close(Some(_)))));
    drop(ws);
    assert_eq!(close_code(&read_frame(false, &mut peer)), Some(1000));
}

#[test]
fn a_message_writer_that_fails_ends_the_connection() {
    let (_peer, stream) = pair();
    let config = Config::default().write_timeout(Some(Duration::from_millis(50)));
    let mut ws = WebSocket::from_stream(stream, Role::Server, config);
    let mut writer = ws.writer(MessageKind::Binary);
    let stuck = (0..100_000).find_map(|_| writer.write_all(&[0; 4096]).err()).unwrap();
    assert_eq!(stuck.kind(), ErrorKind::TimedOut);
    drop(writer);
    for _ in 0..2 {
        assert!(matches!(ws.ping(b""), Err(Error::Timeout(Wait::Write))));
        assert!(matches!(ws.recv(), Err(Error::Timeout(Wait::Write))));
    }
}

#[cfg(feature = "deflate")]
#[test]
fn a_compressed_message_is_written_and_read_piece_by_piece() {
    let (listener, address) = listen();
    let text = "the same again and again, ünd äll of it: ".repeat(40_000);
    let expected = text.clone();
    let server = start(move || {
        let mut ws = talkback::accept(listener.accept().unwrap().0).unwrap();
        assert!(ws.deflate().is_some());
        let mut got = String::new();
        ws.recv_reader().unwrap().unwrap().read_to_string(&mut got).unwrap();
        assert_eq!(got, expected);
        ws.send(&got).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
    });
    let mut ws = talkback::connect(&format!("ws://{address}/")).unwrap();
    assert!(ws.deflate().is_some());
    let mut writer = ws.writer(MessageKind::Text);
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap();
    assert_eq!(ws.recv().unwrap(), Some(Message::Text(text)));
    ws.close(None).unwrap();
    assert_eq!(ws.recv().unwrap(), None);
    server.end();
}
