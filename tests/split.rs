//! A connection in two halves, used by several threads at once.
#![expect(clippy::unwrap_used, reason = "that is how a test fails")]

mod net;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use net::*;
use talkback::blocking::Wait;
use talkback::protocol::{Event, Role, SendError};
use talkback::{CloseCode, CloseFrame, Config, Error, Message, Prepared, Reader, WebSocket, Writer};

type Halves = (Reader<TcpStream>, Writer<TcpStream>);

/// A split connection and the bare socket of its peer.
fn split(role: Role, config: Config) -> (Halves, TcpStream) {
    let (subject, peer) = pair();
    (WebSocket::from_stream(subject, role, config).split(), peer)
}

const WRITER_COUNT: usize = 4;
const MESSAGE_COUNT: usize = 2000;
const PING_COUNT: u32 = 300;

/// The message `n` of a thread: who sent it, and bytes that follow from both.
fn message(thread: usize, n: usize) -> Vec<u8> {
    let len = match n % 200 {
        0 => 100 * 1024,
        1..40 => 5000,
        _ => n % 130,
    };
    let mut message = format!("{thread} {n} ").into_bytes();
    message.resize(message.len() + len, u8::try_from(n % 251).unwrap());
    message
}

/// Has threads send their messages, and one of them pings.
fn send_all(writer: &Writer<TcpStream>) -> Vec<Task<()>> {
    let writers = (0..WRITER_COUNT).map(|thread| {
        let writer = writer.clone();
        start(move || {
            for n in 0..MESSAGE_COUNT {
                let message = message(thread, n);
                match n % 3 {
                    0 => writer.send_prepared(&Prepared::new(&message)).unwrap(),
                    _ => writer.send(&message).unwrap(),
                }
            }
        })
    });
    let mut tasks: Vec<_> = writers.collect();
    let pinger = writer.clone();
    tasks.push(start(move || {
        for n in 1..=PING_COUNT {
            pinger.ping(&n.to_be_bytes()).unwrap();
            std::thread::sleep(millis(1));
        }
    }));
    tasks
}

/// Receives until the close, and checks that each thread's messages come whole and in
/// order. Tells `done` once all of them and the last pong are here.
fn receive_all(mut reader: Reader<TcpStream>, done: mpsc::Sender<()>) -> HashMap<usize, usize> {
    let mut counts = HashMap::new();
    let (mut total, mut last_pong, mut told) = (0, 0, false);
    while let Some(event) = reader.recv_event().unwrap() {
        match event {
            Event::Binary(bytes) => {
                let name = bytes.split(|byte| *byte == b' ').next().unwrap();
                let thread = str::from_utf8(name).unwrap().parse().unwrap();
                let count: &mut usize = counts.entry(thread).or_default();
                assert!(bytes == message(thread, *count), "message {count} of thread {thread}");
                *count += 1;
                total += 1;
            }
            Event::Pong(payload) => {
                let n = u32::from_be_bytes(payload.try_into().unwrap());
                assert!(n > last_pong, "pongs come in order, each once");
                last_pong = n;
            }
            event => assert!(matches!(event, Event::Ping(_) | Event::Close(_)), "{event:?}"),
        }
        if total == WRITER_COUNT * MESSAGE_COUNT && last_pong == PING_COUNT && !told {
            done.send(()).unwrap();
            told = true;
        }
    }
    counts
}

#[test]
fn every_message_of_every_thread_arrives_whole_and_in_order() {
    let (client, server) = pair();
    let client = WebSocket::from_stream(client, Role::Client, Config::default()).split();
    let server = WebSocket::from_stream(server, Role::Server, Config::default()).split();
    let (done, all_done) = mpsc::channel();
    let mut receivers = Vec::new();
    let mut senders = Vec::new();
    let closer = client.1.clone();
    for (reader, writer) in [client, server] {
        let done = done.clone();
        receivers.push(start(move || receive_all(reader, done)));
        senders.extend(send_all(&writer));
    }
    senders.into_iter().for_each(Task::end);
    for _ in 0..2 {
        all_done.recv_timeout(PATIENCE).expect("all messages and the last pong");
    }
    closer.close(None).unwrap();
    for receiver in receivers {
        let counts = receiver.end();
        assert_eq!(counts, (0..WRITER_COUNT).map(|thread| (thread, MESSAGE_COUNT)).collect());
    }
}

