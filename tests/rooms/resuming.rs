//! Reading on where one was, in each transport alike: all that was missed, once and in order, or a gap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use talkback::room::{Limits, RoomConfig};

use crate::net::*;
use crate::readers::*;
use crate::serving::*;

fn open(server: &Running, transport: Transport, after: Option<&str>) -> Reader {
    Reader::open(&server.address, transport, "a", after, "").unwrap()
}

/// A room that keeps the last ten.
fn serve_ten() -> Running {
    serve_config(RoomConfig::default().limits(Limits::default().max_count(Some(10))))
}

#[test]
fn what_was_missed_comes_once_and_in_order_and_then_what_is_new() {
    let server = serve();
    (1..=250).for_each(|n| drop(server.publish("a", &n.to_string(), &n.to_string())));
    let epoch = server.epoch("a");
    for transport in ALL {
        for (after, first) in
            [(None, 1), (Some(format!("{epoch}-0")), 1), (Some(format!("{epoch}-249")), 250)]
        {
            let mut reader = open(&server, transport, after.as_deref());
            for seq in first..=250 {
                assert_eq!(reader.read_seq(), seq, "{transport:?} {after:?}");
            }
            assert_eq!(reader.cursor, Some(format!("{epoch}-250")));
        }
    }
    let mut readers = ALL.map(|transport| open(&server, transport, Some(&format!("{epoch}-250"))));
    // Live ones are told where they are.
    for reader in readers.iter_mut().filter(|reader| LIVE.contains(&reader.transport)) {
        assert_eq!(reader.read(), Told::Place(format!("{epoch}-250")));
    }
    server.publish("a", "last", "0");
    for reader in &mut readers {
        assert_eq!(reader.read_seq(), 251, "{:?}", reader.transport);
    }
    drop(readers);
    server.end();
}

#[test]
fn whoever_wants_only_what_is_new_gets_that() {
    let server = serve();
    server.publish("a", "old", "0");
    let epoch = server.epoch("a");
    // An id is never that word.
    let all = ALL.into_iter().filter(|transport| *transport != Transport::EventsById);
    for (transport, seq) in all.zip(2..) {
        let mut reader = open(&server, transport, Some("end"));
        if transport == Transport::LongPoll {
            let news = start(move || reader.read_seq());
            wait_until(|| server.handle.snapshot().held_count == 1);
            server.publish("a", &seq.to_string(), "0");
            assert_eq!(news.end(), seq);
        } else {
            assert_eq!(reader.read(), Told::Place(format!("{epoch}-{}", seq - 1)), "{transport:?}");
            server.publish("a", &seq.to_string(), "0");
            assert_eq!(reader.read_seq(), seq, "{transport:?}");
        }
    }
    server.end();
}

#[test]
fn whoever_missed_what_is_kept_no_more_is_told_so_and_gets_the_rest() {
    let server = serve_ten();
    (1..=25).for_each(|n| drop(server.publish("a", &n.to_string(), "0")));
    let epoch = server.epoch("a");
    let gap = Told::Gap { id: format!("{epoch}-15"), first: 16, last: 25 };
    for transport in ALL {
        // One that is kept no more, of another epoch, of the future, and nonsense in all forms.
        for after in [
            format!("{epoch}-14"),
            "0123456789abcdef-20".to_owned(),
            format!("{epoch}-26"),
            format!("{epoch}-18446744073709551615"),
            format!("{}-20", epoch.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
            format!("{epoch}-020"),
            "nonsense".to_owned(),
            "x".repeat(500),
        ] {
            let mut reader = open(&server, transport, Some(&after));
            assert_eq!(reader.read(), gap, "{transport:?} {after}");
            for seq in 16..=25 {
                assert_eq!(reader.read_seq(), seq, "{transport:?} {after}");
            }
            // Who remembers that is not told again.
            let mut again = open(&server, transport, Some(&format!("{epoch}-15")));
            assert_eq!(again.read_seq(), 16);
        }
        // Nothing was missed by one who reads from the start, or from right before the first.
        assert_eq!(open(&server, transport, None).read_seq(), 16);
    }
    server.end();
}

#[test]
fn a_gap_is_told_also_where_nothing_is_left() {
    let limits = Limits::default().max_age(Some(millis(300)));
    let server = serve_config(RoomConfig::default().limits(limits));
    // Somebody stays, so that the room does.
    let mut stays = open(&server, Transport::Lines, None);
    stays.read();
    let id = server.publish("a", "1", "0");
    let epoch = server.epoch("a");
    wait_until(|| server.rooms.look("a", |log| log.count()) == Some(0));
    for transport in ALL {
        let mut reader = open(&server, transport, Some(&format!("{epoch}-0")));
        assert_eq!(reader.read(), Told::Gap { id: id.clone(), first: 2, last: 1 }, "{transport:?}");
        assert_eq!(reader.cursor.as_deref(), Some(&*id));
    }
    server.publish("a", "2", "0");
    assert_eq!((stays.read_seq(), stays.read_seq()), (1, 2));
    drop(stays);
    server.end();
}

#[test]
fn the_last_event_id_is_newer_than_what_the_page_began_with() {
    let server = serve();
    (1..=3).for_each(|n| drop(server.publish("a", &n.to_string(), "0")));
    let epoch = server.epoch("a");
    for (id, after, seq) in [
        (format!("{epoch}-2"), format!("{epoch}-0"), 3),
        (format!("{epoch}-0"), "end".to_owned(), 1),
        (format!("{epoch}-1"), "nonsense".to_owned(), 2),
    ] {
        let query = format!("after={after}");
        let mut reader =
            Reader::open(&server.address, Transport::EventsById, "a", Some(&id), &query).unwrap();
        assert_eq!(reader.read_seq(), seq, "{id} {after}");
    }
    server.end();
}

#[test]
fn whoever_joins_while_others_publish_gets_all_of_it_once() {
    const LAST: u64 = 4000;
    let server = serve_config(RoomConfig::default().limits(Limits::default().max_count(None).max_len(None)));
    let published = Arc::new(AtomicBool::new(false));
    let (rooms, done) = (server.rooms.clone(), Arc::clone(&published));
    publish(&rooms, "a", "0", "0");
    let publisher = start(move || {
        for n in 1..LAST {
            publish(&rooms, "a", &n.to_string(), "0");
            if n % 20 == 0 {
                std::thread::sleep(millis(2));
            }
        }
        done.store(true, Ordering::Release);
    });
    let joiners: Vec<_> = ALL
        .into_iter()
        .map(|transport| {
            let (address, published) = (server.address.clone(), Arc::clone(&published));
            start(move || join_again_and_again(&address, transport, &published))
        })
        .collect();
    publisher.end();
    for (joiner, transport) in joiners.into_iter().zip(ALL) {
        let count = joiner.end();
        assert!(count > 1, "{transport:?} {count}");
    }
    server.end();

    /// Joins where it was, each time a little further; how many times it was while others published.
    fn join_again_and_again(address: &str, transport: Transport, published: &AtomicBool) -> usize {
        let (mut cursor, mut seq, mut count) = (None::<String>, 0, 0);
        while seq < LAST {
            count += usize::from(!published.load(Ordering::Acquire));
            let mut reader = Reader::open(address, transport, "a", cursor.as_deref(), "").unwrap();
            // Into what comes while it reads; to the end at last.
            let end = if published.load(Ordering::Acquire) { LAST } else { (seq + 40).min(LAST) };
            while seq < end {
                assert_eq!(reader.read_seq(), seq + 1, "{transport:?} {cursor:?}");
                seq += 1;
            }
            cursor = reader.cursor;
        }
        count
    }
}
