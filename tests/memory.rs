//! What a connection holds and allocates, counted by the allocator: nothing for a small message, nothing
//! while idle, and never more than what came asks for.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

mod pair;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pair::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use talkback::protocol::{Config, Event, Outbound, Protocol, ProtocolError, Role};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What the test runner may hold for its own ends.
const NOISE: usize = 8 * KIB;

/// The counts are those of the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many allocations `work` makes. The least of some runs: the test runner has a thread of its own, which
/// may allocate for its own ends, but not each time.
fn allocation_count(mut work: impl FnMut()) -> usize {
    let run = |_| {
        let before = ALLOCATOR.stats();
        work();
        let after = ALLOCATOR.stats();
        after.allocations + after.reallocations - before.allocations - before.reallocations
    };
    (0..5).map(run).min().unwrap()
}

/// Bytes allocated and not freed.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What is held more than `before`.
fn grown(before: usize) -> usize {
    held().saturating_sub(before)
}

/// Hands over what fits as one read; how much that was.
fn read(protocol: &mut Protocol, bytes: &[u8]) -> usize {
    let room = protocol.spare();
    let len = room.len().min(bytes.len());
    room[..len].copy_from_slice(&bytes[..len]);
    protocol.received(len);
    len
}

fn echo((event, outbound): (Event<'_>, &mut Outbound)) {
    match event {
        Event::Text(text) => outbound.send(text).unwrap(),
        Event::Binary(bytes) => outbound.send(bytes).unwrap(),
        Event::Ping(_) | Event::Pong(_) | Event::Close(_) => {}
    }
}

fn flush(protocol: &mut Protocol) -> usize {
    let len = protocol.output().map(<[u8]>::len).sum();
    protocol.sent(len);
    len
}

#[test]
fn counts_are_counted() {
    let _alone = alone();
    let before = held();
    let mut kept = Vec::new();
    assert!(allocation_count(|| kept.push(vec![0_u8; MIB])) >= 1);
    assert!((5 * MIB - NOISE..5 * MIB + NOISE).contains(&grown(before)), "{}", grown(before));
}

#[test]
fn a_message_of_16_bytes_received_and_echoed_costs_no_allocation() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        for first in [TEXT, BINARY, PING] {
            let bytes = frame(role, first, b"sixteen bytes it").repeat(16);
            let mut protocol = Protocol::new(role, Config::default());
            let mut turn = || {
                assert_eq!(read(&mut protocol, &bytes), bytes.len());
                let mut count = 0;
                while let Some(event) = protocol.next_event().unwrap() {
                    echo(event);
                    count += 1;
                }
                assert_eq!(count, 16);
                assert!(flush(&mut protocol) >= 16 * 18);
            };
            turn(); // the first one takes the window and the output
            assert_eq!(allocation_count(turn), 0, "{role:?} {first:x}");
        }
    }
}

#[test]
fn a_message_that_is_received_costs_no_allocation_even_the_first_time_in_a_lent_buffer() {
    let _alone = alone();
    let mut shared = frame(Role::Server, TEXT, b"sixteen bytes it");
    let original = shared.clone();
    let allocations = allocation_count(|| {
        let mut protocol = Protocol::new(Role::Server, Config::default());
        shared.copy_from_slice(&original);
        let mut lent = protocol.lend(&mut shared);
        let (event, _) = lent.next_event().unwrap().unwrap();
        assert_eq!(event, Event::Text("sixteen bytes it"));
        assert!(lent.next_event().unwrap().is_none());
    });
    assert_eq!(allocations, 0);
}

#[test]
fn a_message_that_lies_whole_in_the_window_costs_no_allocation() {
    let _alone = alone();
    for first in [TEXT, BINARY] {
        let bytes = frame(Role::Server, first, vec![b'x'; 60 * KIB]);
        let mut protocol = Protocol::new(Role::Server, Config::default());
        // Many small messages first: the window grows while reads fill it.
        let small = frame(Role::Server, TEXT, b"x").repeat(30_000);
        let mut at = 0;
        while at < small.len() {
            at += read(&mut protocol, &small[at..]);
            while protocol.next_event().unwrap().is_some() {}
        }
        let mut turn = || {
            let mut at = 0;
            while at < bytes.len() {
                at += read(&mut protocol, &bytes[at..]);
                let event = protocol.next_event().unwrap();
                assert_eq!(matches!(event, Some((Event::Text(_) | Event::Binary(_), _))), at == bytes.len());
            }
            assert!(protocol.next_event().unwrap().is_none());
        };
        (0..3).for_each(|_| turn()); // the window takes the measure of the messages
        assert_eq!(allocation_count(turn), 0);
    }
}