#[test]
fn a_reader_goes_on_while_another_thread_is_stuck_in_a_write() {
    const LEN: usize = 48 << 20;
    for role in [Role::Server, Role::Client] {
        let masks = role == Role::Server;
        // The reader wakes for nothing but what comes.
        let config = Config::default().close_timeout(None);
        let ((mut reader, writer), mut peer) = split(role, config);
        let stuck = start(move || writer.send(&vec![1; LEN]).map(|()| writer));
        peer.peek(&mut [0; 1]).unwrap(); // the write has begun: no pong comes before it
        // The peer talks, and reads nothing.
        let talk = start(move || {
            for n in 0..50_u8 {
                peer.write_all(&frame(masks, 0x89, &[n; 125])).unwrap();
                peer.write_all(&frame(masks, 0x82, &[n])).unwrap();
            }
            peer
        });
        let receiving = start(move || {
            for n in 0..50 {
                assert_eq!(reader.recv().unwrap(), Some(Message::from(vec![n])));
            }
            reader
        });
        let mut reader = receiving.end();
        let mut peer = talk.end();
        assert!(stuck.is_running(), "all of it fitted into the system's buffers");
        let reading = start(move || reader.recv());
        // Then it reads: the message, and behind it the answer to its last ping.
        let (first, payload) = read_frame(!masks, &mut peer);
        assert_eq!((first, payload.len()), (0x82, LEN));
        loop {
            let (first, payload) = read_frame(!masks, &mut peer);
            assert_eq!(first, 0x8a);
            if payload == [49; 125] {
                break;
            }
        }
        drop(stuck.end().unwrap());
        peer.write_all(&frame(masks, 0x88, b"")).unwrap();
        assert_eq!(close_code(&read_frame(!masks, &mut peer)), None);
        drop(peer);
        assert_eq!(reading.end().unwrap(), None);
    }
}

/// Writes until the system takes no more.
fn fill(stream: &mut TcpStream) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut filled = 0;
    // Where much finds no room, a little may.
    for len in [10_000, 100, 1] {
        let mut refusals = 0;
        while refusals < 20 {
            match stream.write(&vec![0; len]) {
                Ok(len) => filled += len,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    refusals += 1;
                    std::thread::sleep(millis(5));
                }
            }
        }
    }
    stream.set_nonblocking(false).unwrap();
    filled
}

#[test]
fn a_reader_goes_on_while_its_own_pong_finds_no_room() {
    let (mut subject, mut peer) = pair();
    let filled = fill(&mut subject);
    let config = Config::default().close_timeout(None);
    let (mut reader, writer) = WebSocket::from_stream(subject, Role::Server, config).split();
    for n in 0..20_u8 {
        peer.write_all(&frame(true, 0x89, &[n])).unwrap();
        peer.write_all(&frame(true, 0x82, &[n])).unwrap();
    }
    let receiving = start(move || {
        let start = Instant::now();
        for n in 0..20 {
            assert_eq!(reader.recv().unwrap(), Some(Message::from(vec![n])));
        }
        (start.elapsed(), start_recv(reader))
    });
    let (elapsed, reading) = receiving.end();
    assert!(elapsed < millis(10_000), "{elapsed:?}");
    std::thread::sleep(millis(100)); // it waits in a read again
    // Nobody writes anything more: the reader itself delivers the pong, soon.
    io::copy(&mut (&mut peer).take(filled as u64), &mut io::sink()).unwrap();
    while read_frame(false, &mut peer) != (0x8a, vec![19]) {}
    writer.send("and writing goes on").unwrap();
    assert_eq!(read_frame(false, &mut peer).0, 0x81);
    peer.write_all(&frame(true, 0x88, b"")).unwrap();
    assert_eq!(close_code(&read_frame(false, &mut peer)), None);
    drop(peer);
    assert_eq!(reading.end().unwrap(), None);
}

fn start_recv(mut reader: Reader<TcpStream>) -> Task<Result<Option<Message>, Error>> {
    start(move || reader.recv())
}

#[test]
fn a_peer_that_takes_no_pong_is_given_up() {
    let (mut subject, mut peer) = pair();
    fill(&mut subject);
    let config = Config::default().write_timeout(Some(millis(300)));
    let (reader, _writer) = WebSocket::from_stream(subject, Role::Server, config).split();
    let start = Instant::now();
    let reading = start_recv(reader);
    peer.write_all(&frame(true, 0x89, b"answer me")).unwrap();
    assert!(matches!(reading.end(), Err(Error::Timeout(Wait::Write))));
    assert!(start.elapsed() >= millis(290));
}

