//! Each limit at its edge: exactly at it passes, one past it gets the named close code or status, from the
//! header, before payload or memory.

mod pair;

use std::time::{Duration, Instant};

use pair::*;
use talkback::frame::FrameError;
use talkback::handshake::{HandshakeError, MAX_OFFER_COUNT, Policy, Upgrade};
use talkback::http::{HeadLimits, HttpError, Request};
use talkback::protocol::{Beat, Config, Event, Keepalive, Protocol, ProtocolError, Role, SendError};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn config() -> Config {
    Config::default()
}

/// Fails with 1009, from these bytes alone.
#[track_caller]
fn assert_too_big(role: Role, config: &Config, bytes: &[u8], error: &ProtocolError) {
    let outcome = feed_with(role, config, bytes);
    assert_eq!(outcome.error.as_ref(), Some(error));
    assert_eq!(close_code(&outcome.output), 1009);
    assert_eq!(outcome.received, []);
}

// Limits: messages, frames, fragments.

#[test]
fn a_message_of_16_mib_passes_and_a_header_of_one_byte_more_is_1009() {
    for role in ROLES {
        for first in [TEXT, BINARY] {
            let bytes = frame(role, first, vec![b'x'; 16 * MIB]);
            let outcome = outcome(role, &config(), Style::Window, &bytes, 64 * KIB);
            let [Received::Text(_) | Received::Binary(_)] = &outcome.received[..] else {
                panic!("{:?}", outcome.error)
            };
            let (len, max) = ((16 << 20) + 1, 16 << 20);
            let error = ProtocolError::MessageTooBig { len, max };
            assert_too_big(role, &config(), &header(role, first, len), &error);
        }
    }
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_is_1009() {
    for role in ROLES {
        for limit in [0, 1, 125, 126, 1000] {
            let config = config().max_message_len(Some(limit));
            let payload = vec![b'x'; limit];
            let outcome = feed_with(role, &config, &frame(role, BINARY, &payload));
            assert_eq!(outcome.received, [Received::Binary(payload)]);
            let max = u64::try_from(limit).unwrap();
            let error = ProtocolError::MessageTooBig { len: max + 1, max };
            assert_too_big(role, &config, &header(role, BINARY, max + 1), &error);
        }
    }
}

#[test]
fn the_fragments_of_a_message_count_together() {
    for role in ROLES {
        let config = config().max_message_len(Some(100));
        let (start, empty) = (frame(role, FIRST_TEXT, [b'x'; 60]), frame(role, MIDDLE, ""));
        let bytes = [&start[..], &empty, &frame(role, LAST, [b'x'; 40])].concat();
        assert_eq!(feed_with(role, &config, &bytes).received, [Received::Text("x".repeat(100))]);
        let error = ProtocolError::MessageTooBig { len: 101, max: 100 };
        let bytes = [&start[..], &empty, &header(role, LAST, 41)].concat();
        assert_too_big(role, &config, &bytes, &error);
        let error = ProtocolError::MessageTooBig { len: 60 + (u64::MAX >> 1), max: 100 };
        assert_too_big(role, &config, &[&start[..], &header(role, LAST, u64::MAX >> 1)].concat(), &error);
    }
}

#[test]
fn a_new_message_is_counted_anew() {
    for role in ROLES {
        let config = config().max_message_len(Some(3)).max_fragment_count(Some(2));
        let message = [frame(role, FIRST_BINARY, "ab"), frame(role, LAST, "c")].concat();
        let outcome = feed_with(role, &config, &message.repeat(5));
        assert_eq!(outcome.received, vec![Received::Binary(b"abc".to_vec()); 5]);
    }
}

#[test]
fn control_frames_do_not_count_as_part_of_a_message() {
    for role in ROLES {
        let config = config().max_message_len(Some(2)).max_fragment_count(Some(2)).max_frame_len(Some(1));
        let ping = frame(role, PING, [7; 125]);
        let bytes = [frame(role, FIRST_BINARY, "a"), ping.repeat(3), frame(role, LAST, "b")].concat();
        let outcome = feed_with(role, &config, &bytes);
        assert_eq!(outcome.received.last(), Some(&Received::Binary(b"ab".to_vec())));
        assert_eq!(outcome.received.len(), 4);
    }
}

#[test]
fn a_frame_of_the_limit_passes_and_one_byte_more_is_1009() {
    for role in ROLES {
        let config = config().max_frame_len(Some(1000));
        let bytes = [frame(role, FIRST_BINARY, [7; 1000]), frame(role, LAST, [7; 1000])].concat();
        assert_eq!(feed_with(role, &config, &bytes).received, [Received::Binary(vec![7; 2000])]);
        let error = ProtocolError::FrameTooBig { len: 1001, max: 1000 };
        assert_too_big(role, &config, &header(role, TEXT, 1001), &error);
        let bytes = [frame(role, FIRST_BINARY, ""), header(role, LAST, 1001)].concat();
        assert_too_big(role, &config, &bytes, &error);
    }
}

#[test]
fn fragments_of_the_limit_pass_and_one_more_is_1009() {
    for role in ROLES {
        let config = config().max_fragment_count(Some(3));
        let empty = frame(role, MIDDLE, "");
        let begun = [frame(role, FIRST_TEXT, ""), empty.clone()].concat();
        let bytes = [&begun[..], &frame(role, LAST, "x")].concat();
        assert_eq!(feed_with(role, &config, &bytes).received, [Received::Text("x".to_owned())]);
        let error = ProtocolError::TooManyFragments { max: 3 };
        for past in [header(role, LAST, 0), header(role, LAST, 5)] {
            assert_too_big(role, &config, &[&begun[..], &empty, &past].concat(), &error);
        }
    }
}

#[test]
fn a_message_of_131072_fragments_passes_and_one_more_is_1009() {
    for role in ROLES {
        let start = frame(role, FIRST_TEXT, "a");
        let passes = [&start[..], &frame(role, MIDDLE, "").repeat(131_070), &frame(role, LAST, "b")].concat();
        for style in [Style::Window, Style::Lend, Style::Parts(10)] {
            let passed = outcome(role, &config(), style, &passes, 60_000);
            assert_eq!(passed.received, [Received::Text("ab".to_owned())]);
            let fails = [&start[..], &frame(role, MIDDLE, "").repeat(131_072)].concat();
            let failed = outcome(role, &config(), style, &fails, 60_000);
            assert_eq!(failed.error, Some(ProtocolError::TooManyFragments { max: 131_072 }));
            assert_eq!(close_code(&failed.output), 1009);
        }
    }
}

#[test]
fn without_a_limit_there_is_none() {
    let config = config().max_message_len(None).max_fragment_count(None);
    for role in ROLES {
        let outcome = feed_with(role, &config, &header(role, BINARY, u64::MAX >> 1));
        assert_eq!((outcome.error, outcome.output), (None, vec![]));
    }
}

#[test]
fn a_budget_halves_a_message_and_quarters_the_rest() {
    for role in ROLES {
        let config = config().memory_budget(Some(100_000));
        let bytes = frame(role, BINARY, vec![7; 50_000]);
        assert_eq!(feed_with(role, &config, &bytes).received, [Received::Binary(vec![7; 50_000])]);
        let error = ProtocolError::MessageTooBig { len: 50_001, max: 50_000 };
        assert_too_big(role, &config, &header(role, BINARY, 50_001), &error);
        let mut protocol = Protocol::new(role, config);
        protocol.outbound().send(&vec![7; 30_000]).unwrap();
        let len = u64::try_from(protocol.outbound().output_len()).unwrap();
        assert_eq!(protocol.outbound().send("a"), Err(SendError::Full { len, max: 25_000 }));
        for _ in 0..10 {
            let room = protocol.spare();
            room.fill(0x8a); // a pong from a server, an error to one: never read here
            let len = room.len();
            protocol.received(len);
        }
        assert!(protocol.spare().is_empty());
    }
}

#[test]
fn with_the_least_budget_a_control_frame_still_passes() {
    for role in ROLES {
        let config = config().memory_budget(Some(0));
        let bytes = [frame(role, PING, [7; 125]), frame(role, BINARY, "")].concat();
        let outcome = feed_with(role, &config, &bytes);
        assert_eq!(outcome.received, [Received::Ping(vec![7; 125]), Received::Binary(vec![])]);
        assert_eq!(wire(&outcome.output)[0].payload, [7; 125]);
    }
}

// Limits: output.

#[test]
fn output_of_the_limit_is_taken_and_past_it_send_says_that_it_is_full() {
    for (max, config) in [(1_048_576, config()), (500, config().max_output_len(Some(500)))] {
        let len = usize::try_from(max).unwrap();
        let header_len = if len > 0xffff { 10 } else { 4 };
        let mut protocol = Protocol::new(Role::Server, config);
        let outbound = protocol.outbound();
        outbound.send(&vec![7; len - header_len]).unwrap();
        assert_eq!(outbound.output_len(), len);
        outbound.send("").unwrap(); // not past it yet: this one steps over
        let full = SendError::Full { len: max + 2, max };
        assert_eq!(outbound.send(""), Err(full.clone()));
        assert_eq!(outbound.send_owned(vec![7; 9000]), Err(full.clone()));
        assert_eq!(outbound.send_fragment("", true), Err(full.clone()));
        assert_eq!(send_with(outbound, "", &[]), Err(full.clone()));
        assert_eq!(outbound.ping(b""), Err(full.clone()));
        assert_eq!(outbound.pong(b""), Err(full));
        assert_eq!(outbound.output_len(), len + 2);
        outbound.sent(1);
        assert!(outbound.send("").is_err());
        outbound.sent(1);
        outbound.send("").unwrap();
        outbound.close(None).unwrap(); // a close always goes
        assert_eq!(outbound.output_len(), len + 4);
    }
}

#[test]
fn while_output_waits_the_latest_pong_alone_is_queued() {
    for role in ROLES {
        for style in STYLES {
            let mut endpoint = Endpoint::new(role, config(), style);
            endpoint.outbound().send(&vec![7; 5000]).unwrap();
            for number in 0..100_u8 {
                endpoint.read(&frame(role, PING, [number]));
            }
            assert_eq!(endpoint.received.len(), 100);
            let backlog = endpoint.outbound().output_len();
            assert!(backlog < 5020, "{backlog}");
            let mut bytes = endpoint.write(backlog - 1);
            bytes.extend(endpoint.write(usize::MAX));
            bytes.extend(endpoint.write(usize::MAX));
            let frames = wire(&bytes);
            assert_eq!(frames.len(), 2, "{style:?}");
            assert_eq!((frames[1].first, &frames[1].payload[..]), (PONG, &[99][..]));
            // Then they are prompt again.
            endpoint.read(&[frame(role, PING, "a"), frame(role, PING, "b")].concat());
            assert_eq!(wire(&endpoint.write(usize::MAX)).len(), 2);
        }
    }
}

#[test]
fn while_little_output_waits_each_ping_has_its_pong() {
    for role in ROLES {
        let pings = frame(role, PING, "x").repeat(500); // their pongs: 1,500 bytes of a server, 3,500 of a client
        let outcome = feed(role, pings);
        assert_eq!(wire(&outcome.output).len(), 500);
    }
}

#[test]
fn a_pong_that_waits_goes_before_the_close() {
    for role in ROLES {
        for first in [CLOSE, 0x83] {
            let mut endpoint = Endpoint::new(role, config(), Style::Window);
            endpoint.outbound().send(&vec![7; 5000]).unwrap();
            endpoint.read(&[frame(role, PING, "1"), frame(role, PING, "2"), frame(role, first, "")].concat());
            let mut bytes = endpoint.write(usize::MAX);
            bytes.extend(endpoint.write(usize::MAX));
            let frames: Vec<(u8, Vec<u8>)> =
                wire(&bytes)[1..].iter().map(|frame| (frame.first, frame.payload.clone())).collect();
            assert_eq!(frames[0], (PONG, b"2".to_vec()));
            assert_eq!((frames[1].0, frames.len()), (CLOSE, 2));
        }
    }
}

#[test]
fn a_pong_that_waits_behind_a_lent_message_comes_behind_it() {
    let payload = vec![2; 9000];
    for step in [1, 3000, 6000, 10_000] {
        let mut protocol = Protocol::new(Role::Server, config());
        protocol.outbound().send(&vec![1; 5000]).unwrap();
        protocol.outbound().answer(&Event::Ping(b"p"));
        let mut bytes = send_with(protocol.outbound(), &payload, &[step, step]).unwrap();
        while protocol.output().next().is_some() {
            let piece: Vec<u8> = protocol.output().flatten().copied().take(step).collect();
            protocol.sent(piece.len());
            bytes.extend(piece);
        }
        let lens: Vec<usize> = wire(&bytes).iter().map(|frame| frame.payload.len()).collect();
        assert!(lens == [5000, 9000, 1], "{lens:?}");
    }
}

// Limits: time.

#[test]
fn the_deadlines_at_their_instants() {
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let instant = Duration::from_nanos(1);
    let mut keepalive = Keepalive::new(&config(), start);
    for (at, beat) in [(30, Beat::Ping), (60, Beat::Idle)] {
        assert_eq!(keepalive.handle_timeout(start + at * second - instant), None);
        assert_eq!(keepalive.handle_timeout(start + at * second), Some(beat));
    }
    let mut closing = Keepalive::new(&config(), start);
    closing.handle_close_sent(start);
    assert_eq!(closing.handle_timeout(start + 5 * second - instant), None);
    assert_eq!(closing.handle_timeout(start + 5 * second), Some(Beat::CloseUnanswered));
    let mut closed = Keepalive::new(&config(), start);
    closed.handle_closed(start);
    assert_eq!(closed.handle_timeout(start + 2 * second - instant), None);
    assert_eq!(closed.handle_timeout(start + 2 * second), Some(Beat::Linger));
}

// Handshake.

fn upgrade(lines: &str, policy: &Policy) -> Result<Upgrade, HandshakeError> {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    );
    let (request, _) = Request::decode(head.as_bytes(), HeadLimits::default())?.expect("it is whole");
    Upgrade::new(&request, policy)
}

