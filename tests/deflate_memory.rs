//! What compression costs in memory, counted by the allocator: nothing until it is used, nothing shared while
//! idle, and a bomb no more than the limit.

#![cfg(feature = "deflate")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that tests share")]

mod pair;

use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pair::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use talkback::handshake::DeflateParameters;
use talkback::protocol::{Config, Deflate, MessageKind, Part, Protocol, Role};
use zlib_rs::DeflateFlush;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What the test runner may hold for its own ends.
const NOISE: usize = 8 * KIB;
const DEFLATED_TEXT: u8 = TEXT | 0x40;
const DEFLATED_BINARY: u8 = BINARY | 0x40;

/// Runs a test by itself, as the counts are those of the whole process. In a thread whose end is
/// waited for: what a thread keeps is freed there.
fn alone(test: fn()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(panic) = std::thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn grown(before: usize) -> usize {
    held().saturating_sub(before)
}

fn private() -> Deflate {
    Deflate::private()
}

fn connection(role: Role, options: &Deflate, config: &Config) -> Protocol {
    Protocol::new(role, config.clone()).with_deflate(&options.parameters, options)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut state = zlib_rs::Deflate::new(9, false, 15);
    let mut out = vec![0; bytes.len() / 2 + 1000];
    state.compress(bytes, &mut out, DeflateFlush::SyncFlush).unwrap();
    out.truncate(usize::try_from(state.total_out()).unwrap() - 4);
    out
}

fn flush(protocol: &mut Protocol) {
    let len = protocol.output().map(<[u8]>::len).sum();
    protocol.sent(len);
}

/// The least of some runs: the test runner may allocate for its own ends, but not each time.
fn least(work: impl Fn() -> usize) -> usize {
    (0..5).map(|_| work()).min().unwrap()
}

#[test]
fn nothing_is_held_until_it_is_used() {
    alone(|| {
        let plain = [frame(Role::Server, TEXT, b"hello"), frame(Role::Server, PING, "")].concat();
        for options in [private(), Deflate::shared()] {
            let taken = least(|| {
                let mut bytes = plain.clone();
                let before = held();
                let mut protocol = connection(Role::Server, &options, &Config::default());
                let fresh = grown(before);
                let mut lent = protocol.lend(&mut bytes);
                while lent.next_event().unwrap().is_some() {}
                drop(lent);
                // Too short to be compressed, in each way.
                protocol.outbound().send("short").unwrap();
                protocol.outbound().send_uncompressed(&vec![7; 100][..]).unwrap();
                flush(&mut protocol);
                protocol.release();
                fresh + grown(before)
            });
            assert_eq!(taken, 0, "{options:?}");
        }
        assert!(size_of::<Protocol>() < 700, "{}", size_of::<Protocol>());
    });
}

#[test]
fn a_hundred_idle_connections_with_shared_states_hold_nothing() {
    alone(|| {
        let message = "a message of some length. ".repeat(100);
        let bytes = frame(Role::Server, DEFLATED_TEXT, deflated(message.as_bytes()));
        let work = |protocol: &mut Protocol| {
            let mut bytes = bytes.clone();
            let mut lent = protocol.lend(&mut bytes);
            let (_, outbound) = lent.next_event().unwrap().unwrap();
            outbound.send(&message).unwrap();
            assert!(lent.next_event().unwrap().is_none());
            drop(lent);
            flush(protocol);
            protocol.release();
        };
        let mut protocols: Vec<_> =
            (0..100).map(|_| connection(Role::Server, &Deflate::shared(), &Config::default())).collect();
        let before = held();
        work(protocols.first_mut().unwrap());
        let pooled = grown(before); // what this thread keeps
        assert!((100 * KIB..500 * KIB).contains(&pooled), "{pooled}");
        protocols.iter_mut().for_each(work);
        assert!(grown(before) <= pooled + NOISE, "{} {pooled}", grown(before));
        // Private ones are as large as the docs say, and go with their connection.
        let before = held();
        let mut protocol = connection(Role::Server, &private(), &Config::default());
        protocol.outbound().send(&message).unwrap();
        flush(&mut protocol);
        protocol.release();
        let deflate = grown(before);
        assert!((350 * KIB..390 * KIB).contains(&deflate), "{deflate}");
        work(&mut protocol);
        let inflate = grown(before) - deflate;
        assert!((35 * KIB..60 * KIB).contains(&inflate), "{inflate}");
        drop(protocol);
        assert!(grown(before) <= NOISE, "{}", grown(before));
    });
}

#[test]
fn a_thread_keeps_few_states_and_ends_without_any() {
    alone(|| {
        let before = held();
        std::thread::spawn(move || {
            let mut protocols: Vec<_> =
                (0..50).map(|_| connection(Role::Server, &Deflate::shared(), &Config::default())).collect();
            // All in the middle of a message at once.
            for last in [false, true] {
                for protocol in &mut protocols {
                    protocol.outbound().send_fragment(&[7; 2000], last).unwrap();
                }
            }
            drop(protocols);
            assert!(grown(before) <= 4 * 390 * KIB, "{}", grown(before));
        })
        .join()
        .unwrap();
        assert!(grown(before) <= NOISE, "{}", grown(before));
    });
}

#[test]
fn a_state_in_mid_message_goes_with_its_connection() {
    alone(|| {
        let left = least(|| {
            let before = held();
            let mut protocol = connection(Role::Server, &private(), &Config::default());
            protocol.outbound().send_fragment("begun", false).unwrap();
            protocol.receive(&frame(Role::Server, FIRST_TEXT | 0x40, deflated(b"begun")));
            assert!(protocol.next_event().unwrap().is_none());
            assert!(grown(before) > 200 * KIB);
            drop(protocol);
            grown(before)
        });
        assert_eq!(left, 0);
    });
}

/// 1 GiB of zeros is 1 MiB of deflate.
#[test]
fn a_bomb_ends_in_1009_with_memory_flat() {
    alone(|| {
        // A block that inflates to 1 MiB, again and again, refers to nothing before it.
        let mut state = zlib_rs::Deflate::new(9, false, 15);
        let zeros = vec![0; 16 * MIB];
        let mut block = vec![0; MIB];
        state.compress(&zeros, &mut block, DeflateFlush::FullFlush).unwrap();
        block.truncate(usize::try_from(state.total_out()).unwrap());
        let bomb = block.repeat(64);
        assert!(bomb.len() > MIB - 64 * KIB && bomb.len() < MIB + 128 * KIB, "{}", bomb.len());

        for options in [private(), Deflate::shared()] {
            for (max, piece_len, parts) in [
                (MIB, MIB * 2, false),
                (MIB, 1000, false),
                (16 * MIB, MIB * 2, false),
                (MIB, MIB * 2, true),
                (64 * KIB, 10, true),
            ] {
                let config = Config::default().max_message_len(Some(max));
                // The limit of the compressed length is not to be the one that strikes.
                let frames: Vec<Vec<u8>> = bomb[..bomb.len().min(max)]
                    .chunks(piece_len)
                    .enumerate()
                    .map(|(index, piece)| {
                        frame(Role::Server, if index == 0 { DEFLATED_BINARY & 0x7f } else { MIDDLE }, piece)
                    })
                    .collect();
                let before = held();
                let start = Instant::now();
                let mut most = 0;
                let mut protocol = connection(Role::Server, &options, &config);
                let error = frames.iter().flat_map(|frame| frame.chunks(4 * KIB)).find_map(|bytes| {
                    let room = protocol.spare();
                    room[..bytes.len()].copy_from_slice(bytes);
                    protocol.received(bytes.len());
                    loop {
                        let next = if parts {
                            protocol.next_part(16 * KIB).map(|part| match part {
                                Some(Part::Start(kind)) => kind == MessageKind::Binary,
                                Some(Part::Data(data)) => !data.is_empty(),
                                _ => false,
                            })
                        } else {
                            protocol.next_event().map(|event| event.is_some())
                        };
                        most = most.max(grown(before));
                        match next {
                            Ok(true) => {}
                            Ok(false) => break None,
                            Err(error) => break Some(error),
                        }
                    }
                });
                let took = start.elapsed();
                assert_eq!(error.expect("the limit strikes").close_code().value(), 1009);
                let output: Vec<u8> = protocol.output().flatten().copied().collect();
                assert_eq!(close_code(&output), 1009);
                let allowed = if parts { 0 } else { max };
                // A window of input, one to inflate, and what 64 bytes inflate to.
                assert!(most <= allowed + 64 * KIB + 60 * KIB + 150 * KIB, "{most} of {max}");
                let deadline = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 1 });
                assert!(took < deadline, "{took:?}");
            }
        }
    });
}

