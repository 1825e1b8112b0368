//! Two endpoints in memory, with random operations, cuts, styles and a virtual clock; garbage; any cut of
//! given bytes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod pair;

use std::time::{Duration, Instant};

use pair::*;
use proptest::collection::vec;
use proptest::prelude::*;
use talkback::frame::{CloseCode, CloseFrame};
use talkback::protocol::{Beat, Config, Keepalive, Message, Prepared, Protocol, Role, SendError};

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        Just(Style::Window),
        Just(Style::Lend),
        Just(Style::Messages),
        prop_oneof![Just(1), 1..100_usize, Just(usize::MAX)].prop_map(Style::Parts),
        (1..5000_usize).prop_map(Style::Turns),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

/// Lengths around every edge there is: of a length's form, of a piece, of a window.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..200_usize,
        2 => 4000..4200_usize,
        2 => 65_500..65_600_usize,
        1 => 0..40_000_usize,
        1 => 120_000..200_000_usize,
    ]
}

#[derive(Debug, Clone)]
enum Way {
    Copied,
    Owned,
    Prepared,
    /// Lent, and this much taken while it is.
    Lent(usize),
    /// In pieces of this length, pinging between.
    Fragments(usize),
}

#[derive(Debug, Clone)]
enum Operation {
    Text(usize, Way),
    Binary(usize, Way),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// This many bytes cross the wire.
    Carry(usize),
    Release,
}

fn operation() -> impl Strategy<Value = Operation> {
    let way = || {
        prop_oneof![
            Just(Way::Copied),
            Just(Way::Owned),
            Just(Way::Prepared),
            (0..100_000_usize).prop_map(Way::Lent),
            prop_oneof![Just(1), 1..3000_usize].prop_map(Way::Fragments),
        ]
    };
    prop_oneof![
        2 => (len(), way()).prop_map(|(len, way)| Operation::Text(len, way)),
        2 => (len(), way()).prop_map(|(len, way)| Operation::Binary(len, way)),
        1 => vec(any::<u8>(), 0..=125).prop_map(Operation::Ping),
        1 => vec(any::<u8>(), 0..=125).prop_map(Operation::Pong),
        4 => prop_oneof![1..20_usize, 1..5000_usize, Just(usize::MAX)].prop_map(Operation::Carry),
        1 => Just(Operation::Release),
    ]
}

/// Text of about this length, with characters of one to four bytes; different for each `seed`.
fn text(len: usize, seed: usize) -> String {
    let alphabet = ['a', 'é', '€', '😀', 'z', '\u{10ffff}', '\0'];
    let mut text = String::new();
    for at in 0.. {
        if text.len() >= len {
            break;
        }
        text.push(alphabet[(at * 5 + at / 7 + seed) % alphabet.len()]);
    }
    text
}

fn binary(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap()).collect()
}

/// One direction: the sender's endpoint, and what must arrive at the other, except for pongs.
struct Side {
    endpoint: Endpoint,
    sent: Vec<Received>,
}

fn send(side: &mut Side, message: &Message, way: &Way, wire: &mut Vec<u8>) -> Result<(), SendError> {
    let outbound = side.endpoint.outbound();
    match way {
        Way::Copied => outbound.send(message),
        Way::Owned => outbound.send_owned(message.clone()),
        Way::Prepared => outbound.send_prepared(&Prepared::new(message)),
        Way::Lent(taken) => {
            wire.extend(send_with(outbound, message, &[*taken])?);
            Ok(())
        }
        Way::Fragments(len) => {
            // No shorter than keeps the longest message below the receiver's limit of fragments.
            let len = &(*len).max(message.as_bytes().len().div_ceil(100_000));
            let pieces: Vec<&[u8]> = message.as_bytes().chunks(*len).collect();
            if let Message::Text(text) = message {
                let mut rest = text.as_str();
                loop {
                    let most = (*len).max(4).min(rest.len());
                    let end = (0..=most).rev().find(|end| rest.is_char_boundary(*end)).unwrap();
                    let (piece, after) = rest.split_at(end);
                    outbound.send_fragment(piece, after.is_empty())?;
                    rest = after;
                    if rest.is_empty() {
                        return Ok(());
                    }
                    outbound.ping(b"between")?;
                    side.sent.push(Received::Ping(b"between".to_vec()));
                }
            }
            outbound.send_fragment(b"", pieces.is_empty())?;
            for (index, piece) in pieces.iter().enumerate() {
                outbound.send_fragment(*piece, index + 1 == pieces.len())?;
            }
            Ok(())
        }
    }
}

