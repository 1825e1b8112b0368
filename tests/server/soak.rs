//! Many busy connections that talk and end in every way, while other threads send to them: every message is
//! accounted for, and memory stays flat.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use talkback::server::{Closed, Server, ServerHandle, Snapshot};

use crate::app;
use crate::books::*;
use crate::child;
use crate::clients::*;
use crate::net::*;

const THREAD_COUNT: usize = 2;
/// How often memory is looked at.
const SAMPLE_COUNT: u32 = 64;
/// How much more memory there may be at the end than after the warm-up. One slow reader has the server keep 256 KiB
/// and some mail, and its client as much; there are more of them at one time than at another, some ten at once, and
/// the allocator keeps what it had. What leaks 250 bytes a connection shows in ten minutes.
const MAX_GROWTH: usize = 16 << 20;

#[derive(Clone, Copy)]
struct Plan {
    /// How many connections there are at a time.
    count: usize,
    /// How long new ones come when others have ended.
    time: Duration,
    /// Between two messages of a pusher.
    pause: Duration,
}

/// What all connections were together. Those that have ended are added and forgotten.
#[derive(Debug, Default)]
struct Sums {
    ends: BTreeMap<(Fate, &'static str), u64>,
    closed: BTreeMap<u16, u64>,
    came: u64,
    received: u64,
    /// All that was sent to them, and those of these that may not have been.
    sent: u64,
    missed: u64,
    refused: u64,
    unseen: u64,
    kicked: u64,
}

impl Sums {
    fn add(&mut self, account: &Account, end: &End) {
        let (code, how) = match &end.closed {
            Closed::Cleanly(Some(frame)) if frame.code().value() == KICKED => (KICKED, "by a pusher"),
            Closed::Cleanly(Some(frame)) => (frame.code().value(), "cleanly"),
            Closed::Cleanly(None) => (1005, "cleanly"),
            _ => (1006, "without a close"),
        };
        *self.ends.entry((account.fate, how)).or_default() += 1;
        *self.closed.entry(code).or_default() += 1;
        self.came += u64::from(end.came);
        self.received += account.received;
        let heard = end.published.iter().zip(end.before).map(|(all, before)| u64::from(all - before));
        // The greeting, and one more for who settles.
        self.sent += 2 + u64::from(end.answered) + heard.sum::<u64>();
        self.sent += end.mailed.iter().map(|count| u64::from(*count)).sum::<u64>();
        self.missed += account.missed;
        self.refused += end.refused;
        self.unseen += account.unseen(end);
        self.kicked += u64::from(account.kicked);
    }

    fn append(mut self, other: Self) -> Self {
        let Self { ends, closed, came, received, sent, missed, refused, unseen, kicked } = other;
        ends.into_iter().for_each(|(key, count)| *self.ends.entry(key).or_default() += count);
        closed.into_iter().for_each(|(code, count)| *self.closed.entry(code).or_default() += count);
        self.came += came;
        self.received += received;
        self.sent += sent;
        self.missed += missed;
        self.refused += refused;
        self.unseen += unseen;
        self.kicked += kicked;
        self
    }