fn status(lines: &str) -> u16 {
    upgrade(lines, &Policy::default()).map_or_else(|error| error.status().code(), |_| 101)
}

#[test]
fn sixteen_extension_offers_are_looked_at_and_the_rest_is_ignored() {
    assert_eq!(MAX_OFFER_COUNT, 16);
    for (count, seen) in [(15, 15), (16, 16), (17, 16), (1000, 16)] {
        let value: Vec<String> = (0..count).map(|number| format!("x{number}")).collect();
        let one_line = format!("Sec-WebSocket-Extensions: {}\r\n", value.join(","));
        let upgrade = upgrade(&one_line, &Policy::default()).unwrap();
        assert_eq!(upgrade.offers().len(), seen);
        assert_eq!(upgrade.offers().last().unwrap().name(), format!("x{}", seen - 1));
    }
    let lines: String = (0..20).map(|number| format!("Sec-WebSocket-Extensions: x{number}\r\n")).collect();
    assert_eq!(upgrade(&lines, &Policy::default()).unwrap().offers().len(), 16);
}

#[test]
fn an_upgrade_of_the_head_limits_passes_and_past_them_is_431_or_414() {
    let head_len = |pad: usize| format!("X: {}\r\n", "x".repeat(pad));
    let bare = "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let fits = 16 * KIB - bare.len() - "X: \r\n".len();
    assert_eq!(status(&head_len(fits)), 101);
    assert_eq!(status(&head_len(fits + 1)), 431);
    assert_eq!(status(&"X: y\r\n".repeat(95)), 101); // 100 fields in all
    assert_eq!(status(&"X: y\r\n".repeat(96)), 431);
    let target = |len| bare.replacen(" / ", &format!(" /{} ", "x".repeat(len - 1)), 1);
    let decode = |head: String| Request::decode(head.as_bytes(), HeadLimits::default());
    assert!(decode(target(8 * KIB)).unwrap().is_some());
    let error = decode(target(8 * KIB + 1)).unwrap_err();
    assert_eq!(error, HttpError::TargetTooLong { max: 8 * KIB });
    assert_eq!(error.status(), 414);
}