#[test]
fn ten_thousand_announced_lengths_keep_memory_small() {
    let _alone = alone();
    for first in [TEXT, BINARY, FIRST_TEXT, FIRST_BINARY] {
        let attack = [header(Role::Server, first, 16 << 20), KEY.repeat(25)].concat(); // of 100 zeros
        let before = held();
        let mut connections = Vec::with_capacity(10_000);
        for _ in 0..10_000 {
            let mut protocol = Protocol::new(Role::Server, Config::default());
            assert_eq!(read(&mut protocol, &attack), attack.len());
            assert!(protocol.next_event().unwrap().is_none());
            connections.push(protocol);
        }
        let each = grown(before) / connections.len() - size_of::<Protocol>();
        // The first window, 100 bytes of the message, and where they are kept.
        assert!(each <= 4 * KIB + 300, "{each}");
        connections.iter_mut().for_each(Protocol::release);
        let each = grown(before) / connections.len() - size_of::<Protocol>();
        assert!((100..=300).contains(&each), "{each}");
    }
}

#[test]
fn ten_thousand_announced_lengths_in_a_lent_buffer_keep_nothing_but_what_came() {
    let _alone = alone();
    let attack = [header(Role::Server, BINARY, 16 << 20), KEY.repeat(25)].concat();
    let mut shared = attack.clone();
    let before = held();
    let mut connections = Vec::with_capacity(10_000);
    for _ in 0..10_000 {
        let mut protocol = Protocol::new(Role::Server, Config::default());
        shared.copy_from_slice(&attack);
        assert!(protocol.lend(&mut shared).next_event().unwrap().is_none());
        connections.push(protocol);
    }
    let each = grown(before) / connections.len() - size_of::<Protocol>();
    assert!((100..=300).contains(&each), "{each}");
}

#[test]
fn a_length_past_the_limit_takes_no_memory_at_all() {
    let _alone = alone();
    let attack = header(Role::Server, BINARY, (16 << 20) + 1);
    let taken = least(|| {
        let mut shared = attack.clone();
        let before = held();
        let mut protocol = Protocol::new(Role::Server, Config::default());
        let error = protocol.lend(&mut shared).next_event().map(drop).unwrap_err();
        assert_eq!(error, ProtocolError::MessageTooBig { len: (16 << 20) + 1, max: 16 << 20 });
        flush(&mut protocol);
        protocol.release();
        grown(before)
    });
    assert_eq!(taken, 0);
}

#[test]
fn a_flood_of_pings_that_is_never_answered_on_the_wire_is_bounded() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let bytes = frame(role, PING, [7; 125]).repeat(30);
        let mut protocol = Protocol::new(role, Config::default());
        let before = held();
        let mut most = 0;
        for _ in 0..10_000 {
            assert_eq!(read(&mut protocol, &bytes), bytes.len());
            while protocol.next_event().unwrap().is_some() {}
            most = most.max(grown(before));
        }
        // The window of twice 4 KiB, and 4 KiB of pongs with what a growing buffer has over.
        assert!(most <= 16 * KIB + NOISE, "{most}");
        assert!(protocol.output().map(<[u8]>::len).sum::<usize>() < 4 * KIB + 131);
    }
}

#[test]
fn output_that_is_never_empty_does_not_grow() {
    let _alone = alone();
    let bytes = frame(Role::Server, PING, [7; 125]);
    let mut protocol = Protocol::new(Role::Server, Config::default());
    for _ in 0..4 {
        read(&mut protocol, &bytes);
        assert!(protocol.next_event().unwrap().is_some());
    }
    let before = held();
    for _ in 0..100_000 {
        read(&mut protocol, &bytes);
        assert!(protocol.next_event().unwrap().is_some());
        protocol.sent(127); // a pong's length: as much as came in, but never all
        assert!(protocol.output().next().is_some());
    }
    assert!(grown(before) <= 32 * KIB + NOISE, "{}", grown(before)); // two pieces of 16 KiB
}

#[test]
fn the_most_empty_fragments_take_no_memory() {
    let _alone = alone();
    for first in [FIRST_TEXT, FIRST_BINARY] {
        let empty = frame(Role::Server, MIDDLE, "").repeat(512);
        let mut protocol = Protocol::new(Role::Server, Config::default());
        let before = held();
        read(&mut protocol, &frame(Role::Server, first, ""));
        assert!(protocol.next_event().unwrap().is_none());
        let mut most = 0;
        for _ in 0..255 {
            assert_eq!(read(&mut protocol, &empty), empty.len());
            assert!(protocol.next_event().unwrap().is_none());
            most = most.max(grown(before));
        }
        read(&mut protocol, &empty[..511 * 6]);
        assert!(protocol.next_event().unwrap().is_none()); // 131,072 by now
        assert!(most <= 8 * KIB + NOISE, "{most}"); // a window that grew once
        read(&mut protocol, &empty[..6]);
        let error = protocol.next_event().map(drop).unwrap_err();
        assert_eq!(error, ProtocolError::TooManyFragments { max: 131_072 });
        let output: Vec<u8> = protocol.output().flatten().copied().collect();
        assert_eq!(close_code(&output), 1009);
    }
}

