//! Readers that don't read: they cost the server nothing, hold nobody up, and are told what they missed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use talkback::server::Overflow;

use crate::child;
use crate::clients::*;
use crate::net::*;
use crate::part::{self, MAX_LEN};
use crate::playing::{self, Playing};

/// The system holds 1.5 MB for each, and slows all down beyond some 2 GB.
const COUNT: usize = 200;
/// How long the data of a publication is: the room keeps some thirteen.
const DATA_LEN: usize = 20_000;
/// 20 MiB in all.
const LAST: u64 = 20 * 1024 * 1024 / DATA_LEN as u64;
/// How many fast readers may have to catch up with.
const AHEAD: u64 = (MAX_LEN / DATA_LEN / 2) as u64;
/// Memory that a reader which doesn't read may take: the rest of the publication that it is in.
const MAX_COST: usize = DATA_LEN + 2000;

/// A reader that only looks at the beginning of each object.
struct Skimmer {
    stream: BufReader<TcpStream>,
    is_socket: bool,
    piece: Vec<u8>,
    /// Of the last publication.
    cursor: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Skimmed {
    Publication(u64),
    Gap {
        first: u64,
        last: u64,
    },
    Other,
    /// The clean end of a stream, or a close with this code.
    End(Option<u16>),
}

impl Skimmer {
    fn open(address: &str, is_socket: bool, query: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        patient(&stream);
        if is_socket {
            upgrade(&mut stream, &format!("/rooms/a/socket?{query}"));
        } else {
            stream.write_all(get(&format!("/rooms/a/events?{query}")).as_bytes()).unwrap();
            assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 "));
        }
        Self { stream: BufReader::new(stream), is_socket, piece: Vec::new(), cursor: String::new() }
    }

