//! Messages to many connections, in all loops.

use std::io::Write;
use std::thread;

use talkback::Prepared;
use talkback::http::Request;
use talkback::protocol::{Deflate, MessageRef};
use talkback::server::{Connection, Handler, Room, Server};

use crate::app::*;
use crate::net::*;

fn serve_rooms(loop_count: usize) -> (Running, Room) {
    let room = Room::new();
    let app = App::with_room(&room);
    (serve_with(app, |server| server.loop_count(loop_count).accept(accept(config()))), room)
}

#[test]
fn publications_reach_all_members_in_order() {
    let (server, room) = serve_rooms(2);
    let mut members: Vec<_> = (0..6).map(|_| server.open("/chat?join")).collect();
    let mut outsider = server.open("/chat");
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let room = room.clone();
            start(move || (0..500).for_each(|n| room.publish(&format!("{thread} {n}"))))
        })
        .collect();
    threads.into_iter().for_each(Task::end);
    for member in &mut members {
        let mut next = [0; 2];
        while next != [500; 2] {
            let text = read_text(member);
            let (thread, n) = text.split_once(' ').unwrap();
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(n, next.to_string());
            *next += 1;
        }
        ask(member, "nothing more");
    }
    ask(&mut outsider, "nothing at all");
    // A handler's own publication reaches itself, and the other loop.
    outsider.write_all(&[text("!join"), text("!publish from a handler")].concat()).unwrap();
    for stream in members.iter_mut().chain([&mut outsider]) {
        assert_eq!(read_text(stream), "from a handler");
    }
    let handle = server.handle.clone();
    server.end();
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.sent_count, 6 * 1000 + 6 + 1 + 7);
}

#[test]
fn large_publications_are_whole() {
    let (server, room) = serve_rooms(2);
    let mut members: Vec<_> = (0..4).map(|_| server.open("/chat?join")).collect();
    for n in 0..3_u8 {
        room.publish(&vec![n; 300_000]);
    }
    for member in &mut members {
        for n in 0..3_u8 {
            assert!(read_frame(false, member) == (0x82, vec![n; 300_000]));
        }
    }
    server.end();
}

#[test]
fn publications_reach_clients_with_and_without_compression() {
    let (server, room) = serve_rooms(2);
    let url = format!("ws://{}/chat?join", server.address);
    let mut compressing: Vec<_> = (0..2).map(|_| talkback::connect(&url).unwrap()).collect();
    let mut plain = server.open("/chat?join");
    let long = "zażółć gęślą jaźń ".repeat(2000);
    for _ in 0..3 {
        room.publish(&long);
        room.publish_prepared(&Prepared::compressed(&long, &Deflate::shared()));
    }
    for _ in 0..6 {
        for ws in &mut compressing {
            assert!(ws.recv().unwrap().is_some_and(|message| message.as_text() == Some(&long)));
        }
        assert!(read_text(&mut plain) == long);
    }
    let handle = server.handle.clone();
    for mut ws in compressing {
        ws.close(None).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
    }
    close(plain);
    server.end();
    if cfg!(feature = "deflate") {
        // Three of six went out compressed to two of three.
        let sent_len = handle.snapshot().sent_len;
        let expected = (6 + 3 * 2) * long.len() as u64;
        assert!(sent_len > expected && sent_len < expected + 30_000, "{sent_len}");
    }
}

#[test]
fn who_leaves_or_joined_twice_gets_what_he_should() {
    let (server, room) = serve_rooms(2);
    let mut stream = server.open("/chat?join");
    stream.write_all(&text("!join")).unwrap(); // he is in there already
    ask(&mut stream, "one");
    room.publish("once");
    assert_eq!(read_text(&mut stream), "once");
    stream.write_all(&text("!leave")).unwrap();
    ask(&mut stream, "two");
    room.publish("not for him");
    stream.write_all(&text("!leave")).unwrap();
    ask(&mut stream, "three");
    stream.write_all(&text("!join")).unwrap();
    ask(&mut stream, "four");
    room.publish("again");
    assert_eq!(read_text(&mut stream), "again");
    close(stream);
    server.end();
}