/// Streams that end at once: each costs its peer two bytes, and us no allocation.
#[test]
fn ended_streams_cost_no_allocation() {
    alone(|| {
        for options in [private(), Deflate::shared()] {
            let mut protocol = connection(Role::Server, &options, &Config::default());
            let mut turn = |count| {
                let mut bytes = frame(Role::Server, DEFLATED_BINARY, [0x03, 0x00].repeat(count));
                let before = ALLOCATOR.stats().allocations;
                let mut lent = protocol.lend(&mut bytes);
                assert!(lent.next_event().unwrap().is_some());
                ALLOCATOR.stats().allocations - before
            };
            turn(10);
            let count = turn(10_000);
            assert!(count < 100, "{count}"); // those of the test runner
        }
    });
}

/// A thread's states are gone before its other values are: a connection among those does without.
#[test]
fn a_connection_may_send_while_its_thread_ends() {
    struct Last(Protocol);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.outbound().send("x".repeat(2000).as_str()).unwrap();
            let bytes = frame(Role::Server, DEFLATED_TEXT, deflated(b"hello"));
            self.0.receive(&bytes);
            assert!(self.0.next_event().unwrap().is_some());
        }
    }
    std::thread_local! {
        static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
    }
    alone(|| {
        let options = Deflate::shared();
        // In both orders: what is made first is not always dropped first.
        LAST.set(Some(Last(connection(Role::Server, &options, &Config::default()))));
        let mut other = connection(Role::Server, &options, &Config::default());
        other.outbound().send("x".repeat(2000).as_str()).unwrap();
        let agreed: DeflateParameters = options.parameters;
        assert!(agreed.server_no_context_takeover);
    });
}
