//! Peers that send and don't read, and peers that send without end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use talkback::server::Closed;

use crate::app::*;
use crate::closing::reset;
use crate::net::*;

const LEN: usize = 8 * 1024;

fn numbered(n: u32) -> Vec<u8> {
    let mut payload = n.to_be_bytes().repeat(LEN / 4);
    payload[LEN - 1] ^= 0xff;
    payload
}

/// Sends numbered messages until nothing is taken for a while; how many, and what is left of the last one.
fn send_until_stuck(stream: &mut TcpStream) -> (u32, Vec<u8>) {
    stream.set_nonblocking(true).unwrap();
    let mut count = 0;
    let mut progress = Instant::now();
    let rest = 'sending: loop {
        let bytes = frame(true, 0x82, &numbered(count));
        count += 1;
        assert!(count < 20_000, "it never stops to read");
        let mut left = &bytes[..];
        while !left.is_empty() {
            match stream.write(left) {
                Ok(len) => {
                    left = &left[len..];
                    progress = Instant::now();
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    if progress.elapsed() > millis(400) {
                        break 'sending left.to_vec();
                    }
                    thread::sleep(millis(5));
                }
            }
        }
    };
    stream.set_nonblocking(false).unwrap();
    (count, rest)
}

#[test]
fn who_does_not_read_his_answers_is_not_read_and_loses_nothing() {
    let server = serve_with(App::quiet(), |server| server.loop_count(1).accept(accept(config())));
    let mut stream = server.open("/chat");
    let mut other = server.open("/chat");
    let (count, rest) = send_until_stuck(&mut stream);
    let received_len = server.handle.snapshot().received_len;
    let snapshot = server.handle.snapshot();
    // `max_output_len`, and a message that stepped over it.
    assert!(snapshot.waiting_len > 0 && snapshot.waiting_len <= 1024 * 1024 + 2 * LEN as u64, "{snapshot:?}");
    assert_eq!(snapshot.dropped_count, 0);
    // What it holds of what came is bounded, too: a read of 512 KiB, and a window.
    let handled_len = snapshot.received_count * (LEN as u64 + 8);
    assert!(received_len - handled_len < 1024 * 1024, "{snapshot:?}");

    let begun = Instant::now();
    for n in 0..50 {
        let begun = Instant::now();
        ask(&mut other, &n.to_string());
        assert!(begun.elapsed() < millis(1000), "{:?}", begun.elapsed());
    }
    assert!(begun.elapsed() < millis(3000), "{:?}", begun.elapsed());

    let mut writer = stream.try_clone().unwrap();
    let write = start(move || {
        writer.write_all(&rest).unwrap();
        for n in count..count + 500 {
            writer.write_all(&frame(true, 0x82, &numbered(n))).unwrap();
        }
    });
    for n in 0..count + 500 {
        let (first, payload) = read_frame(false, &mut stream);
        assert!(first == 0x82 && payload == numbered(n), "{n}");
    }
    write.end();
    close(stream);
    close(other);
    let handle = server.handle.clone();
    let calls = server.end();
    assert!(!calls.iter().any(|call| matches!(call, Call::Full(_))));
    assert_eq!(handle.snapshot().received_count, u64::from(count) + 500 + 50);
}

#[test]
fn who_resets_while_answers_wait_is_gone_at_once() {
    let server = serve();
    let mut stream = server.open("/chat");
    stream.write_all(&text("!len 20000000")).unwrap();
    wait_until(|| server.handle.snapshot().waiting_len > 0);
    let peer = server.peer(0);
    peer.send("behind it").unwrap_or_default();
    reset(stream);
    let begun = Instant::now();
    assert_eq!(server.first_end(), Closed::Disconnected);
    assert!(begun.elapsed() < millis(5000) && peer.is_closed());
    wait_until(|| server.handle.snapshot().waiting_len == 0);
    server.end();
}

#[test]
fn who_does_not_read_at_all_is_given_up_and_others_are_not() {
    let config = config().write_timeout(Some(millis(500))).max_output_len(Some(50_000));
    let server = serve_with(App::quiet(), |server| server.loop_count(1).accept(accept(config)));
    let mut streams: Vec<_> = (0..3).map(|_| server.open("/chat")).collect();
    let mut other = server.open("/chat");
    let senders: Vec<_> = streams
        .iter_mut()
        .map(|stream| {
            let mut stream = stream.try_clone().unwrap();
            start(move || while stream.write_all(&frame(true, 0x82, &[0; LEN])).is_ok() {})
        })
        .collect();
    let begun = Instant::now();
    let mut n = 0;
    while server.ends().len() < 3 {
        ask(&mut other, &n.to_string());
        n += 1;
        assert!(begun.elapsed() < PATIENCE);
    }
    senders.into_iter().for_each(Task::end);
    assert_eq!(server.ends(), vec![Closed::Timeout(talkback::blocking::Wait::Write); 3]);
    close(other);
    server.end();
}

#[test]
fn a_flood_does_not_starve_others() {
    let server = serve_with(App::quiet(), |server| server.loop_count(1).accept(accept(config())));
    let done = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = [1, 100, 60_000]
        .into_iter()
        .map(|len| {
            let mut writer = server.open("/chat");
            let (mut reader, done) = (writer.try_clone().unwrap(), Arc::clone(&done));
            let bytes = frame(true, 0x82, &vec![0; len]).repeat(1 + 64 * 1024 / (len + 6));
            let read = start(move || {
                let mut buffer = vec![0; 256 * 1024];
                while reader.read(&mut buffer).unwrap() > 0 {}
            });
            let write = start(move || {
                while !done.load(Ordering::Relaxed) {
                    writer.write_all(&bytes).unwrap();
                }
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            (write, read)
        })
        .collect();
    let mut other = server.open("/chat");
    let mut longest = millis(0);
    for n in 0..15 {
        let begun = Instant::now();
        ask(&mut other, &n.to_string());
        longest = longest.max(begun.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    for (write, read) in floods {
        write.end();
        read.end();
    }
    assert!(longest < millis(4000), "{longest:?}");
    close(other);
    server.end();
}
