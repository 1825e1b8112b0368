//! Each limit exactly at and one past.

use std::time::{Duration, Instant};

use talkback::room::{
    After, ClientId, Cursor, JsonError, Limits, Log, MAX_GRACE, MAX_JSON_DEPTH, PageLimits, Presence,
    PresenceError, PresenceEvent, PresenceLimits, PublishError,
};

use crate::{publish, raw};

const EPOCH: u64 = 7;
const MILLISECOND: Duration = Duration::from_millis(1);

/// All limits off.
fn without() -> Limits {
    Limits::default()
        .max_count(None)
        .max_len(None)
        .max_publication_len(None)
        .max_age(None)
        .max_remembered_count(None)
}

fn filled(limits: Limits, count: usize) -> Log {
    let (mut log, now) = (Log::new(EPOCH, limits), Instant::now());
    for message in 10..10 + count {
        publish(&mut log, now, message, "0").unwrap();
    }
    log
}

/// Whether a reader that has had `seq` of them misses any.
fn misses(log: &Log, seq: u64) -> bool {
    log.read(Cursor::new(EPOCH, seq), PageLimits::default()).gap().is_some()
}

#[test]
fn the_count_evicts_the_first_with_one_past_it() {
    let log = filled(without().max_count(Some(3)), 3);
    assert_eq!((log.count(), misses(&log, 0)), (3, false));
    let log = filled(without().max_count(Some(3)), 4);
    assert_eq!((log.count(), misses(&log, 0), misses(&log, 1)), (3, true, false));
    assert_eq!(filled(without().max_count(Some(0)), 2).count(), 1);
}

#[test]
fn the_bytes_evict_the_first_with_one_past_them() {
    let len = filled(without(), 1).kept_len();
    let log = filled(without().max_len(Some(3 * len)), 3);
    assert_eq!((log.count(), log.kept_len(), misses(&log, 0)), (3, 3 * len, false));
    let log = filled(without().max_len(Some(3 * len - 1)), 3);
    assert_eq!((log.count(), misses(&log, 0), misses(&log, 1)), (2, true, false));
}

#[test]
fn a_publication_as_long_as_the_limit_is_kept_alone_and_one_byte_more_changes_nothing() {
    let max = 120;
    let (mut log, now) = (filled(without().max_len(Some(max)), 1), Instant::now());
    let spare = max - log.kept_len();
    let long = format!("\"{}\"", "x".repeat(spare));
    // One byte of data is there already, and two are the quotes.
    let error = publish(&mut log, now, 20, &long).unwrap_err();
    assert_eq!(error, PublishError::TooBig { len: max + 1, max });
    assert_eq!((log.count(), log.cursor()), (1, Cursor::new(EPOCH, 1)));
    let published = publish(&mut log, now, 20, &long.replacen('x', "", 1)).unwrap();
    assert!(published.is_new, "what was refused was not remembered");
    assert_eq!((log.count(), log.kept_len(), published.cursor), (1, max, Cursor::new(EPOCH, 2)));
}

#[test]
fn a_publication_past_its_own_limit_drives_nothing_out() {
    let (limits, now) = (Limits::default(), Instant::now());
    let max = limits.max_publication_len.unwrap();
    assert_eq!(max, 64 * 1024);
    let mut log = filled(limits, 3);
    let spare = max - log.kept_len() / 3;
    let long = format!("\"{}\"", "x".repeat(spare));
    // One byte of data is there already, and two are the quotes.
    let error = publish(&mut log, now, 20, &long).unwrap_err();
    assert_eq!(error, PublishError::TooBig { len: max + 1, max });
    let error = publish(&mut log, now, 20, &format!("\"{}\"", "x".repeat(1 << 20))).unwrap_err();
    assert!(matches!(error, PublishError::TooBig { max: 65_536, .. }));
    assert_eq!((log.count(), misses(&log, 0)), (3, false));
    publish(&mut log, now, 20, &long.replacen('x', "\n", 1).replacen("\"\n", "\n\"", 1)).unwrap();
    assert_eq!((log.count(), misses(&log, 0)), (4, false), "ends of line between tokens count for nothing");
}