#[test]
fn a_send_that_is_refused_leaves_no_pong_behind() {
    let ((reader, writer), mut peer) = split(Role::Server, Config::default());
    let reading = start_recv(reader);
    let stop = Arc::new(AtomicBool::new(false));
    let refused: Vec<_> = (0..2)
        .map(|_| {
            let (writer, stop) = (writer.clone(), Arc::clone(&stop));
            start(move || {
                while !stop.load(Ordering::Relaxed) {
                    let result = writer.ping(&[0; 126]);
                    assert!(matches!(result, Err(Error::Send(SendError::ControlTooLong { len: 126 }))));
                }
            })
        })
        .collect();
    peer.set_read_timeout(Some(millis(4000))).unwrap(); // less than any deadline of the reader
    for n in 0..3000_u32 {
        peer.write_all(&frame(true, 0x89, &n.to_be_bytes())).unwrap();
        assert_eq!(read_frame(false, &mut peer), (0x8a, n.to_be_bytes().to_vec()));
    }
    stop.store(true, Ordering::Relaxed);
    refused.into_iter().for_each(Task::end);
    peer.write_all(&frame(true, 0x88, b"")).unwrap();
    assert_eq!(close_code(&read_frame(false, &mut peer)), None);
    drop(peer);
    assert_eq!(reading.end().unwrap(), None);
}

#[test]
fn any_thread_may_close_while_the_reader_waits() {
    for role in [Role::Server, Role::Client] {
        let (one, two) = pair();
        let other = if role == Role::Server { Role::Client } else { Role::Server };
        let (mut reader, writer) = WebSocket::from_stream(one, role, Config::default()).split();
        let mut peer = WebSocket::from_stream(two, other, Config::default());
        let reading = start(move || {
            let message = reader.recv();
            let code = reader.peer_close().map(CloseFrame::code);
            (message, code, reader)
        });
        let peer = start(move || (peer.recv(), peer.peer_close().cloned()));
        let closer = writer.clone();
        std::thread::sleep(millis(50));
        start(move || closer.close(CloseFrame::new(CloseCode::NORMAL, "bye"))).end().unwrap();
        let (message, close) = peer.end();
        assert_eq!((message.unwrap(), close), (None, Some(CloseFrame::new(CloseCode::NORMAL, "bye"))));
        let (message, code, mut reader) = reading.end();
        assert_eq!((message.unwrap(), code), (None, Some(CloseCode::NORMAL)));
        assert_eq!(reader.recv().unwrap(), None);
        assert!(matches!(writer.send("late"), Err(Error::Send(SendError::Closing))));
        assert!(matches!(writer.close(None), Err(Error::Send(SendError::Closing))));
    }
}

#[test]
fn a_close_that_is_not_answered_ends_the_reader() {
    let config = Config::default().close_timeout(Some(millis(200)));
    let ((reader, writer), mut peer) = split(Role::Server, config);
    let start = Instant::now();
    let reading = start_recv(reader);
    std::thread::sleep(millis(50)); // it waits in a read already
    writer.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
    assert!(matches!(reading.end(), Err(Error::Timeout(Wait::Close))));
    let elapsed = start.elapsed();
    assert!(elapsed >= millis(240) && elapsed < millis(5000), "{elapsed:?}");
    assert_eq!(close_code(&read_frame(false, &mut peer)), Some(1000));
    assert_eq!(read_to_end(&mut peer), b"");
}

#[test]
fn a_write_that_times_out_ends_all_halves() {
    let config = Config::default().write_timeout(Some(millis(200)));
    let ((reader, writer), peer) = split(Role::Server, config);
    let reading = start_recv(reader);
    let other = writer.clone();
    let (one, two) = (start(move || other.send(&vec![0; 64 << 20])), {
        let other = writer.clone();
        start(move || {
            std::thread::sleep(millis(50));
            other.send("behind it")
        })
    });
    assert!(matches!(one.end(), Err(Error::Timeout(Wait::Write))));
    assert!(matches!(two.end(), Err(Error::Timeout(Wait::Write))));
    assert!(matches!(writer.send("x"), Err(Error::Timeout(Wait::Write))));
    assert!(matches!(writer.flush(), Err(Error::Timeout(Wait::Write))));
    let ended = reading.end();
    assert!(matches!(ended, Err(Error::Disconnected | Error::Timeout(Wait::Write))), "{ended:?}");
    drop(peer);
}