fn apply(side: &mut Side, operation: &Operation, seed: usize, wire: &mut Vec<u8>) {
    let message: Message = match operation {
        Operation::Text(len, _) => text(*len, seed).into(),
        Operation::Binary(len, _) => binary(*len, seed).into(),
        Operation::Ping(payload) => {
            side.endpoint.outbound().ping(payload).unwrap();
            return side.sent.push(Received::Ping(payload.clone()));
        }
        Operation::Pong(payload) => return side.endpoint.outbound().pong(payload).unwrap(),
        Operation::Release => return side.endpoint.release(),
        Operation::Carry(_) => return,
    };
    let (Operation::Text(_, way) | Operation::Binary(_, way)) = operation else { return };
    send(side, &message, way, wire).unwrap();
    side.sent.push(match message {
        Message::Text(text) => Received::Text(text),
        Message::Binary(bytes) => Received::Binary(bytes),
    });
}

fn without_pongs(received: &[Received]) -> Vec<Received> {
    received.iter().filter(|event| !matches!(event, Received::Pong(_))).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives_once_and_in_order(
        styles in (style(), style()),
        operations in vec((any::<bool>(), operation()), 1..30),
        close in (any::<bool>(), prop_oneof![Just(None), (3000..5000_u16).prop_map(Some)]),
    ) {
        let config = Config::default().max_output_len(None);
        let new = |role, style| Side { endpoint: Endpoint::new(role, config.clone(), style), sent: vec![] };
        let mut sides = [new(Role::Client, styles.0), new(Role::Server, styles.1)];
        // What is written and not read yet, in each direction.
        let mut wires = [Vec::new(), Vec::new()];
        for (seed, (by_server, operation)) in operations.iter().enumerate() {
            let by = usize::from(*by_server);
            apply(&mut sides[by], operation, seed, &mut wires[by]);
            if let Operation::Carry(len) = operation {
                let written = sides[by].endpoint.write(*len);
                wires[by].extend(written);
                let len = wires[by].len().min(*len);
                let bytes: Vec<u8> = wires[by].drain(..len).collect();
                sides[1 - by].endpoint.read(&bytes);
            }
        }
        let closer = usize::from(close.0);
        let code = close.1.and_then(CloseCode::new);
        sides[closer].endpoint.outbound().close(code.map(|code| CloseFrame::new(code, "done"))).unwrap();
        sides[closer].sent.push(Received::Close(code.map(|code| CloseFrame::new(code, "done"))));
        sides[1 - closer].sent.push(Received::Close(code.map(CloseFrame::from)));
        for by in [0, 1] {
            let bytes = std::mem::take(&mut wires[by]);
            sides[1 - by].endpoint.read(&bytes);
        }
        let [client, server] = &mut sides;
        settle(&mut client.endpoint, &mut server.endpoint);
        prop_assert!(client.endpoint.is_closed() && server.endpoint.is_closed());
        prop_assert_eq!((&client.endpoint.error, &server.endpoint.error), (&None, &None));
        prop_assert!(without_pongs(&server.endpoint.received) == client.sent);
        prop_assert!(without_pongs(&client.endpoint.received) == server.sent);
    }

    #[test]
    fn any_cut_gives_the_same_events_and_the_same_error(
        role in role(),
        style in style(),
        frames in frames(),
        cuts in vec(1..300_usize, 1..20),
    ) {
        let bytes = build(role, &frames);
        let expected = outcome(role, &Config::default(), Style::Window, &bytes, usize::MAX);
        let mut endpoint = Endpoint::new(role, Config::default(), style);
        let mut rest = &bytes[..];
        for len in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*len).min(rest.len()));
            endpoint.read(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&endpoint.received, &expected.received);
        prop_assert_eq!(&endpoint.error, &expected.error);
        prop_assert_eq!(endpoint.is_closed(), expected.closed);
        prop_assert!(endpoint.write(usize::MAX) == expected.output);
    }

    #[test]
    fn garbage_ends_in_an_error_or_waits(
        role in role(),
        style in style(),
        bytes in vec(prop_oneof![Just(0x81), Just(0x01), Just(0x80), Just(0x02), 0..=4_u8, any::<u8>()], 0..400),
        cut in 1..50_usize,
    ) {
        let config = Config::default().max_message_len(Some(1000));
        let outcome = outcome(role, &config, style, &bytes, cut);
        match outcome.error {
            Some(error) => {
                let output = wire(&outcome.output);
                let close = output.last().unwrap();
                prop_assert_eq!((close.first, &close.payload[..2]), (CLOSE, &error.close_code().value().to_be_bytes()[..]));
            }
            None => prop_assert!(outcome.output.len() <= 131 * bytes.len()),
        }
    }

    #[test]
    fn after_an_error_every_call_returns_the_same(
        role in role(),
        frames in frames(),
        more in vec(any::<u8>(), 0..300),
    ) {
        let mut protocol = Protocol::new(role, Config::default());
        let wrong = [build(role, &frames), frame(role, 0x83, "")].concat();
        let mut lent_bytes = wrong.clone();
        let mut lent = protocol.lend(&mut lent_bytes);
        let first = loop {
            match lent.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break None, // it closed before
                Err(error) => break Some(error),
            }
        };
        drop(lent);
        let Some(first) = first else { return Ok(()) };
        let output: Vec<u8> = protocol.output().flatten().copied().collect();
        for _ in 0..3 {
            prop_assert_eq!(protocol.next_event().map(drop), Err(first.clone()));
            prop_assert_eq!(protocol.next_part(10).map(drop), Err(first.clone()));
            let mut shared = more.clone();
            prop_assert_eq!(protocol.lend(&mut shared).next_event().map(drop), Err(first.clone()));
            let room = protocol.spare();
            let len = room.len().min(more.len());
            room[..len].copy_from_slice(&more[..len]);
            protocol.received(len);
        }
        prop_assert!(protocol.output().flatten().copied().eq(output));
        let (mut inbound, _) = protocol.split();
        prop_assert_eq!(inbound.error(), Some(&first));
        prop_assert_eq!(inbound.poll_event(), Err(first.clone()));
        prop_assert_eq!(inbound.next_message(|_| ()), Err(first));
    }

    #[test]
    fn a_mask_where_none_may_be_or_none_where_one_must_is_1002(
        role in role(),
        first in prop_oneof![Just(TEXT), Just(BINARY), Just(CLOSE), Just(PING), Just(PONG), Just(FIRST_TEXT)],
        payload in vec(any::<u8>(), 0..126),
        before in 0..5_usize,
        style in style(),
        cut in 1..40_usize,
    ) {
        let wrong = if role == Role::Client { Role::Server } else { Role::Client };
        let bytes = [frame(role, TEXT, "ok").repeat(before), frame(wrong, first, payload)].concat();
        let outcome = outcome(role, &Config::default(), style, &bytes, cut);
        prop_assert_eq!(outcome.received.len(), before);
        prop_assert_eq!(close_code(&outcome.output), 1002);
    }

    /// A plain model beside it: the last input, and when that silence was pinged into.
    #[test]
    fn keepalive_keeps_its_deadlines(
        ping in prop_oneof![Just(None), (1..50_u64).prop_map(Some)],
        idle in prop_oneof![Just(None), (1..100_u64).prop_map(Some)],
        steps in vec((0..40_u64, any::<bool>()), 1..60),
    ) {
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let config = Config::default().ping_interval(seconds(ping)).idle_timeout(seconds(idle));
        let start = Instant::now();
        let at = |time: u64| start + Duration::from_secs(time);
        let mut keepalive = Keepalive::new(&config, start);
        let (mut now, mut last_input, mut pinged_at) = (0, 0, None);
        for (elapsed, input) in steps {
            now += elapsed;
            let ping_due = ping.filter(|_| pinged_at.is_none()).map(|ping| last_input + ping);
            // A late ping leaves as long to answer as one in time.
            let idle_due = idle.map(|idle| match (pinged_at, ping) {
                (Some(pinged_at), Some(ping)) => (last_input + idle).max(pinged_at + idle.saturating_sub(ping)),
                _ => last_input + idle,
            });
            let due = match (ping_due, idle_due) {
                (Some(ping), Some(idle)) if ping < idle => Some((ping, Beat::Ping)),
                (Some(ping), None) => Some((ping, Beat::Ping)),
                (_, idle) => idle.map(|idle| (idle, Beat::Idle)),
            };
            prop_assert_eq!(keepalive.poll_timeout(), due.map(|(time, _)| at(time)));
            let expected = due.filter(|(time, _)| *time <= now).map(|(_, beat)| beat);
            prop_assert_eq!(keepalive.handle_timeout(at(now)), expected);
            if expected == Some(Beat::Ping) {
                pinged_at = Some(now);
            }
            if input {
                keepalive.handle_input(at(now));
                (last_input, pinged_at) = (now, None);
            }
        }
    }

    #[test]
    fn a_close_ends_in_time_whatever_else_happens(
        close in 0..1000_u64,
        inputs in vec(0..6000_u64, 0..10),
        timeout in 1..6000_u64,
    ) {
        let millis = Duration::from_millis;
        let start = Instant::now();
        let mut keepalive = Keepalive::new(&Config::default().close_timeout(Some(millis(timeout))), start);
        keepalive.handle_close_sent(start + millis(close));
        for input in inputs {
            keepalive.handle_input(start + millis(close + input));
            keepalive.handle_close_sent(start + millis(close + input));
        }
        let end = start + millis(close + timeout);
        prop_assert_eq!(keepalive.poll_timeout(), Some(end));
        prop_assert_eq!(keepalive.handle_timeout(end - Duration::from_nanos(1)), None);
        prop_assert_eq!(keepalive.handle_timeout(end), Some(Beat::CloseUnanswered));
    }
}