/// The least of what is left over in some runs: see [`allocation_count`].
fn least(work: impl Fn() -> usize) -> usize {
    (0..5).map(|_| work()).min().unwrap()
}

#[test]
fn an_idle_connection_of_a_server_holds_nothing() {
    let _alone = alone();
    let bytes = [
        frame(Role::Server, TEXT, b"hello"),
        frame(Role::Server, FIRST_BINARY, [1; 1000]),
        frame(Role::Server, PING, "?"),
        frame(Role::Server, LAST, [1; 1000]),
    ]
    .concat();
    let fresh = least(|| {
        let before = held();
        let _protocol = Protocol::new(Role::Server, Config::default());
        grown(before)
    });
    assert_eq!(fresh, 0);
    let released = least(|| {
        let before = held();
        let mut protocol = Protocol::new(Role::Server, Config::default());
        read(&mut protocol, &bytes);
        while let Some(event) = protocol.next_event().unwrap() {
            echo(event);
        }
        flush(&mut protocol);
        assert!(grown(before) > 4 * KIB);
        protocol.release();
        grown(before)
    });
    assert_eq!(released, 0);
}

#[test]
fn an_idle_connection_that_is_lent_to_holds_nothing() {
    let _alone = alone();
    let bytes = [frame(Role::Server, TEXT, b"hello"), frame(Role::Server, BINARY, [7; 200])].concat();
    // In one read, in two, in three.
    for cuts in [[0, 0], [1, 1], [3, 20], [20, 100]] {
        let left = least(|| {
            let mut shared = bytes.clone();
            let (first, rest) = shared.split_at_mut(cuts[0]);
            let (second, third) = rest.split_at_mut(cuts[1] - cuts[0]);
            let before = held();
            let mut protocol = Protocol::new(Role::Server, Config::default());
            let mut count = 0;
            for piece in [first, second, third] {
                let mut lent = protocol.lend(piece);
                while lent.next_event().unwrap().is_some() {
                    count += 1;
                }
            }
            assert_eq!(count, 2);
            protocol.release();
            grown(before)
        });
        assert_eq!(left, 0, "{cuts:?}");
    }
}

#[test]
fn a_connection_that_failed_or_closed_keeps_nothing_of_what_still_comes() {
    let _alone = alone();
    for last in [frame(Role::Server, 0x83, ""), frame(Role::Server, CLOSE, "")] {
        let mut shared = [last, vec![7; 30 * KIB]].concat();
        let mut protocol = Protocol::new(Role::Server, Config::default());
        let before = held();
        for _ in 0..100 {
            let mut lent = protocol.lend(&mut shared);
            drop(lent.next_event());
            drop(lent);
            drop(protocol.lend(&mut shared)); // nor does one who doesn't ask
        }
        assert!(grown(before) <= NOISE, "{}", grown(before));
        // One who drains the socket through the window always has room to read into.
        for _ in 0..100 {
            assert!(read(&mut protocol, &shared) > 0);
            drop(protocol.next_event());
        }
        assert!(grown(before) <= 64 * KIB + NOISE, "{}", grown(before));
    }
}

#[test]
fn memory_follows_the_bytes_that_came() {
    let _alone = alone();
    let chunk = vec![b'x'; 16 * KIB];
    for first in [TEXT, BINARY] {
        for len in [64 * KIB, 100_000, MIB, 16 * MIB] {
            let before = held();
            let mut protocol = Protocol::new(Role::Client, Config::default());
            let header = header(Role::Client, first, len.try_into().unwrap());
            read(&mut protocol, &header);
            let mut came = 0;
            while came < len {
                let rest = len - came;
                came += read(&mut protocol, &chunk[..rest.min(chunk.len())]);
                let held = grown(before);
                assert!(held <= 2 * came + 128 * KIB, "{held} for {came}");
                let event = protocol.next_event().unwrap();
                assert_eq!(event.is_some(), came == len);
                let held = grown(before);
                assert!(held <= 2 * came + 128 * KIB, "{held} for {came}");
            }
            assert!(protocol.next_event().unwrap().is_none());
            // What it took is kept for the next one, until there is one that does without it ..
            assert!(grown(before) <= 2 * len + 256 * KIB + NOISE, "{}", grown(before));
            let small = frame(Role::Client, first, "small");
            assert_eq!(read(&mut protocol, &small), small.len());
            assert!(protocol.next_event().unwrap().is_some());
            protocol.spare();
            assert!(grown(before) <= 2 * 256 * KIB + NOISE, "{}", grown(before));
            // .. or the connection falls silent.
            protocol.release();
            assert!(grown(before) <= NOISE, "{}", grown(before));
        }
    }
}