    fn next(&mut self) -> Skimmed {
        let Self { stream, is_socket, piece, cursor } = self;
        if *is_socket {
            let (first, payload) = read_frame(false, stream);
            if first == 0x88 {
                return Skimmed::End(close_code(&(first, payload)));
            }
            *piece = payload;
        } else {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let len = usize::from_str_radix(line.trim_end(), 16).unwrap();
            piece.resize(len + 2, 0);
            stream.read_exact(piece).unwrap();
            if len == 0 {
                return Skimmed::End(None);
            }
        }
        let begin = String::from_utf8_lossy(&piece[..piece.len().min(200)]).into_owned();
        let number = |before: &str| {
            let (_, rest) = begin.split_once(before)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        if begin.contains(r#""gap""#) {
            return Skimmed::Gap {
                first: number(r#""first":"#).unwrap(),
                last: number(r#""last":"#).unwrap(),
            };
        }
        if !begin.contains(r#""at":"#) {
            return Skimmed::Other;
        }
        // The epoch, a hyphen, the number.
        let (_, id) = begin.split_once(r#"{"id":""#).unwrap();
        *cursor = id.split('"').next().unwrap().to_owned();
        Skimmed::Publication(cursor.split_once('-').unwrap().1.parse().unwrap())
    }

    /// Reads all from the first publication, but for what gaps stand for; how many there were.
    fn read_over_gaps(&mut self) -> usize {
        let (mut before, mut gap_count) = (0, 0);
        loop {
            let (seq, end) = self.read_on(before, LAST);
            if seq == LAST {
                return gap_count;
            }
            let Skimmed::Gap { first, last } = end else { panic!("{end:?} behind {seq}") };
            assert!(first > seq + 1 && last >= first && last <= LAST, "{seq} {first} {last}");
            (before, gap_count) = (first - 1, gap_count + 1);
        }
    }

    /// Reads on behind a publication, to another; the last one before anything else, and that.
    fn read_on(&mut self, mut seq: u64, last: u64) -> (u64, Skimmed) {
        loop {
            match self.next() {
                Skimmed::Publication(next) => {
                    assert_eq!(next, seq + 1);
                    seq = next;
                    if seq == last {
                        return (seq, Skimmed::Other);
                    }
                }
                Skimmed::Other => {}
                other => return (seq, other),
            }
        }
    }
}

/// Readers that read all the time; what each has got to.
fn read_fast(address: &str, last: u64) -> (Vec<Arc<AtomicU64>>, Vec<Task<()>>) {
    let read = |is_socket: bool| {
        let (got_to, mut reader) = (Arc::new(AtomicU64::new(0)), Skimmer::open(address, is_socket, ""));
        let note = Arc::clone(&got_to);
        let task = start(move || {
            for seq in 1..=last {
                assert_eq!(reader.read_on(seq - 1, seq), (seq, Skimmed::Other), "{is_socket}");
                note.store(seq, Ordering::Release);
            }
        });
        (got_to, task)
    };
    [true, false].map(read).into_iter().unzip()
}

struct Publisher {
    stream: TcpStream,
    data: String,
    seq: u64,
}

impl Publisher {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        patient(&stream);
        Self { stream, data: "x".repeat(DATA_LEN), seq: 0 }
    }

    fn publish_to(&mut self, last: u64) {
        while self.seq < last {
            self.seq += 1;
            let body = format!(r#"{{"client":"c","message":"{}","data":"{}"}}"#, self.seq, self.data);
            assert_eq!(ask(&mut self.stream, &post("/rooms/a/messages", &body)).status, 200);
        }
    }
}

/// Publishes all, no faster than fast readers read.
fn publish_all(address: &str, fast: &[Arc<AtomicU64>], last: u64) {
    let mut publisher = Publisher::new(address);
    for seq in 1..=last {
        publisher.publish_to(seq);
        let all_at = |at: u64| fast.iter().all(|got_to| got_to.load(Ordering::Acquire) >= at);
        wait_until(|| all_at(seq.saturating_sub(AHEAD)));
    }
}

fn start_server(test: &str, part: &str) -> (Playing, String) {
    playing::start(child::command(test, part, Some(COUNT + 100)))
}

fn end(server: Playing, address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    ask(&mut stream, &get("/drain"));
    drop(stream);
    server.end();
}

#[test]
fn hundreds_of_readers_that_do_not_read_cost_nothing_and_are_told_what_they_missed() {
    const TEST: &str =
        "slow::hundreds_of_readers_that_do_not_read_cost_nothing_and_are_told_what_they_missed";
    match &*child::part() {
        "" => return child::play(child::command(TEST, "clients", Some(COUNT + 100))),
        "server" => return part::serve(Overflow::Drop, MAX_LEN),
        _ => watch(),
    }
    let (server, address) = start_server(TEST, "server");
    let mut slow: Vec<Skimmer> = (0..COUNT).map(|n| Skimmer::open(&address, n % 2 == 0, "")).collect();
    let (fast, tasks) = read_fast(&address, LAST);
    let before = resident_len_in(&server.told_by("status"));
    publish_all(&address, &fast, LAST);
    let after = resident_len_in(&server.told_by("status"));
    tasks.into_iter().for_each(Task::end);
    let cost = after.saturating_sub(before) / COUNT;
    println!("{COUNT} slow readers, {LAST} publications, {cost} bytes each: {before} before, {after} after");
    assert!(cost < MAX_COST, "{cost}");
    let gap_counts: Vec<usize> = slow.iter_mut().map(Skimmer::read_over_gaps).collect();
    let once_count = gap_counts.iter().filter(|count| **count == 1).count();
    println!("{once_count} of them were told of one gap, {:?} is the most", gap_counts.iter().max());
    // A system that is short of memory takes a little now and then: as for a slow reader, each time behind a gap.
    assert!(gap_counts.iter().all(|count| *count > 0), "{gap_counts:?}");
    drop(slow);
    end(server, &address);
}

#[test]
fn readers_of_a_long_history_that_do_not_read_it_cost_no_more_than_a_publication() {
    const TEST: &str = "slow::readers_of_a_long_history_that_do_not_read_it_cost_no_more_than_a_publication";
    const COUNT: usize = 100;
    match &*child::part() {
        "server" => return part::serve(Overflow::Drop, 16 * MAX_LEN),
        _ => watch(),
    }
    let (server, address) = start_server(TEST, "server");
    let mut publisher = Publisher::new(&address);
    publisher.publish_to(200); // more than all buffers of the system take
    let before = resident_len_in(&server.told_by("status"));
    let mut slow: Vec<Skimmer> = (0..COUNT).map(|n| Skimmer::open(&address, n % 2 == 0, "")).collect();
    let sent_len =
        || ask(&mut TcpStream::connect(&address).unwrap(), &get("/sent")).body.parse::<u64>().unwrap();
    // Until nothing more is taken: what asks is counted as well.
    let mut sent = (0, 100_000);
    while sent.1 > sent.0 + 1000 {
        std::thread::sleep(millis(300));
        sent = (sent.1, sent_len());
    }
    let cost = resident_len_in(&server.told_by("status")).saturating_sub(before) / COUNT;
    println!("{COUNT} readers of a long history, {cost} bytes each");
    assert!(cost < 3 * MAX_COST, "{cost}");
    for seq in 1..=200 {
        while slow[0].next() != Skimmed::Publication(seq) {}
    }
    drop(slow);
    end(server, &address);
}

#[test]
fn a_reader_that_is_too_slow_is_closed_where_that_is_wanted_and_comes_back() {
    const TEST: &str = "slow::a_reader_that_is_too_slow_is_closed_where_that_is_wanted_and_comes_back";
    const LAST: u64 = 250; // more than all buffers of the system take
    match &*child::part() {
        "server" => return part::serve(Overflow::Close, MAX_LEN),
        _ => watch(),
    }
    let (server, address) = start_server(TEST, "server");
    let mut slow: Vec<Skimmer> = (0..20).map(|n| Skimmer::open(&address, n % 2 == 0, "")).collect();
    let (fast, tasks) = read_fast(&address, LAST);
    publish_all(&address, &fast, LAST);
    tasks.into_iter().for_each(Task::end);
    for reader in &mut slow {
        let (seq, end) = reader.read_on(0, LAST);
        let code = if reader.is_socket { Some(1013) } else { None };
        assert!(seq < LAST - AHEAD && end == Skimmed::End(code), "{seq} {end:?}");
        // It comes back where it was, and is told of the gap.
        let mut again = Skimmer::open(&address, reader.is_socket, &format!("after={}", reader.cursor));
        let (_, gap) = again.read_on(seq, LAST);
        let Skimmed::Gap { first, last: LAST } = gap else { panic!("{gap:?}") };
        assert_eq!(again.read_on(first - 1, LAST), (LAST, Skimmed::Other));
    }
    drop(slow);
    end(server, &address);
}