/// The first byte and the payload of some frames, most of them right, some wrong.
fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let first = prop_oneof![
        20 => prop_oneof![Just(TEXT), Just(BINARY), Just(PING), Just(PONG)],
        1 => prop_oneof![Just(FIRST_TEXT), Just(MIDDLE), Just(CLOSE), any::<u8>()],
    ];
    let payload = prop_oneof![
        6 => (0..40_usize, 0..7_usize).prop_map(|(len, seed)| text(len, seed).into_bytes()),
        2 => (0..300_usize, 0..7_usize).prop_map(|(len, seed)| text(len, seed).into_bytes()),
        1 => vec(any::<u8>(), 0..20),
    ];
    let single = (first, payload).prop_map(|frame| vec![frame]);
    // A text cut anywhere, also inside a character, with pings between.
    let fragmented = (0..200_usize, 1..40_usize, any::<bool>()).prop_map(|(len, cut, pings)| {
        let text = text(len, len).into_bytes();
        let mut frames = vec![(FIRST_TEXT, Vec::new())];
        for piece in text.chunks(cut) {
            frames.push((MIDDLE, piece.to_vec()));
            frames.extend(pings.then(|| (PING, b"between".to_vec())));
        }
        frames.push((LAST, Vec::new()));
        frames
    });
    vec(prop_oneof![3 => single, 1 => fragmented], 0..12).prop_map(|frames| frames.concat())
}

/// The frames on the wire, as `to` must get them.
fn build(to: Role, frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| frame(to, *first, payload)).collect()
}