#[test]
fn what_some_reader_would_refuse_changes_nothing() {
    let (mut log, mut presence) = (filled(without(), 1), Presence::new(PresenceLimits::default()));
    let (now, ada) = (Instant::now(), ClientId::new("ada").unwrap());
    let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
    let fit = deep(MAX_JSON_DEPTH);
    for (json, error) in [
        (deep(MAX_JSON_DEPTH + 1), JsonError::TooDeep { at: MAX_JSON_DEPTH, max: MAX_JSON_DEPTH }),
        ("\"\\ud800\"".to_owned(), JsonError::LoneSurrogate { at: 1 }),
        ("1e999999".to_owned(), JsonError::NumberOutOfRange { at: 0 }),
    ] {
        assert_eq!(publish(&mut log, now, 20, &json), Err(PublishError::Data(error)));
        assert_eq!(presence.join(&ada, &raw(&json)), Err(PresenceError::State(error)));
        assert_eq!(presence.update(&ada, &raw(&json)), Err(PresenceError::State(error)));
    }
    assert_eq!((log.count(), presence.count()), (1, 0));
    assert!(publish(&mut log, now, 20, &fit).unwrap().is_new, "what was refused was not remembered");
    assert!(presence.join(&ada, &raw(&fit)).unwrap().is_some());
    let page = log.read(After::Start, PageLimits::default()).to_json();
    serde_json::from_slice::<serde_json::Value>(&page).unwrap();
}

#[test]
fn age_evicts_when_it_is_reached_and_not_before() {
    let start = Instant::now();
    let mut log = Log::new(EPOCH, without().max_age(Some(10 * MILLISECOND)));
    assert_eq!(log.poll_timeout(), None);
    publish(&mut log, start, 1, "1").unwrap();
    publish(&mut log, start + MILLISECOND, 2, "2").unwrap();
    let due = start + 10 * MILLISECOND;
    assert_eq!(log.poll_timeout(), Some(due));
    log.expire(due - Duration::from_nanos(1));
    assert_eq!((log.count(), misses(&log, 0)), (2, false));
    log.expire(due);
    assert_eq!((log.count(), misses(&log, 0), misses(&log, 1)), (1, true, false));
    assert_eq!(log.poll_timeout(), Some(due + MILLISECOND));
    log.expire(due + MILLISECOND);
    assert_eq!((log.count(), log.kept_len(), log.poll_timeout()), (0, 0, None));
    assert!(misses(&log, 1) && !misses(&log, 2), "who has read all has missed nothing");
}

#[test]
fn without_an_age_nothing_is_ever_due() {
    let log = filled(without(), 3);
    assert_eq!(log.poll_timeout(), None);
    let endless = filled(without().max_age(Some(Duration::MAX)), 3);
    assert_eq!((endless.count(), endless.poll_timeout()), (3, None));
}

#[test]
fn what_is_kept_is_remembered_and_of_the_rest_as_much_as_allowed() {
    let now = Instant::now();
    // The third of five is the oldest that is remembered, though only the last is kept.
    let limits = without().max_count(Some(1)).max_remembered_count(Some(3));
    let again = |message| publish(&mut filled(limits, 5), now, message, "1").unwrap();
    assert_eq!((again(12).is_new, again(12).cursor), (false, Cursor::new(EPOCH, 3)));
    assert_eq!((again(11).is_new, again(11).cursor), (true, Cursor::new(EPOCH, 6)));
    // All five are kept, so all five are remembered.
    let limits = without().max_remembered_count(Some(3));
    let again = publish(&mut filled(limits, 5), now, 10, "1").unwrap();
    assert_eq!((again.is_new, again.cursor), (false, Cursor::new(EPOCH, 1)));
}

#[test]
fn a_publication_is_remembered_until_it_is_too_old() {
    let start = Instant::now();
    let limits = without().max_count(Some(1)).max_age(Some(10 * MILLISECOND));
    let mut log = Log::new(EPOCH, limits);
    publish(&mut log, start, 1, "1").unwrap();
    publish(&mut log, start + MILLISECOND, 2, "2").unwrap();
    assert!(!publish(&mut log, start + 9 * MILLISECOND, 1, "1").unwrap().is_new);
    assert!(publish(&mut log, start + 10 * MILLISECOND, 1, "1").unwrap().is_new);
}

#[test]
fn a_page_has_at_most_what_its_limits_say_and_at_least_one() {
    let log = filled(without(), 5);
    let len = log.kept_len() / 5;
    let limits = PageLimits::default();
    let count = |limits| log.read(After::Start, limits).publications().count();
    assert_eq!(count(limits.max_count(Some(5))), 5);
    assert_eq!(count(limits.max_count(Some(4))), 4);
    assert_eq!(count(limits.max_count(Some(0))), 1);
    assert_eq!(count(limits.max_len(Some(3 * len))), 3);
    assert_eq!(count(limits.max_len(Some(3 * len - 1))), 2);
    assert_eq!(count(limits.max_len(Some(0))), 1);
    assert_eq!(count(limits.max_len(None).max_count(None)), 5);
}