    #[track_caller]
    fn compare(&self, snapshot: &Snapshot) {
        let both = format!("{self:?} {snapshot:?}");
        assert_eq!(
            (snapshot.connection_count, snapshot.socket_count, snapshot.waiting_len),
            (0, 0, 0),
            "{both}"
        );
        assert_eq!(snapshot.closed, self.closed, "{both}");
        assert_eq!(snapshot.opened_count, self.closed.values().sum::<u64>(), "{both}");
        assert_eq!(snapshot.received_count, self.came, "{both}");
        // What was on its way to a connection that ended may or may not have been counted.
        assert!((self.received..=self.sent).contains(&snapshot.sent_count), "{both}");
        let most = self.missed + self.refused + self.unseen;
        assert!((self.missed..=most).contains(&snapshot.dropped_count), "{both}");
    }
}

/// Connections of a thread: some of them go on, new ones come, of others the ends are compared.
fn run_clients(
    plan: Plan,
    thread: usize,
    address: &str,
    next: &AtomicU32,
    books: &Books,
    all_open: &Barrier,
) -> Sums {
    let mut random = Random(0x5eed << thread);
    let open = |random: &mut Random| Client::open(address, next.fetch_add(1, Ordering::Relaxed), random);
    let mut clients: Vec<Client> = (0..plan.count / THREAD_COUNT).map(|_| open(&mut random)).collect();
    all_open.wait();
    let begun = Instant::now();
    let (mut ended, mut sums, mut scrap) = (Vec::<Account>::new(), Sums::default(), vec![0; 64 * 1024]);
    while !(clients.is_empty() && ended.is_empty()) {
        let mut place = 0;
        while let Some(client) = clients.get_mut(place) {
            let Some(account) = client.step(books, &mut random, &mut scrap) else {
                place += 1;
                continue;
            };
            ended.push(account);
            if begun.elapsed() < plan.time {
                *client = open(&mut random);
            } else {
                clients.swap_remove(place);
            }
        }
        ended.retain(|account| {
            let Some(end) = books.take_end(account.number) else { return true };
            account.compare(&end);
            sums.add(account, &end);
            false
        });
        thread::sleep(millis(2));
    }
    sums
}

/// Looks at memory until the time is over: the most there was in the second and in the last quarter.
fn watch_memory(time: Duration) -> [usize; 2] {
    let [_, second, _, last] = [(); 4].map(|()| {
        let samples = (0..SAMPLE_COUNT / 4).map(|_| {
            thread::sleep(time / SAMPLE_COUNT);
            resident_len()
        });
        samples.max().unwrap_or_default()
    });
    [second, last]
}

/// Runs a server and its clients, in this process.
fn run(plan: Plan) -> (Snapshot, [usize; 2]) {
    watch_for(plan.time + Duration::from_secs(150));
    let long = Some(Duration::from_secs(30)); // on a busy machine, too
    let config = app::config().max_output_len(Some(256 * 1024)).close_timeout(long).linger_timeout(long);
    let server = Server::bind("127.0.0.1:0").unwrap().loop_count(2).accept(app::accept(config));
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let books = Books::default();
    let handler = books.clone();
    let serve = thread::spawn(move || server.run(handler));
    let (next, all_open) = (Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(THREAD_COUNT + 1)));
    let clients: Vec<_> = (0..THREAD_COUNT)
        .map(|thread| {
            let (address, next) = (address.clone(), Arc::clone(&next));
            let (books, all_open) = (books.clone(), Arc::clone(&all_open));
            thread::spawn(move || run_clients(plan, thread, &address, &next, &books, &all_open))
        })
        .collect();
    wait_until(|| handle.snapshot().opened_count == plan.count as u64);
    all_open.wait();
    let pushers: Vec<_> = (0..PUSHER_COUNT)
        .map(|index| {
            let books = books.clone();
            thread::spawn(move || books.push(index, plan.pause))
        })
        .collect();
    let memory = watch_memory(plan.time);
    let sums = clients.into_iter().map(|task| task.join().unwrap()).fold(Sums::default(), Sums::append);
    books.end_pushing();
    pushers.into_iter().for_each(|task| task.join().unwrap());
    wait_until(|| handle.snapshot().socket_count == 0);
    handle.drain(Duration::ZERO);
    serve.join().unwrap().unwrap();
    show(&handle, &sums, memory);
    let kick_count = books.close();
    assert!(sums.kicked <= kick_count, "{} {kick_count}", sums.kicked);
    sums.compare(&handle.snapshot());
    (handle.snapshot(), memory)
}

fn show(handle: &ServerHandle, sums: &Sums, memory: [usize; 2]) {
    let snapshot = handle.snapshot();
    println!("{} connections, ended so: {:?}", snapshot.opened_count, sums.ends);
    println!(
        "{} messages came and {} went to them, {} were dropped; {} MB came and {} MB went",
        snapshot.received_count,
        sums.received,
        snapshot.dropped_count,
        snapshot.received_len / 1_000_000,
        snapshot.sent_len / 1_000_000,
    );
    println!("{} and {} KiB resident, {:?} of work", memory[0] / 1024, memory[1] / 1024, snapshot.busy);
}

/// Plays the part of the test in a process with room for these connections, both ends of each.
fn in_a_process(test: &str, count: usize) {
    child::play(child::command(test, "all", Some(2 * count + 100)));
}

fn most_connections(wanted: usize) -> usize {
    let (soft, _) = child::descriptor_limits();
    (soft.saturating_sub(100) / 2).min(wanted) / THREAD_COUNT * THREAD_COUNT
}

#[test]
fn every_message_of_a_thousand_connections_is_accounted_for() {
    const TEST: &str = "soak::every_message_of_a_thousand_connections_is_accounted_for";
    if child::part().is_empty() {
        return in_a_process(TEST, 1000);
    }
    let count = most_connections(1000);
    let (snapshot, _) = run(Plan { count, time: Duration::ZERO, pause: millis(50) });
    assert_eq!(snapshot.opened_count, count as u64);
}

#[test]
fn every_message_is_accounted_for_while_connections_come_and_go() {
    const TEST: &str = "soak::every_message_is_accounted_for_while_connections_come_and_go";
    if child::part().is_empty() {
        return in_a_process(TEST, 200);
    }
    let secs = std::env::var("TALKBACK_SOAK_SECS").map_or(6, |secs| secs.parse().unwrap());
    let count = most_connections(200);
    let time = Duration::from_secs(secs);
    let (snapshot, [warm, end]) = run(Plan { count, time, pause: millis(10) });
    assert!(snapshot.opened_count > count as u64, "{snapshot:?}");
    assert!(snapshot.dropped_count > 0, "nobody was slow: {snapshot:?}");
    assert!(end < warm + MAX_GROWTH, "{warm} {end}");
}
