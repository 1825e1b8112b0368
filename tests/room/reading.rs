//! Readers: going over from history to news, many at once, with frames that are shared and compressed once.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use talkback::room::{After, Cursor, Limits, Log, PageLimits};
use talkback::sse::Parser;

use crate::publish;

const WAIT: Duration = Duration::from_secs(20);

/// A log behind a lock, as the layer above will have it.
struct Shared {
    log: Mutex<Log>,
    news: Condvar,
}

impl Shared {
    /// Reads until `last`, waiting for what isn't there yet: the numbers that were seen.
    fn read_to(&self, last: u64) -> Vec<u64> {
        let (mut after, mut seen) = (After::Start, Vec::new());
        while seen.last() != Some(&last) {
            let log = self.log.lock().unwrap();
            let limits = PageLimits::default().max_count(Some(3));
            let is_empty = |log: &mut Log| log.read(after, limits).is_empty();
            let (log, waited) = self.news.wait_timeout_while(log, WAIT, is_empty).unwrap();
            assert!(!waited.timed_out());
            let page = log.read(after, limits);
            assert!(page.gap().is_none());
            after = page.cursor().into();
            seen.extend(page.publications().map(|publication| publication.cursor().seq));
        }
        seen
    }
}

#[test]
fn nothing_is_missed_or_doubled_between_history_and_news() {
    const COUNT: usize = 300;
    const PUBLISHERS: usize = 2;
    let last = (COUNT * PUBLISHERS) as u64;
    let limits = Limits::default().max_count(None).max_len(None);
    let shared = Arc::new(Shared { log: Mutex::new(Log::new(1, limits)), news: Condvar::new() });
    let publish_all = |publisher: usize| {
        let shared = Arc::clone(&shared);
        move || {
            for message in 0..COUNT {
                let mut log = shared.log.lock().unwrap();
                let message = publisher * COUNT + message;
                assert!(publish(&mut log, Instant::now(), message, "1").unwrap().is_new);
                // Sent again, as by a client that missed the answer.
                assert!(!publish(&mut log, Instant::now(), message, "1").unwrap().is_new);
                drop(log);
                shared.news.notify_all();
                thread::yield_now();
            }
        }
    };
    let publishers: Vec<_> = (0..PUBLISHERS).map(|index| thread::spawn(publish_all(index))).collect();
    let readers: Vec<_> = (0..6)
        .map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                // Each comes when a part of it is history already.
                while shared.log.lock().unwrap().count() < index * COUNT / 4 {
                    thread::yield_now();
                }
                shared.read_to(last)
            })
        })
        .collect();
    publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    for reader in readers {
        assert!(reader.join().unwrap().into_iter().eq(1..=last));
    }
}

#[test]
fn the_end_is_where_news_begin() {
    let (mut log, now) = (Log::new(1, Limits::default()), Instant::now());
    publish(&mut log, now, 1, "1").unwrap();
    let page = log.read(After::End, PageLimits::default());
    assert!(page.is_empty() && !page.has_more());
    let after = page.cursor();
    publish(&mut log, now, 2, "2").unwrap();
    let page = log.read(after, PageLimits::default());
    assert_eq!(page.publications().map(|publication| publication.cursor().seq).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_browser_that_was_told_of_a_gap_resumes_behind_it() {
    let (mut log, now) = (Log::new(1, Limits::default().max_count(Some(1))), Instant::now());
    publish(&mut log, now, 1, "1").unwrap();
    publish(&mut log, now, 2, "2").unwrap();
    let page = log.read(After::from("?".parse()), PageLimits::default());
    let mut parser = Parser::new();
    let gap = page.gap().unwrap().event();
    assert_eq!(parser.next_event(&mut &gap[..]).unwrap().unwrap().name, "gap");
    // The connection is lost here, before what is left was sent.
    let page = log.read(After::from(parser.last_event_id().parse()), PageLimits::default());
    assert_eq!((page.gap(), page.publications().count()), (None, 1));
}

#[test]
fn whoever_remembers_the_id_resumes_behind_a_gap_on_every_transport() {
    // A log that was restarted and is empty: there is no publication to take an id from.
    let log = Log::new(2, Limits::default());
    let page = log.read(Cursor::new(1, 7), PageLimits::default());
    let gap = page.gap().unwrap();
    let mut parser = Parser::new();
    let event = gap.event();
    let event = parser.next_event(&mut &event[..]).unwrap().unwrap().data.to_owned();
    for json in [&gap.line()[..], gap.websocket().payload(), event.as_bytes()] {
        let value: serde_json::Value = serde_json::from_slice(json).unwrap();
        let after = After::from(value["id"].as_str().unwrap().parse());
        assert_eq!(after, After::Cursor(gap.cursor()));
        assert!(log.read(after, PageLimits::default()).is_empty(), "it is told once");
    }
}

#[test]
fn a_frame_is_made_once_and_its_bytes_are_shared() {
    let (mut log, now) = (Log::new(1, Limits::default()), Instant::now());
    publish(&mut log, now, 1, &format!("\"{}\"", "x".repeat(10_000))).unwrap();
    let frame = || {
        let page = log.read(After::Start, PageLimits::default());
        let publication = page.publications().next().unwrap().clone();
        assert!(std::ptr::eq(publication.websocket(), publication.clone().websocket()));
        publication.websocket().payload().as_ptr()
    };
    assert_eq!(frame(), frame());
}

#[cfg(feature = "deflate")]
#[test]
fn a_frame_is_compressed_for_those_who_agreed() {
    use talkback::protocol::{Config, Deflate, Protocol, Role};

    let options = Deflate::shared();
    let mut log = Log::new(1, Limits::default()).deflate(options);
    publish(&mut log, Instant::now(), 1, &format!("\"{}\"", "x".repeat(10_000))).unwrap();
    let page = log.read(After::Start, PageLimits::default());
    let publication = page.publications().next().unwrap();
    let sent_len = |mut server: Protocol| {
        server.outbound().send_prepared(publication.websocket()).unwrap();
        server.output().flatten().count()
    };
    let plain = Protocol::new(Role::Server, Config::default());
    assert!(sent_len(plain) > 10_000);
    let agreed = Protocol::new(Role::Server, Config::default()).with_deflate(&options.parameters, &options);
    assert!(sent_len(agreed) < 500);
}