#[test]
fn a_panic_in_a_thread_with_a_writer_harms_nobody() {
    let ((reader, writer), mut peer) = split(Role::Server, Config::default());
    let reading = start_recv(reader);
    let panicking = writer.clone();
    let panicked = std::thread::spawn(move || {
        panicking.send("before").unwrap();
        panic!("as intended");
    });
    assert!(panicked.join().is_err());
    writer.send("after").unwrap();
    peer.write_all(&frame(true, 0x88, b"")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let frames = frames(false, &read_to_end(&mut peer));
    let payloads: Vec<_> = frames.iter().map(|frame| frame.1.as_slice()).collect();
    assert_eq!(payloads, [&b"before"[..], b"after", b""]);
    assert_eq!(reading.end().unwrap(), None);
}

#[test]
fn an_error_of_the_peer_is_answered_among_other_threads_messages() {
    let ((reader, writer), mut peer) = split(Role::Server, Config::default());
    let reading = start_recv(reader);
    let writing = start(move || {
        loop {
            if let Err(error) = writer.send(&vec![7; 10_000]) {
                return error;
            }
        }
    });
    assert_eq!(read_frame(false, &mut peer).1.len(), 10_000);
    peer.write_all(&frame(true, 0x83, b"")).unwrap();
    let frames = frames(false, &read_to_end(&mut peer));
    drop(peer);
    assert_eq!(close_code(frames.last().unwrap()), Some(1002));
    assert!(
        frames[..frames.len() - 1].iter().all(|(first, payload)| (*first, payload.len()) == (0x82, 10_000))
    );
    assert!(matches!(reading.end(), Err(Error::Protocol(_))));
    let error = writing.end();
    assert!(matches!(error, Error::Send(SendError::Closing) | Error::Disconnected), "{error:?}");
}

#[test]
fn what_a_peer_sent_before_it_went_away_is_received() {
    let ((mut reader, writer), mut peer) = split(Role::Server, Config::default());
    peer.write_all(&frame(true, 0x81, b"first")).unwrap();
    peer.write_all(&frame(true, 0x82, &[9; 50_000])).unwrap();
    drop(peer);
    let end = Instant::now() + PATIENCE;
    while writer.send(&[0; 10_000]).is_ok() {
        assert!(Instant::now() < end);
    }
    assert_eq!(reader.recv().unwrap(), Some(Message::from("first")));
    assert_eq!(reader.recv().unwrap(), Some(Message::from(vec![9; 50_000])));
    assert!(matches!(reader.recv(), Err(Error::Disconnected)));
    assert!(matches!(reader.recv(), Err(Error::Disconnected)));
}

#[cfg(unix)]
#[test]
fn unix_sockets_split_too() {
    let (one, two) = std::os::unix::net::UnixStream::pair().unwrap();
    let (mut reader, writer) = WebSocket::from_stream(one, Role::Client, Config::default()).split();
    let (mut peer_reader, peer_writer) = WebSocket::from_stream(two, Role::Server, Config::default()).split();
    let echo = start(move || {
        while let Some(message) = peer_reader.recv().unwrap() {
            peer_writer.send(&message).unwrap();
        }
    });
    writer.send("hello").unwrap();
    assert_eq!(reader.recv().unwrap(), Some(Message::from("hello")));
    writer.close(None).unwrap();
    assert_eq!(reader.recv().unwrap(), None);
    echo.end();
}

#[test]
fn a_reader_is_told_why_a_writer_ended_the_connection() {
    let (_peer, stream) = pair();
    let config = Config::default().write_timeout(Some(millis(50)));
    let (mut reader, writer) = WebSocket::from_stream(stream, Role::Server, config).split();
    let reads = start(move || reader.recv());
    let stuck = (0..10_000).find_map(|_| writer.send(&[0; 65_536]).err()).unwrap();
    assert!(matches!(stuck, Error::Timeout(Wait::Write)));
    assert!(matches!(reads.end(), Err(Error::Timeout(Wait::Write))));
}
