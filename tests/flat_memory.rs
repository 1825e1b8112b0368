//! Memory stays flat, whatever a peer announces, sends, or refuses to read.
//!
//! In a process of its own, and one test at a time: what is measured is all of the process.

mod net;

use std::io::{self, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use net::*;
use talkback::blocking::{Untimed, Wait};
use talkback::protocol::{MessageKind, ProtocolError, Role};
use talkback::{Config, Error, WebSocket};

const MIB: usize = 1 << 20;

/// Keeps the other tests waiting.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_message_of_64_mib_streams_through_flat_memory() {
    const LEN: usize = 64 * MIB;
    let _turn = alone();
    let config = Config::default().max_message_len(None);
    let (client, server) = pair();
    let mut client = WebSocket::from_stream(client, Role::Client, config.clone());
    let mut server = WebSocket::from_stream(server, Role::Server, config);
    let before = resident_len();
    let task = start(move || {
        let mut writer = client.writer(MessageKind::Binary);
        let chunk: Vec<u8> = (0..=250).cycle().take(100_000).collect();
        let mut sent = 0;
        while sent < LEN {
            sent += writer.write(&chunk[..chunk.len().min(LEN - sent)]).unwrap();
        }
        writer.finish().unwrap();
        client
    });
    let mut reader = server.recv_reader().unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Binary);
    let (mut received, mut peak, mut buffer) = (0, before, vec![0; 64 * 1024]);
    loop {
        let len = reader.read(&mut buffer).unwrap();
        if len == 0 {
            break;
        }
        received += len;
        if received % MIB < len {
            peak = peak.max(resident_len());
        }
    }
    assert_eq!(received, LEN);
    assert_eq!(reader.read(&mut buffer).unwrap(), 0, "the end stays the end");
    assert!(peak.saturating_sub(before) < 8 * MIB, "{before} {peak}");
    drop(task.end());
}

#[test]
fn announced_giants_cost_what_they_send() {
    let _turn = alone();
    // 16 MiB, which is allowed; and all of what a header can say, where nothing is too much.
    let allowed = raw_frame(true, 0x82, &[127, 0, 0, 0, 0, 1, 0, 0, 0], b"ten bytes.");
    let endless = raw_frame(true, 0x81, &[127, 0x7f, 255, 255, 255, 255, 255, 255, 255], b"ten bytes.");
    let unlimited = Config::default().max_message_len(None);
    let before = resident_len();
    for (bytes, config) in [(allowed, Config::default()), (endless, unlimited)] {
        for _ in 0..2 {
            let held: Vec<_> = (0..5000)
                .map(|_| {
                    let stream = Untimed(io::Cursor::new(Vec::new()));
                    let mut ws = WebSocket::from_parts(stream, &bytes, Role::Server, config.clone());
                    assert!(matches!(ws.recv(), Err(Error::Disconnected)));
                    ws
                })
                .collect();
            let each = resident_len().saturating_sub(before) / held.len();
            assert!(each < 16 * 1024, "{each} bytes a connection");
        }
    }
}

/// What the process has at most while a peer sends `bytes` again and again, and reads
/// nothing; and how that ends.
fn flood(config: Config, bytes: &[u8], count: usize, split: bool) -> (usize, Result<(), Error>) {
    let (subject, mut peer) = pair();
    let before = resident_len();
    let ending = start(move || {
        let mut ws = WebSocket::from_stream(subject, Role::Server, config);
        if split {
            let (mut reader, _writer) = ws.split();
            while reader.recv()?.is_some() {}
        } else {
            while ws.recv()?.is_some() {}
        }
        Ok(())
    });
    let mut peak = before;
    for _ in 0..count {
        if peer.write_all(bytes).is_err() {
            break;
        }
        peak = peak.max(resident_len());
    }
    (peak - before, ending.end())
}

#[test]
fn a_million_pings_from_a_peer_that_never_reads() {
    let _turn = alone();
    let pings = frame(true, 0x89, &[b'!'; 125]).repeat(1000);
    for split in [false, true] {
        let config = Config::default().write_timeout(Some(millis(500)));
        let start = Instant::now();
        let (grown, result) = flood(config, &pings, 1000, split);
        assert!(grown < 4 * MIB, "{grown} bytes");
        assert!(matches!(result, Err(Error::Timeout(Wait::Write))), "{result:?}");
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn a_flood_of_pings_where_nothing_blocks() {
    let _turn = alone();
    for split in [false, true] {
        let (subject, mut peer) = pair();
        subject.set_nonblocking(true).unwrap();
        let config = Config::default().write_timeout(None);
        let before = resident_len();
        let mut ws = Some(WebSocket::from_stream(subject, Role::Server, config));
        let mut halves = if split { ws.take().map(WebSocket::split) } else { None };
        let pings = frame(true, 0x89, &[b'!'; 125]).repeat(40);
        for _ in 0..3000 {
            peer.write_all(&pings).unwrap();
            let received = match (&mut ws, &mut halves) {
                (Some(ws), _) => ws.recv(),
                (None, Some((reader, _))) => reader.recv(),
                (None, None) => unreachable!("one of them is there"),
            };
            assert!(received.is_err_and(|error| error.is_retryable()));
        }
        // 16 MB of pings, of which the system holds the first answers.
        let grown = resident_len().saturating_sub(before);
        assert!(grown < 4 * MIB, "{grown} bytes");
    }
}

#[test]
fn endless_empty_fragments_end_at_the_limit() {
    let _turn = alone();
    let (subject, mut peer) = pair();
    let before = resident_len();
    let ending = start(move || {
        let mut ws = WebSocket::from_stream(subject, Role::Server, Config::default());
        let result = ws.recv();
        (result, resident_len())
    });
    peer.write_all(&frame(true, 0x01, b"")).unwrap();
    let fragments = frame(true, 0x00, b"").repeat(1024);
    for n in 1.. {
        // The limit is 131,072 in all.
        if n == 128 {
            peer.write_all(&fragments[..1023 * 6]).unwrap();
            assert!(is_silent(&mut peer, millis(300)), "the last allowed one is allowed");
            peer.write_all(&fragments[..6]).unwrap();
            break;
        }
        peer.write_all(&fragments).unwrap();
    }
    assert_eq!(close_code(&frames(false, &read_to_end(&mut peer))[0]), Some(1009));
    drop(peer);
    let (result, after) = ending.end();
    assert!(matches!(result, Err(Error::Protocol(ProtocolError::TooManyFragments { max: 131_072 }))));
    assert!(after.saturating_sub(before) < 4 * MIB);
}

#[test]
fn a_message_that_is_never_finished_holds_no_more_than_came() {
    let _turn = alone();
    let (subject, mut peer) = pair();
    let before = resident_len();
    let config = Config::default().max_message_len(None);
    let mut ws = WebSocket::from_stream(subject, Role::Server, config);
    ws.set_recv_timeout(Some(millis(300)));
    // A tenth of a MiB of one GiB.
    let bytes = raw_frame(true, 0x82, &[127, 0, 0, 0, 0, 0x40, 0, 0, 0], &[3; 100_000]);
    let sending = start(move || peer.write_all(&bytes).map(|()| peer));
    assert!(matches!(ws.recv(), Err(Error::Timeout(Wait::Recv))));
    drop(sending.end());
    let grown = resident_len().saturating_sub(before);
    assert!(grown < 2 * MIB, "{grown} bytes");
}