#[test]
fn a_message_of_the_limit_takes_no_more_than_the_limit() {
    let _alone = alone();
    let before = held();
    let config = Config::default().max_message_len(Some(MIB + 1));
    let chunk = vec![b'x'; 10_000];
    for first in [TEXT, BINARY] {
        let mut protocol = Protocol::new(Role::Client, config.clone());
        read(&mut protocol, &header(Role::Client, first & 0x7f, 1000));
        let mut came = 0;
        while came < 1000 {
            came += read(&mut protocol, &chunk[..1000 - came]);
            assert!(protocol.next_event().unwrap().is_none());
        }
        read(&mut protocol, &header(Role::Client, LAST, (MIB + 1 - 1000).try_into().unwrap()));
        let mut most = 0;
        while came < MIB + 1 {
            came += read(&mut protocol, &chunk[..chunk.len().min(MIB + 1 - came)]);
            assert_eq!(protocol.next_event().unwrap().is_some(), came == MIB + 1);
            most = most.max(grown(before));
        }
        assert!(most <= MIB + 64 * KIB + NOISE, "{most}");
    }
}

/// Hands over all of it, and takes each event.
fn read_all(protocol: &mut Protocol, bytes: &[u8], most: &mut usize, before: usize) -> usize {
    let (mut at, mut refused) = (0, 0);
    while at < bytes.len() {
        at += read(protocol, &bytes[at..]);
        while let Some((event, outbound)) = protocol.next_event().unwrap() {
            if let Event::Binary(bytes) = event {
                refused += usize::from(outbound.send(bytes).is_err());
            }
        }
        *most = grown(before).max(*most);
    }
    refused
}

/// The peer sends the most it may, never reads, and pings; the application echoes until it is full.
#[test]
fn the_memory_budget_holds_under_attack() {
    let _alone = alone();
    for budget in [64 * KIB, 256 * KIB, MIB] {
        for first in [FIRST_TEXT, FIRST_BINARY] {
            for len in [1, 100, 1000] {
                let small = frame(Role::Server, BINARY, vec![7; len]).repeat(3000 / len);
                let ping = frame(Role::Server, PING, [1; 125]);
                let start = frame(Role::Server, first, "");
                let fragment = [frame(Role::Server, MIDDLE, [7; 1023]), ping].concat();
                let garbage = vec![0x8a; 64 * KIB];
                let before = held();
                let mut most = 0;
                let mut protocol = Protocol::new(Role::Server, Config::default().memory_budget(Some(budget)));
                while read_all(&mut protocol, &small, &mut most, before) == 0 {}
                // Then a message as large as it may be but for some bytes, and a window that is full.
                read_all(&mut protocol, &start, &mut most, before);
                for _ in 0..budget / 2 / 1023 {
                    read_all(&mut protocol, &fragment, &mut most, before);
                }
                read(&mut protocol, &garbage);
                most = most.max(grown(before));
                assert!(most > budget / 4 * 3, "no attack: {most} of {budget}");
                // One message that may step over, and what the parts are kept in.
                assert!(most <= budget + len + NOISE, "{most} of {budget}, {len}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_blocking_connection_holds_no_buffer_while_its_peer_is_silent() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;
    use talkback::WebSocket;

    let _alone = alone();
    let (mut peer, stream) = UnixStream::pair().unwrap();
    let millis = |count| Some(Duration::from_millis(count));
    let config = Config::default().ping_interval(millis(50)).idle_timeout(None);
    let mut ws = WebSocket::from_stream(stream, Role::Server, config);
    let before = held();
    for after_silence in [false, true] {
        peer.write_all(&frame(Role::Server, TEXT, "sixteen bytes it")).unwrap();
        ws.recv().unwrap().unwrap();
        // A window of 4 KiB, or none; the runner may have given some bytes back meanwhile.
        assert_eq!(grown(before) >= 3 * KIB, !after_silence, "{}", grown(before));
        ws.set_recv_timeout(millis(200));
        let silence = |_| {
            assert!(ws.recv().unwrap_err().is_retryable());
            grown(before)
        };
        let least = (0..3).map(silence).min().unwrap();
        assert!(least < 3 * KIB, "{least}"); // less than a window, whatever the runner holds
    }
}