#[test]
fn a_host_that_is_not_served_is_421() {
    for (hosts, served) in [
        (vec!["a.example"], true),
        (vec!["b.example", "A.EXAMPLE"], true),
        (vec!["b.example"], false),
        (vec!["a.example:8080"], false),
        (vec![], false),
    ] {
        let policy = Policy::default().hosts(hosts);
        match upgrade("", &policy) {
            Ok(_) => assert!(served, "{policy:?}"),
            Err(error) => assert_eq!((served, error.status().code()), (false, 421), "{policy:?}"),
        }
    }
}

#[test]
fn what_bad_requests_get() {
    for (lines, expected) in [
        ("", 101),
        ("Content-Length: 0\r\n", 101),
        ("Content-Length: 1\r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Host: a.example\r\n", 400),
        ("X: a\n", 400),
        ("X: a\r\n folded\r\n", 400),
        ("X : a\r\n", 400),
        ("X: a\0\r\n", 400),
        ("X: \x01\r\n", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\n", 426),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n", 101),
        ("Sec-WebSocket-Extensions: permessage-deflate; =8\r\n", 400),
        ("Sec-WebSocket-Protocol: chat\r\n", 101),
        ("Origin: https://a.example\r\n", 101),
        ("Origin: https://b.example\r\n", 403),
    ] {
        assert_eq!(status(lines), expected, "{lines:?}");
    }
}

