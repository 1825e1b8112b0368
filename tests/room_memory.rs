//! What the log of a room allocates, counted by the allocator: in one test, as the counts are those of the
//! whole process.

#![cfg(feature = "rooms")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that tests share")]

use std::alloc::System;
use std::time::Instant;

use serde_json::value::RawValue;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use talkback::room::{After, ClientId, Limits, Log, MessageId, PageLimits, PublishError};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MIB: usize = 1 << 20;
/// What the test runner may allocate for its own ends.
const NOISE: usize = 16 * 1024;

/// How many bytes are allocated meanwhile, whether they are freed again or not.
fn allocated<T>(action: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATOR.stats().bytes_allocated;
    let result = action();
    (ALLOCATOR.stats().bytes_allocated - before, result)
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap()
}

#[test]
fn memory_is_taken_for_what_is_stored_and_for_nothing_else() {
    let (client, message, now) =
        (ClientId::new("ada").unwrap(), MessageId::new("1").unwrap(), Instant::now());
    let long = "x".repeat(MIB);
    let publish = |log: &mut Log, data: &RawValue| {
        let (len, result) = allocated(|| log.publish(now, 0, &client, &message, data));
        (len, result.map(|published| published.is_new))
    };

    // What is refused is not copied first, ends of line in it or not.
    let mut log = Log::new(1, Limits::default());
    for data in [format!("[\"{long}\"]"), format!("[\n\"{long}\"\r\n]")] {
        let (len, result) = publish(&mut log, &raw(data));
        assert!(matches!(result, Err(PublishError::TooBig { max: 65_536, .. })));
        assert!(len < NOISE, "{len} bytes for what is too long");
    }
    let (len, result) = publish(&mut log, &raw(format!("[\"{long}\",\n1e999]")));
    assert!(matches!(result, Err(PublishError::Data(_))));
    assert!(len < NOISE, "{len} bytes for what is not fit for every reader");

    // What is taken is copied twice, ends of line in it or not.
    let limits = Limits::default().max_publication_len(None).max_len(None);
    for data in [format!("[\"{long}\"]"), format!("[\n\"{long}\"\r\n]")] {
        log = Log::new(1, limits);
        let (len, result) = publish(&mut log, &raw(data));
        assert_eq!(result, Ok(true));
        assert!(len < 2 * MIB + NOISE, "{len} bytes for two copies");
    }

    // A page is copied into one buffer.
    let page = log.read(After::Start, PageLimits::default());
    assert_eq!(page.publications().count(), 1);
    let before = ALLOCATOR.stats();
    let body = page.to_json();
    let after = ALLOCATOR.stats();
    let counts = [(before.allocations, after.allocations), (before.reallocations, after.reallocations)];
    assert_eq!(counts.map(|(before, after)| after - before), [1, 0], "{} bytes", body.len());
}
