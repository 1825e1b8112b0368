//! Peers that are silent, or stop in the middle of something.

use std::io::{Read, Write};
use std::thread;
use std::time::Instant;

use talkback::blocking::Wait;
use talkback::server::Closed;

use crate::app::*;
use crate::net::*;

#[track_caller]
fn assert_between(from: Instant, least: u64, most: u64) {
    let elapsed = from.elapsed();
    assert!(elapsed >= millis(least) && elapsed < millis(most), "{elapsed:?}");
}

#[test]
fn silence_is_pinged_into_once_and_then_ends() {
    let server = serve_config(config().ping_interval(Some(millis(200))).idle_timeout(Some(millis(600))));
    let begun = Instant::now();
    let mut stream = server.open("/chat");
    assert_eq!(read_frame(false, &mut stream), (0x89, Vec::new()));
    assert_between(begun, 190, 5000);
    assert_eq!(read_to_end(&mut stream), b"");
    assert_between(begun, 590, 5000);
    assert_eq!(server.first_end(), Closed::Timeout(Wait::Idle));
    let handle = server.handle.clone();
    server.end();
    assert_eq!(handle.snapshot().closed, [(1006, 1)].into());
}

#[test]
fn who_answers_pings_stays() {
    let server = serve_config(config().ping_interval(Some(millis(100))).idle_timeout(Some(millis(1000))));
    let begun = Instant::now();
    let mut stream = server.open("/chat");
    let mut count = 0;
    while begun.elapsed() < millis(1500) {
        assert_eq!(read_frame(false, &mut stream), (0x89, Vec::new()));
        stream.write_all(&frame(true, 0x8a, b"")).unwrap();
        count += 1;
    }
    assert!(count > 2, "{count}");
    assert!(server.ends().is_empty());
    close(stream);
    server.end();
}

#[test]
fn an_unfinished_frame_is_silence_as_well() {
    let server = serve_config(config().ping_interval(None).idle_timeout(Some(millis(300))));
    let mut stream = server.open("/chat");
    stream.write_all(&frame(true, 0x82, &[0; 100_000])[..70_000]).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), Closed::Timeout(Wait::Idle));
    server.end();
}

#[test]
fn without_deadlines_silence_is_fine() {
    let server = serve_config(config().ping_interval(None).idle_timeout(None).write_timeout(None));
    let mut stream = server.open("/chat");
    assert!(is_silent(&mut stream, millis(300)));
    close(stream);
    server.end();
}

#[test]
fn a_write_without_progress_ends_it() {
    let server = serve_config(config().write_timeout(Some(millis(400))));
    let mut stream = server.open("/chat");
    let begun = Instant::now();
    stream.write_all(&text("!len 20000000")).unwrap();
    assert_eq!(server.first_end(), Closed::Timeout(Wait::Write));
    assert_between(begun, 390, 5000);
    let mut rest = Vec::new();
    assert!(!stream.read_to_end(&mut rest).is_ok_and(|len| len >= 20_000_000));
    server.end();
}

#[test]
fn who_reads_slowly_but_does_is_not_given_up() {
    let config = config()
        .write_timeout(Some(millis(800)))
        .ping_interval(Some(millis(400)))
        .idle_timeout(Some(millis(800)));
    let server = serve_config(config);
    let mut stream = server.open("/chat");
    let len = 30_000_000;
    stream.write_all(&text(&format!("!len {len}"))).unwrap();
    let begun = Instant::now();
    let mut header = [0; 10];
    stream.read_exact(&mut header).unwrap();
    let mut piece = vec![0; len / 30];
    for _ in 0..30 {
        stream.read_exact(&mut piece).unwrap();
        thread::sleep(millis(50));
    }
    assert!(begun.elapsed() > millis(1500));
    // It may have been pinged into its silence.
    stream.write_all(&text("still there")).unwrap();
    while read_frame(false, &mut stream).0 == 0x89 {}
    assert!(server.ends().is_empty(), "{:?}", server.ends());
    server.end();
}

#[test]
fn a_close_that_is_not_answered_ends_it() {
    let server = serve_config(config().close_timeout(Some(millis(300))));
    let mut stream = server.open("/chat");
    let begun = Instant::now();
    stream.write_all(&text("!close 1000")).unwrap();
    assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1000));
    // What else it says is no answer.
    let mut writer = stream.try_clone().unwrap();
    let write = start(move || {
        while writer.write_all(&text("more")).is_ok() {
            thread::sleep(millis(20));
        }
    });
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap_or_default();
    assert_eq!(rest, b"");
    write.end();
    assert_between(begun, 290, 5000);
    assert_eq!(server.first_end(), Closed::Timeout(Wait::Close));
    server.end();
}

#[test]
fn after_the_closes_a_peer_that_does_not_end_tcp_is_left() {
    let server = serve_config(config().linger_timeout(Some(millis(300))));
    let mut stream = server.open("/chat");
    let begun = Instant::now();
    stream.write_all(&close_frame(1000, "")).unwrap();
    assert_eq!(close_code(&read_frame(false, &mut stream)), Some(1000));
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(server.first_end(), cleanly(1000, ""));
    // Nobody listens any more: there will be a reset.
    while stream.write_all(b"more").is_ok() {
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(millis(5));
    }
    assert_between(begun, 290, 5000);
    server.end();
}

#[test]
fn many_deadlines_at_once_are_all_kept() {
    let server = serve_with(App::default(), |server| {
        let config = config().ping_interval(None).idle_timeout(Some(millis(600)));
        server.loop_count(2).accept(accept(config).handshake_timeout(Some(millis(600))))
    });
    let begun = Instant::now();
    let mut heads: Vec<_> = (0..100)
        .map(|n| {
            let mut stream = server.connect();
            stream.write_all(&request("").as_bytes()[..n]).unwrap();
            stream
        })
        .collect();
    let mut opened: Vec<_> = (0..100).map(|_| server.open("/chat")).collect();
    for (n, stream) in heads.iter_mut().enumerate() {
        let answer = read_to_end(stream);
        assert!(if n == 0 { answer.is_empty() } else { answer.starts_with(b"HTTP/1.1 408 ") });
    }
    for stream in &mut opened {
        assert_eq!(read_to_end(stream), b"");
    }
    assert_between(begun, 590, 10_000);
    wait_until(|| server.ends().len() == 100);
    assert!(server.ends().iter().all(|closed| *closed == Closed::Timeout(Wait::Idle)));
    server.end();
}