#[test]
fn membership_ends_with_the_connection() {
    let (server, room) = serve_rooms(1);
    for way in 0..4 {
        let before = server.ends().len();
        let mut stream = server.open("/chat?join");
        match way {
            0 => close(stream),
            1 => drop(stream),
            2 => {
                stream.write_all(&text("!panic")).unwrap();
                read_to_end(&mut stream);
            }
            _ => {
                stream.write_all(&frame(false, 0x81, b"unmasked")).unwrap();
                read_to_end(&mut stream);
            }
        }
        wait_until(|| server.ends().len() == before + 1);
        // The next ones get its place in the loop, but not in the room.
        let mut streams: Vec<_> = (0..3).map(|_| server.open("/chat")).collect();
        room.publish("to nobody");
        for stream in &mut streams {
            ask(stream, "hi");
        }
        for stream in streams {
            close(stream);
        }
        wait_until(|| server.ends().len() == before + 4);
    }
    room.publish("to nobody");
    server.end();
    room.publish("to no server");
}

#[test]
fn members_come_and_go_while_others_publish() {
    let (server, room) = serve_rooms(2);
    let publisher = {
        let (room, peer) = (room.clone(), server.open("/chat"));
        start(move || {
            for n in 0..2000 {
                room.publish(&n.to_string());
                if n % 20 == 0 {
                    thread::sleep(millis(1));
                }
            }
            peer
        })
    };
    let clients: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = server.open("/chat?join");
            start(move || {
                let mut next = None;
                for _ in 0..n {
                    stream.set_read_timeout(Some(millis(500))).unwrap();
                    if stream.peek(&mut [0]).is_err() {
                        break; // the publisher has ended
                    }
                    let number: usize = read_text(&mut stream).parse().unwrap();
                    assert!(next.is_none_or(|next| number == next), "{next:?} {number}");
                    next = Some(number + 1);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(Task::end);
    close(publisher.end());
    wait_until(|| server.ends().len() == 21);
    server.end();
}

/// Puts everybody into two rooms.
#[derive(Clone)]
struct InBoth([Room; 2]);

impl Handler for InBoth {
    type State = ();

    fn on_open(&mut self, connection: &mut Connection<'_>, _: &Request) {
        assert!(self.0.iter().all(|room| connection.join(room)));
    }

    fn on_message(&mut self, (): &mut (), connection: &mut Connection<'_>, message: MessageRef<'_>) {
        connection.send(message).unwrap();
    }
}

#[test]
fn who_is_slow_gets_all_of_each_room_when_he_reads_on() {
    const COUNT: usize = 800;
    let rooms = [(); 2].map(|()| Room::with_max_kept_len(100 << 20));
    let server = Server::bind("127.0.0.1:0").unwrap().loop_count(1).accept(accept(config()));
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let handler = InBoth(rooms.clone());
    let run = start(move || server.run(handler));
    let url = format!("ws://{address}/");
    let mut fast = talkback::connect(&url).unwrap();
    let mut slow: Vec<_> = (0..2).map(|_| talkback::connect(&url).unwrap()).collect();
    // Half of them go out compressed, to whom agreed; none fits into what the system takes for one who doesn't read.
    let payload = |n: usize| format!("{n} ").repeat(10_000);
    for n in 0..COUNT {
        rooms[n % 2].publish_prepared(&match n % 4 {
            0 | 1 => Prepared::new(&payload(n)),
            _ => Prepared::compressed(&payload(n), &Deflate::shared()),
        });
        assert!(fast.recv().unwrap().is_some_and(|message| message.as_text() == Some(&payload(n))));
    }
    for ws in &mut slow {
        ws.send("still there").unwrap();
        let (mut next, mut answered) = ([0, 1], false);
        while next != [COUNT, COUNT + 1] || !answered {
            let message = ws.recv().unwrap().unwrap();
            let text = message.as_text().unwrap();
            match text.split_once(' ').map(|(first, _)| first.parse::<usize>()) {
                Some(Ok(n)) => {
                    assert!(n == next[n % 2] && *text == payload(n), "{n} {next:?}");
                    next[n % 2] += 2;
                }
                _ => answered = text == "still there",
            }
        }
    }
    for mut ws in slow.into_iter().chain([fast]) {
        ws.close(None).unwrap();
        assert_eq!(ws.recv().unwrap(), None);
    }
    handle.drain(millis(0));
    run.end().unwrap();
    assert_eq!((handle.snapshot().sent_count, handle.snapshot().dropped_count), (3 * COUNT as u64 + 2, 0));
}
