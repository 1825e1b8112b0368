//! Peers that are slow, silent, or out to harm. None of them holds a thread for longer than
//! the deadlines say.

mod net;

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use net::*;
use talkback::blocking::Wait;
use talkback::client::ConnectError;
use talkback::protocol::Role;
use talkback::{Accept, AcceptError, Config, Connect, Error, Message, WebSocket};

#[track_caller]
fn assert_between(from: Instant, least: u64, most: u64) {
    let elapsed = from.elapsed();
    assert!(elapsed >= millis(least) && elapsed < millis(most), "{elapsed:?}");
}

// Handshakes

#[test]
fn a_byte_at_a_time_is_fine() {
    let (mut client, server) = pair();
    let task = start(move || {
        let mut ws = talkback::accept(server).unwrap();
        (ws.recv().unwrap(), ws.recv().unwrap(), ws.recv().unwrap())
    });
    let mut bytes = request("").into_bytes();
    bytes.extend(frame(true, 0x01, "zaż".as_bytes()));
    bytes.extend(frame(true, 0x89, b"ping"));
    bytes.extend(frame(true, 0x80, "ółć".as_bytes()));
    bytes.extend(frame(true, 0x82, &[7; 300]));
    bytes.extend(frame(true, 0x88, b"\x03\xe8"));
    for byte in bytes {
        client.write_all(&[byte]).unwrap();
        thread::yield_now();
    }
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    let answers = frames(false, &read_to_end(&mut client));
    drop(client);
    assert_eq!(answers, [(0x8a, b"ping".to_vec()), (0x88, b"\x03\xe8".to_vec())]);
    assert_eq!(task.end(), (Some(Message::from("zażółć")), Some(Message::from(vec![7; 300])), None));
}

#[test]
fn a_client_takes_a_byte_at_a_time_too() {
    let (listener, address) = listen();
    let task = start(move || {
        let mut ws = talkback::connect(&format!("ws://{address}/")).unwrap();
        (ws.recv().unwrap(), ws.recv().unwrap())
    });
    let mut peer = listener.accept().unwrap().0;
    patient(&peer);
    let accept = accept_for(&read_head(&mut peer));
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(frame(false, 0x81, "zażółć".as_bytes()));
    bytes.extend(frame(false, 0x88, b"\x03\xe8"));
    for byte in bytes {
        peer.write_all(&[byte]).unwrap();
        thread::yield_now();
    }
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(close_code(&read_frame(true, &mut peer)), Some(1000));
    assert_eq!(task.end(), (Some(Message::from("zażółć")), None));
}

#[test]
fn a_handshake_has_ten_seconds_unless_told_otherwise() {
    assert!(format!("{:?}", Accept::new()).contains("handshake_timeout: Some(10s)"));
    let connect = format!("{:?}", Connect::new("ws://localhost/"));
    assert!(
        connect.contains("handshake_timeout: Some(10s)") && connect.contains("connect_timeout: Some(10s)")
    );
}

#[test]
fn half_a_request_is_cut_off_at_the_deadline() {
    let request = request("");
    // Nothing at all, half of it, and half of it a byte each 50 ms: each byte in time, all too late.
    for (at_once, drips) in [(0, false), (request.len() / 2, false), (30, true)] {
        let (mut client, server) = pair();
        let start_of_wait = Instant::now();
        let task = start(move || Accept::new().handshake_timeout(Some(millis(300))).accept(server).map(drop));
        client.write_all(&request.as_bytes()[..at_once]).unwrap();
        if drips {
            let mut client = client.try_clone().unwrap();
            let rest = request.clone().into_bytes();
            thread::spawn(move || {
                for byte in &rest[at_once..] {
                    thread::sleep(millis(50));
                    if client.write_all(&[*byte]).is_err() {
                        break;
                    }
                }
            });
        }
        let answer = String::from_utf8(read_to_end(&mut client)).unwrap();
        assert_between(start_of_wait, 290, 5000);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(header(&answer, "Connection"), Some("close"));
        client.shutdown(Shutdown::Both).unwrap();
        assert!(matches!(task.end(), Err(AcceptError::Timeout)));
        assert_between(start_of_wait, 290, 8000);
    }
}

#[test]
fn half_a_response_is_cut_off_at_the_deadline() {
    for drips in [false, true] {
        let (listener, address) = listen();
        let start_of_wait = Instant::now();
        let task = start(move || {
            let connect = Connect::new(format!("ws://{address}/"));
            connect.handshake_timeout(Some(millis(300))).connect().map(drop)
        });
        let mut peer = listener.accept().unwrap().0;
        patient(&peer);
        read_head(&mut peer);
        peer.write_all(b"HTTP/1.1 101 Switching").unwrap();
        while drips && peer.write_all(b"x").is_ok() {
            thread::sleep(millis(50));
        }
        assert!(matches!(task.end(), Err(ConnectError::HandshakeTimeout)));
        assert_between(start_of_wait, 290, 5000);
    }
}

