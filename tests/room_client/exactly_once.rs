//! Whatever is lost on the way: each publication is received once and in order, or a gap says that it isn't;
//! each message is stored once and in order, and told of once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use talkback::room::{Cursor, MessageId, RoomEvent, RoomReader, RoomSender};

use crate::model::{Server, Stored};
use crate::net::*;
use crate::script::*;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=16;
/// What the client publishes, and what others do.
const OWN_COUNT: usize = 40;
const OTHER_COUNT: usize = 60;

/// Publishes with pauses, from a thread of its own.
fn publish(sender: RoomSender, seed: u64) -> Task<Vec<MessageId>> {
    start(move || {
        let mut random = Random(seed);
        let next = |n: usize| {
            thread::sleep(millis(random.below(3) as u64));
            sender.publish(&raw(&format!("{{\"own\":{n}}}"))).unwrap()
        };
        (1..=OWN_COUNT).map(next).collect()
    })
}

/// Others publish, and disturb the server as well.
fn stir(server: &Arc<Server>, seed: u64, disturb: impl Fn(&Server, usize) + Send + 'static) -> Task<()> {
    let server = Arc::clone(server);
    start(move || {
        let mut random = Random(seed);
        for n in 1..=OTHER_COUNT {
            thread::sleep(millis(random.below(3) as u64));
            server.log.lock().unwrap().publish("bob", &n.to_string(), &n.to_string());
            disturb(&server, random.below(10));
        }
    })
}

/// All that a client was told.
#[derive(Default)]
struct Told {
    publications: Vec<(Cursor, Stored)>,
    acknowledged: Vec<(MessageId, Cursor)>,
    gap_count: usize,
}

/// Reads until `is_done`, checks the order on the way, and closes.
fn read_until(mut room: RoomReader, is_done: impl Fn(&Told) -> bool + Send + 'static) -> Task<Told> {
    start(move || {
        let mut told = Told::default();
        let mut place: Option<Cursor> = None;
        while !is_done(&told) {
            match room.recv().unwrap().unwrap() {
                RoomEvent::Publication { cursor, client, message, data, .. } => {
                    if let Some(place) = place {
                        assert_eq!(cursor, Cursor::new(place.epoch, place.seq + 1));
                    }
                    assert_eq!(room.cursor(), Some(cursor));
                    place = Some(cursor);
                    let stored = (client.to_string(), message.to_string(), data.to_string());
                    told.publications.push((cursor, stored));
                }
                RoomEvent::Gap(gap) => {
                    let is_true = |place: Cursor| place.epoch != gap.epoch || place.seq + 1 < gap.first;
                    assert!(place.is_none_or(is_true), "{gap:?} after {place:?}");
                    told.gap_count += 1;
                    place = Some(gap.cursor());
                }
                RoomEvent::Acknowledged { message, cursor, .. } => told.acknowledged.push((message, cursor)),
                RoomEvent::Refused { .. } => panic!("nothing is refused"),
                _ => {}
            }
        }
        room.sender().close();
        assert!(room.recv().unwrap().is_none());
        told
    })
}

#[test]
fn a_server_that_loses_connections_loses_and_doubles_nothing() {
    for seed in SEEDS {
        let (server, url, task) = Server::start(seed, 20);
        let room = client(&url).open().unwrap();
        let publisher = publish(room.sender(), seed);
        let others = stir(&server, seed + 100, |_, _| {});
        let reader = read_until(room, |told| {
            told.publications.len() == OWN_COUNT + OTHER_COUNT && told.acknowledged.len() == OWN_COUNT
        });
        let (told, messages) = (reader.end(), publisher.end());
        others.end();
        server.is_over.store(true, Ordering::SeqCst);
        assert!(task.end() > 1);
        let log = server.log.lock().unwrap();
        let seen = told.publications.iter().map(|(cursor, stored)| ((cursor.epoch, cursor.seq), stored));
        assert!(seen.eq(log.history.iter().map(|(at, stored)| (*at, stored))), "seed {seed}");
        let own = log.history.iter().filter(|(_, (client, ..))| client == "ada");
        let own: Vec<_> = own.map(|((_, seq), (_, message, data))| (message, *seq, data.clone())).collect();
        let sent =
            messages.iter().enumerate().map(|(n, message)| (message, format!("{{\"own\":{}}}", n + 1)));
        assert!(
            own.iter()
                .map(|(message, _, data)| (message.as_str(), data.clone()))
                .eq(sent.map(|(message, data)| (message.as_str(), data)))
        );
        let acknowledged: BTreeSet<_> =
            told.acknowledged.iter().map(|(message, cursor)| (message.to_string(), cursor.seq)).collect();
        let stored: BTreeSet<_> = own.iter().map(|(message, seq, _)| ((*message).clone(), *seq)).collect();
        assert_eq!((acknowledged, told.gap_count), (stored, 0), "seed {seed}");
    }
}

#[test]
fn what_a_server_has_lost_is_told_by_a_gap_and_nothing_else_is() {
    let mut gap_count = 0;
    for seed in SEEDS {
        let (server, url, task) = Server::start(seed, 20);
        let room = client(&url).open().unwrap();
        let publisher = publish(room.sender(), seed);
        let others = stir(&server, seed + 100, |server, what| match what {
            0 => server.log.lock().unwrap().restart(),
            1 | 2 => server.log.lock().unwrap().evict(2),
            _ => {}
        });
        let is_end = |(_, (client, ..)): &(Cursor, Stored)| client == "zed";
        let reader = read_until(room, move |told| {
            told.publications.iter().any(is_end) && told.acknowledged.len() == OWN_COUNT
        });
        let messages = publisher.end();
        others.end();
        server.log.lock().unwrap().publish("zed", "end", "0");
        let told = reader.end();
        server.is_over.store(true, Ordering::SeqCst);
        task.end();
        let log = server.log.lock().unwrap();
        for (cursor, stored) in &told.publications {
            assert_eq!(log.history[&(cursor.epoch, cursor.seq)], *stored);
        }
        let acknowledged: BTreeSet<_> = told.acknowledged.iter().map(|(message, _)| message).collect();
        assert_eq!(told.acknowledged.len(), OWN_COUNT);
        assert!(acknowledged.into_iter().eq(messages.iter().collect::<BTreeSet<_>>()), "seed {seed}");
        gap_count += told.gap_count;
    }
    assert!(gap_count > 0);
}