#[test]
fn garbage_in_place_of_a_request_is_400_at_its_first_bytes() {
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\x81\x85", b"\0", b"\n", b"{}", b"GET  /"]
    {
        let error = Request::decode(garbage, HeadLimits::default()).unwrap_err();
        assert_eq!(error.status(), 400, "{garbage:x?}");
    }
}

// Frames: what the other tests do not say of the table.

#[test]
fn data_after_close_is_ignored() {
    for role in ROLES {
        let close = frame(role, CLOSE, close_payload(1000, "bye"));
        let alone = feed(role, &close);
        let wrong = if role == Role::Client { Role::Server } else { Role::Client };
        for after in [
            frame(role, TEXT, "late"),
            frame(role, PING, "late"),
            frame(role, CLOSE, close_payload(1001, "late")),
            frame(role, 0x83, ""),
            frame(wrong, TEXT, "late"),
            header(role, BINARY, u64::MAX),
            vec![0xff; 1000],
        ] {
            assert_eq!(feed(role, [&close[..], &after].concat()), alone);
        }
    }
}

#[test]
fn an_announced_length_past_the_limit_fails_before_any_payload_while_one_within_waits() {
    for role in ROLES {
        let within = feed(role, header(role, TEXT, 16 << 20));
        assert_eq!((within.error, within.output), (None, vec![]));
        let past = feed(role, header(role, TEXT, (16 << 20) + 1));
        assert_eq!(close_code(&past.output), 1009);
    }
}