#[test]
fn two_hundred_half_open_peers_are_all_cut_off() {
    let (listener, address) = listen();
    let server = start(move || {
        let accept = Accept::new().handshake_timeout(Some(millis(500)));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (accept, stream) = (accept.clone(), listener.accept().unwrap().0);
                start(move || accept.accept(stream).map(drop))
            })
            .collect();
        tasks.into_iter().map(Task::end).collect::<Vec<_>>()
    });
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..200)
        .map(|n: usize| {
            let mut client = TcpStream::connect(&address).unwrap();
            patient(&client);
            client.write_all(&request("").as_bytes()[..n / 2]).unwrap();
            client
        })
        .collect();
    for client in &mut clients {
        assert!(read_to_end(client).starts_with(b"HTTP/1.1 408 "));
    }
    drop(clients);
    let results = server.end();
    assert!(results.iter().all(|result| matches!(result, Err(AcceptError::Timeout))));
    assert_between(begun, 490, 15_000);
}

// After the upgrade

#[test]
fn silence_after_the_upgrade_is_cut_off() {
    let (mut client, server) = pair();
    let config = Config::default().ping_interval(Some(millis(100))).idle_timeout(Some(millis(300)));
    let task = start(move || {
        let mut ws = Accept::new().config(config).accept(server).unwrap();
        let start = Instant::now();
        (ws.recv(), start)
    });
    client.write_all(request("").as_bytes()).unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    assert_eq!(frames(false, &read_to_end(&mut client)), [(0x89, Vec::new())]);
    let (result, start) = task.end();
    assert!(matches!(result, Err(Error::Timeout(Wait::Idle))));
    assert_between(start, 290, 5000);
}

#[test]
fn a_client_cuts_off_a_silent_server() {
    let (mut peer, client) = pair();
    let config = Config::default().ping_interval(Some(millis(100))).idle_timeout(Some(millis(300)));
    let task = start(move || WebSocket::from_stream(client, Role::Client, config).recv());
    assert_eq!(frames(true, &read_to_end(&mut peer)), [(0x89, Vec::new())]);
    assert!(matches!(task.end(), Err(Error::Timeout(Wait::Idle))));
}

#[test]
fn a_flood_after_a_close_is_ignored_for_a_while_and_not_for_ever() {
    for split in [false, true] {
        let (mut peer, server) = pair();
        let config = Config::default().linger_timeout(Some(millis(300)));
        let task = start(move || {
            let mut ws = WebSocket::from_stream(server, Role::Server, config);
            let start = Instant::now();
            let result = if split { ws.split().0.recv() } else { ws.recv() };
            (result, start)
        });
        peer.write_all(&frame(true, 0x88, b"\x03\xe8")).unwrap();
        let mut reader = peer.try_clone().unwrap();
        let flood = start(move || while peer.write_all(&[0xff; 10_000]).is_ok() {});
        assert_eq!(close_code(&read_frame(false, &mut reader)), Some(1000));
        let (result, start) = task.end();
        assert_eq!(result.unwrap(), None);
        assert_between(start, 290, 5000);
        flood.end();
    }
}

#[test]
fn garbage_after_the_upgrade_ends_in_a_close_code_and_the_end_of_the_stream() {
    let mut random = Random(0x5eed);
    for n in 0..150 {
        let (mut peer, server) = pair();
        let config = Config::default().linger_timeout(Some(millis(1000)));
        let task = start(move || {
            let mut ws = Accept::new().config(config).accept(server).unwrap();
            loop {
                match ws.recv() {
                    Ok(Some(_)) => {}
                    result => return result.map(drop),
                }
            }
        });
        peer.write_all(request("").as_bytes()).unwrap();
        let mut bytes: Vec<u8> = (0..2000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        if n % 2 == 0 {
            // It begins like a frame, so that it gets further.
            bytes[..2].copy_from_slice(&[
                0x81 + u8::from(n % 4 == 0),
                0x80 + u8::try_from(random.below(126)).unwrap(),
            ]);
        }
        peer.write_all(&bytes).unwrap();
        assert!(read_head(&mut peer).starts_with("HTTP/1.1 101 "));
        peer.shutdown(Shutdown::Write).unwrap();
        let answers = frames(false, &read_to_end(&mut peer));
        drop(peer);
        match task.end() {
            Err(Error::Protocol(error)) => {
                assert_eq!(close_code(answers.last().unwrap()), Some(error.close_code().value()));
            }
            // It announced a frame that it didn't finish.
            Err(Error::Disconnected) => assert!(answers.iter().all(|(first, _)| *first == 0x8a)),
            // It looked like a close.
            Ok(()) => assert_eq!(answers.last().unwrap().0, 0x88),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_peer_that_goes_away_in_the_middle_of_anything_ends_the_wait() {
    let whole =
        [frame(true, 0x01, b"frag"), frame(true, 0x89, b"ping"), frame(true, 0x80, &[b'x'; 200])].concat();
    for cut in 0..whole.len() {
        let (mut peer, server) = pair();
        peer.write_all(&whole[..cut]).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut ws = WebSocket::from_stream(server, Role::Server, Config::default());
        assert!(matches!(ws.recv(), Err(Error::Disconnected)), "{cut}");
        drop(ws);
        // No answer but a pong comes, and no reset.
        assert!(io::copy(&mut peer, &mut io::sink()).unwrap() <= 6);
    }
}
