//! A thousand busy connections that end in every way: every message is accounted for.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use talkback::http::Request;
use talkback::protocol::MessageRef;
use talkback::server::{Closed, Connection, Handler, Server};

use crate::app;
use crate::net::*;

const THREAD_COUNT: usize = 4;
const ROUND_COUNT: usize = 8;
/// Messages of a connection in a round.
const BURST: usize = 4;

/// What became of a client's connection: how many messages came, and how it ended.
type Ends = Arc<Mutex<HashMap<usize, Vec<(usize, Closed)>>>>;

/// Echoes, and keeps the books.
#[derive(Clone, Default)]
struct Bookkeeper(Ends);

impl Handler for Bookkeeper {
    type State = (usize, usize);

    fn on_open(&mut self, _: &mut Connection<'_>, request: &Request) -> (usize, usize) {
        (request.query().unwrap().parse().unwrap(), 0)
    }

    fn on_message(
        &mut self,
        (_, count): &mut (usize, usize),
        connection: &mut Connection<'_>,
        message: MessageRef<'_>,
    ) {
        *count += 1;
        match message {
            MessageRef::Text("bye") => connection.close(None).unwrap(),
            message => connection.send(message).unwrap(),
        }
    }

    fn on_close(&mut self, (number, count): (usize, usize), closed: &Closed) {
        self.0.lock().unwrap().entry(number).or_default().push((count, closed.clone()));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Close,
    ClosedByServer,
    Reset,
    HalfClose,
    /// Ends TCP in the middle of a frame, all answers read.
    Cut,
    /// Reads nothing before the end.
    Slow,
}

struct Client {
    number: usize,
    stream: TcpStream,
    fate: Fate,
    /// The round in which it ends.
    last: usize,
    sent: Vec<usize>,
    read: usize,
}

/// What a client has seen of its connection.
struct Account {
    number: usize,
    fate: Fate,
    sent: usize,
    read: usize,
}

impl Client {
    fn payload(&self, n: usize) -> Vec<u8> {
        let mut payload = vec![(self.number % 251).to_le_bytes()[0]; self.sent[n]];
        payload[..4].copy_from_slice(&u32::try_from(n).unwrap().to_be_bytes());
        payload
    }

    fn send(&mut self, random: &mut Random) {
        let mut bytes = Vec::new();
        for _ in 0..BURST {
            let most = if self.fate == Fate::Slow { 20_000 } else { 1500 };
            self.sent.push(4 + random.below(most));
            bytes.extend(frame(true, 0x82, &self.payload(self.sent.len() - 1)));
        }
        self.stream.write_all(&bytes).unwrap();
    }

    fn read(&mut self) {
        while self.read < self.sent.len() {
            let (first, payload) = read_frame(false, &mut self.stream);
            assert!(first == 0x82 && payload == self.payload(self.read), "{} of {}", self.read, self.number);
            self.read += 1;
        }
    }

    /// Ends it in its way.
    fn end(mut self) -> Account {
        match self.fate {
            Fate::Close | Fate::Slow => {
                self.stream.write_all(&app::close_frame(1000, "")).unwrap();
                self.read();
                assert_eq!(frames(false, &read_to_end(&mut self.stream)), [(0x88, b"\x03\xe8".to_vec())]);
            }
            Fate::ClosedByServer => {
                self.stream.write_all(&app::text("bye")).unwrap();
                self.read();
                assert_eq!(read_frame(false, &mut self.stream), (0x88, Vec::new()));
                self.stream.write_all(&frame(true, 0x88, b"")).unwrap();
                assert_eq!(read_to_end(&mut self.stream), b"");
            }
            Fate::HalfClose => {
                self.stream.shutdown(Shutdown::Write).unwrap();
                self.read();
                assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
            }
            Fate::Cut => {
                self.read();
                self.stream.write_all(&frame(true, 0x82, &[0; 1000])[..500]).unwrap();
            }
            // There is input that was not read.
            Fate::Reset => drop(self.stream.peek(&mut [0]).unwrap()),
        }
        Account { number: self.number, fate: self.fate, sent: self.sent.len(), read: self.read }
    }
}

/// Half of what this process may have open, on Linux; but for some.
fn most_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    (soft.unwrap_or(1024).saturating_sub(400) / 2).min(1000)
}