#[test]
fn control_frames_fail_from_their_first_two_bytes() {
    for role in ROLES {
        for (bytes, error) in [
            ([0x09, 0x00], FrameError::FragmentedControl),
            ([0x08, 0x80], FrameError::FragmentedControl),
            ([0x89, 0x7e], FrameError::ControlTooLong),
            ([0x8a, 0xfe], FrameError::ControlTooLong),
            ([0x88, 0xff], FrameError::ControlTooLong),
        ] {
            assert_fails(role, bytes, error, 1002);
        }
    }
}

#[test]
fn room_can_be_asked_for_while_an_event_is_ready() {
    let (mut inbound, _) = Protocol::new(Role::Client, config()).split();
    let bytes = [frame(Role::Client, TEXT, "first"), frame(Role::Client, TEXT, "second")].concat();
    inbound.spare()[..bytes.len()].copy_from_slice(&bytes);
    inbound.received(bytes.len());
    for (text, next) in [("first", "third"), ("second", "fourth")] {
        assert!(inbound.poll_event().unwrap());
        let more = frame(Role::Client, TEXT, next);
        inbound.spare()[..more.len()].copy_from_slice(&more);
        inbound.received(more.len());
        inbound.release();
        assert_eq!(inbound.next_event().unwrap(), Some(Event::Text(text)));
    }
    for text in ["third", "fourth"] {
        assert_eq!(inbound.next_event().unwrap(), Some(Event::Text(text)));
    }
}

#[test]
fn what_is_received_while_an_event_is_ready_moves_nothing() {
    let mut client = Protocol::new(Role::Client, Config::default()).split().0;
    client.receive(b"\x81\x05Hello\x81\x05");
    assert_eq!(client.poll_event(), Ok(true));
    client.receive(b"World");
    assert_eq!(client.next_event(), Ok(Some(Event::Text("Hello"))));
    assert_eq!(client.next_event(), Ok(Some(Event::Text("World"))));
}
