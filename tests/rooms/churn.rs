//! Clients that come, talk and go all at once, in every transport, at two servers of the same rooms.

use std::time::{Duration, Instant};

use talkback::room::{Limits, RoomConfig, Rooms};

use crate::clients::*;
use crate::net::*;
use crate::readers::*;
use crate::serving::*;

const TIME: Duration = Duration::from_secs(2);
const ROOM_COUNT: usize = 3;

/// Does something, and then something else, until the time is up; how many things it did.
fn live(addresses: &[String; 2], rooms: &Rooms, number: usize) -> usize {
    let mut random = Random(0xbeef + number as u64);
    let end = Instant::now() + TIME;
    let mut open: Vec<Reader> = Vec::new();
    let mut count = 0;
    while Instant::now() < end {
        let address = &addresses[random.below(2)];
        let (room, client) =
            (format!("room-{}", random.below(ROOM_COUNT)), format!("client-{}", random.below(6)));
        let path = format!("/rooms/{room}");
        match random.below(9) {
            0 | 1 => {
                let transport = LIVE[random.below(3)];
                let query = format!("client={client}&state={}", random.below(3));
                open.push(Reader::open(address, transport, &room, None, &query).unwrap());
            }
            2 if !open.is_empty() => drop(open.swap_remove(random.below(open.len()))),
            3 if !open.is_empty() => {
                // Reads something; there always is: a place, or a gap.
                let reader = random.below(open.len());
                drop(open[reader].next());
            }
            4 => {
                let mut poll = Reader::open(address, Transport::Poll, &room, Some("end"), "").unwrap();
                let wait = get(&format!("{path}/messages?after=end&wait=9&client={client}"));
                poll.write(wait.as_bytes()).unwrap(); // and doesn't wait for it
                if random.below(2) == 0 {
                    open.push(poll);
                }
            }
            5 => {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                patient(&stream);
                let state = format!(r#"{{"client":"{client}","state":{count}}}"#);
                assert_eq!(ask(&mut stream, &post(&format!("{path}/here"), &state)).status, 204);
            }
            6 => drop(rooms.look(&room, |log| log.count())),
            7 => {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                patient(&stream);
                let status = ask(&mut stream, &get(&format!("{path}/here"))).status;
                assert_eq!((status, rooms.count() <= ROOM_COUNT), (200, true));
            }
            _ => {
                publish(rooms, &room, &format!("{number}-{count}"), "0");
            }
        }
        open.truncate(20);
        count += 1;
    }
    count
}

#[test]
fn however_clients_come_and_go_nothing_hangs_and_nobody_is_left() {
    let limits = Limits::default().max_count(Some(20)).max_age(Some(millis(300)));
    let config = RoomConfig::default().limits(limits).grace(millis(100)).poll_grace(millis(200));
    let rooms = Rooms::new(config).unwrap();
    let servers = [serve_rooms(rooms.clone()), serve_rooms(rooms.clone())];
    let addresses = servers.each_ref().map(|server| server.address.clone());
    let tasks: Vec<_> = (0..6)
        .map(|number| {
            let (addresses, rooms) = (addresses.clone(), rooms.clone());
            start(move || live(&addresses, &rooms, number))
        })
        .collect();
    let counts: Vec<usize> = tasks.into_iter().map(Task::end).collect();
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    wait_until(|| rooms.count() == 0);
    let open = |server: &Running| {
        let snapshot = server.handle.snapshot();
        (snapshot.connection_count, snapshot.stream_count, snapshot.held_count)
    };
    wait_until(|| servers.iter().all(|server| open(server) == (0, 0, 0)));
    servers.into_iter().for_each(Running::end);
}