fn connect(address: &str, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    patient(&stream);
    stream.write_all(request_to(&format!("/?{number}"), "").as_bytes()).unwrap();
    stream
}

#[test]
fn every_message_of_a_thousand_connections_is_accounted_for() {
    watch();
    let server = Server::bind("127.0.0.1:0").unwrap().loop_count(2).accept(app::accept(app::config()));
    let (address, handle) = (server.local_addr().unwrap().to_string(), server.handle());
    let books = Bookkeeper::default();
    let ends = Arc::clone(&books.0);
    let run = start(move || server.run(books));
    let begun = Instant::now();
    let count = most_connections() / THREAD_COUNT;
    let all_open = Arc::new(Barrier::new(THREAD_COUNT + 1));
    let threads: Vec<_> = (0..THREAD_COUNT)
        .map(|thread| {
            let (address, all_open) = (address.clone(), Arc::clone(&all_open));
            start(move || {
                let mut random = Random(0x5eed + thread as u64);
                let mut clients: Vec<_> = (thread * count..(thread + 1) * count)
                    .map(|number| {
                        let fate = match random.below(10) {
                            0 | 1 => Fate::Reset,
                            2 => Fate::HalfClose,
                            3 => Fate::Slow,
                            4 => Fate::Cut,
                            5 => Fate::ClosedByServer,
                            _ => Fate::Close,
                        };
                        let last = random.below(ROUND_COUNT);
                        let stream = connect(&address, number);
                        Client { number, stream, fate, last, sent: Vec::new(), read: 0 }
                    })
                    .collect();
                for client in &mut clients {
                    assert!(read_head(&mut client.stream).starts_with("HTTP/1.1 101 "));
                }
                all_open.wait();
                let mut accounts = Vec::new();
                for round in 0..ROUND_COUNT {
                    clients.iter_mut().for_each(|client| client.send(&mut random));
                    let (over, going_on) = clients.into_iter().partition(|client| client.last == round);
                    accounts.extend(Vec::into_iter(over).map(Client::end));
                    clients = going_on;
                    for client in &mut clients {
                        if client.fate != Fate::Slow {
                            client.read();
                        }
                    }
                }
                assert!(clients.is_empty());
                accounts
            })
        })
        .collect();
    all_open.wait();
    wait_until(|| handle.snapshot().opened_count == (THREAD_COUNT * count) as u64);
    let accounts: Vec<_> = threads.into_iter().flat_map(Task::end).collect();
    wait_until(|| handle.snapshot().connection_count == 0);
    handle.drain(Duration::ZERO);
    run.end().unwrap();
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());

    let ends = ends.lock().unwrap();
    assert_eq!((accounts.len(), ends.len()), (THREAD_COUNT * count, THREAD_COUNT * count));
    let mut total = 0;
    for Account { number, fate, sent, read } in accounts {
        let [(came, closed)] = &ends[&number][..] else { panic!("{number}: {:?}", ends[&number]) };
        total += came;
        match fate {
            Fate::Close | Fate::Slow => {
                assert_eq!((*came, read, closed), (sent, sent, &app::cleanly(1000, "")), "{number}");
            }
            Fate::ClosedByServer => {
                assert_eq!((*came, read, closed), (sent + 1, sent, &Closed::Cleanly(None)), "{number}");
            }
            Fate::HalfClose | Fate::Cut => {
                assert_eq!((*came, read, closed), (sent, sent, &Closed::Disconnected), "{number}");
            }
            Fate::Reset => {
                assert!((read..=sent).contains(came), "{number}: {read} {came} {sent}");
                assert!(
                    matches!(closed, Closed::Disconnected | Closed::Io(ErrorKind::ConnectionReset)),
                    "{number}: {closed:?}"
                );
            }
        }
    }
    let snapshot = handle.snapshot();
    assert_eq!(snapshot.received_count, total as u64);
    assert_eq!((snapshot.connection_count, snapshot.waiting_len, snapshot.dropped_count), (0, 0, 0));
    assert_eq!(snapshot.opened_count, snapshot.closed.values().sum::<u64>());
}