#[test]
fn the_room_is_full_with_as_many_clients_as_allowed() {
    let limits = PresenceLimits::default().max_client_count(Some(1)).max_state_len(Some(2));
    let mut presence = Presence::new(limits);
    let (ada, bob) = (ClientId::new("ada").unwrap(), ClientId::new("bob").unwrap());
    let too_long = Err(PresenceError::StateTooLong { len: 3, max: 2 });
    assert_eq!(presence.join(&ada, &raw("123")), too_long);
    assert!(presence.join(&ada, &raw("12")).unwrap().is_some());
    assert_eq!(presence.update(&ada, &raw("123")), too_long);
    let full = Err(PresenceError::TooManyClients { max: 1 });
    assert_eq!(presence.join(&bob, &raw("1")), full);
    assert_eq!(presence.join(&ada, &raw("12")), Ok(None), "a second connection of a client takes no place");
    let now = Instant::now();
    assert_eq!(presence.leave(now, &ada, MILLISECOND), None);
    assert_eq!(presence.leave(now, &ada, MILLISECOND), None);
    assert_eq!(presence.join(&bob, &raw("1")), full, "its place is kept while it is awaited back");
    assert!(presence.expire(now + MILLISECOND - Duration::from_nanos(1)).is_empty());
    assert_eq!(presence.expire(now + MILLISECOND), [PresenceEvent::Left { client: ada }]);
    assert!(presence.join(&bob, &raw("1")).unwrap().is_some());
}

#[test]
fn a_client_that_comes_back_in_time_does_not_flap() {
    let (mut presence, now) = (Presence::new(PresenceLimits::default()), Instant::now());
    let ada = ClientId::new("ada").unwrap();
    assert!(matches!(presence.join(&ada, &raw("1")), Ok(Some(PresenceEvent::Joined { .. }))));
    assert_eq!(presence.leave(now, &ada, MILLISECOND), None);
    assert_eq!(presence.members().next().unwrap().connection_count, 0);
    assert_eq!(presence.join(&ada, &raw("1")), Ok(None));
    assert_eq!((presence.poll_timeout(), presence.expire(now + 2 * MILLISECOND)), (None, vec![]));
    // It said farewell: nobody waits for it.
    assert_eq!(presence.leave(now, &ada, Duration::ZERO), Some(PresenceEvent::Left { client: ada.clone() }));
    assert_eq!((presence.count(), presence.leave(now, &ada, MILLISECOND)), (0, None));
    assert_eq!(presence.update(&ada, &raw("1")), Err(PresenceError::NotHere));
}

#[test]
fn a_farewell_after_the_connection_was_lost_frees_the_place_at_once() {
    let (mut presence, now) = (Presence::new(PresenceLimits::default()), Instant::now());
    let ada = ClientId::new("ada").unwrap();
    presence.join(&ada, &raw("1")).unwrap();
    assert_eq!(presence.leave(now, &ada, 10 * MILLISECOND), None);
    // One call too many, but no farewell: the first grace holds.
    assert_eq!(presence.leave(now, &ada, MILLISECOND), None);
    assert_eq!(presence.poll_timeout(), Some(now + 10 * MILLISECOND));
    assert_eq!(presence.leave(now, &ada, Duration::ZERO), Some(PresenceEvent::Left { client: ada.clone() }));
    assert_eq!((presence.count(), presence.poll_timeout()), (0, None));
    // Who comes anew is not taken for the one that left.
    presence.join(&ada, &raw("1")).unwrap();
    assert_eq!((presence.expire(now + 10 * MILLISECOND), presence.count()), (vec![], 1));
}

#[test]
fn nobody_is_awaited_for_longer_than_the_longest_grace() {
    let now = Instant::now();
    let ada = ClientId::new("ada").unwrap();
    let shorter = MAX_GRACE - Duration::from_nanos(1);
    for (grace, awaited) in [
        (shorter, shorter),
        (MAX_GRACE, MAX_GRACE),
        (MAX_GRACE + Duration::from_nanos(1), MAX_GRACE),
        (Duration::MAX, MAX_GRACE),
    ] {
        let mut presence = Presence::new(PresenceLimits::default());
        presence.join(&ada, &raw("1")).unwrap();
        assert_eq!(presence.leave(now, &ada, grace), None);
        assert_eq!(presence.poll_timeout(), Some(now + awaited));
        assert_eq!(presence.expire(now + awaited), [PresenceEvent::Left { client: ada.clone() }]);
    }
}
