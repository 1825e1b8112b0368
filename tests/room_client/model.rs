//! An honest server of one room, with a list in memory, whose connections get lost.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use talkback::frame::{CloseCode, CloseFrame};
use talkback::room::Cursor;
use talkback::server::{Accept, Exchange};
use talkback::{Error, Message};

use crate::net::*;
use crate::script::*;

/// Client, message and data.
pub(crate) type Stored = (String, String, String);

/// The log, and those before it.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) epoch: u64,
    /// How many of the first are not kept any more.
    pub(crate) evicted: u64,
    /// All that was ever published, by epoch and number.
    pub(crate) history: BTreeMap<(u64, u64), Stored>,
    known: HashMap<(String, String), u64>,
    pub(crate) last: u64,
}

impl Log {
    /// Stores a message once; its number, and whether it is new.
    pub(crate) fn publish(&mut self, client: &str, message: &str, data: &str) -> (u64, bool) {
        let key = (client.to_owned(), message.to_owned());
        if let Some(seq) = self.known.get(&key) {
            return (*seq, false);
        }
        self.last += 1;
        self.known.insert(key, self.last);
        self.history.insert((self.epoch, self.last), (client.into(), message.into(), data.into()));
        (self.last, true)
    }

    /// Forgets everything, as a server that begins anew.
    pub(crate) fn restart(&mut self) {
        (self.epoch, self.evicted, self.last) = (self.epoch + 1, 0, 0);
        self.known.clear();
    }

    pub(crate) fn evict(&mut self, count: u64) {
        self.evicted = (self.evicted + count).min(self.last);
    }

    fn object(&self, seq: u64) -> String {
        let (client, message, data) = &self.history[&(self.epoch, seq)];
        publication_in(self.epoch, seq, client, message, data)
    }
}

pub(crate) struct Server {
    pub(crate) log: Mutex<Log>,
    /// How many connections are yet to be lost.
    pub(crate) cut_count: AtomicUsize,
    pub(crate) is_over: AtomicBool,
}

impl Server {
    /// Listens until it is over, a connection after the other. The task gives how many there were.
    pub(crate) fn start(seed: u64, cut_count: usize) -> (Arc<Self>, String, Task<usize>) {
        let (listener, address) = listen();
        let log = Mutex::new(Log { epoch: EPOCH, ..Log::default() });
        let (cut_count, is_over) = (AtomicUsize::new(cut_count), AtomicBool::new(false));
        let server = Arc::new(Self { log, cut_count, is_over });
        let url = format!("ws://{address}/rooms/lobby/socket");
        let task = start({
            let server = Arc::clone(&server);
            move || server.run(&listener, seed)
        });
        (server, url, task)
    }

    fn run(&self, listener: &TcpListener, seed: u64) -> usize {
        listener.set_nonblocking(true).unwrap();
        let mut random = Random(seed);
        let mut count = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(millis(1));
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            patient(&stream);
            count += 1;
            let mut life = self.life(&mut random);
            if life == Some(0) {
                continue; // without an answer
            }
            let exchange = Exchange::read(stream, &Accept::new()).unwrap();
            let (after, client) = ["after", "client"].map(|name| exchange.request().query_value(name)).into();
            let mut peer = Peer {
                socket: exchange.upgrade().unwrap(),
                client: client.unwrap(),
                owed: VecDeque::new(),
                epoch: 0,
                at: 0,
            };
            peer.socket.set_recv_timeout(Some(millis(1)));
            if self.attend(&mut peer, after.as_deref(), &mut life, &mut random).is_none() {
                peer.lose(&mut random);
            }
        }
        count
    }

    /// How much a connection does until it is lost; `None`: it isn't.
    fn life(&self, random: &mut Random) -> Option<usize> {
        let left = self.cut_count.load(Ordering::SeqCst);
        self.cut_count.store(left.saturating_sub(1), Ordering::SeqCst);
        (left > 0).then(|| random.below(30))
    }

    /// `None`: it is to be lost.
    fn attend(
        &self,
        peer: &mut Peer,
        after: Option<&str>,
        life: &mut Option<usize>,
        random: &mut Random,
    ) -> Option<()> {
        let first = self.first(peer, after);
        peer.say(&first, life)?;
        loop {
            match peer.socket.recv() {
                Ok(None) => return Some(()),
                Ok(Some(Message::Text(json))) => self.take(peer, &json, life)?,
                Err(Error::Timeout(_)) => {}
                other => panic!("{other:?}"),
            }
            if random.below(3) == 0 {
                while let Some(answer) = peer.owed.pop_front() {
                    for _ in 0..=random.below(2) {
                        peer.say(&answer, life)?;
                    }
                }
            }
            for object in self.news(peer, random)? {
                peer.say(&object, life)?;
            }
        }
    }

    /// The first object of a stream.
    fn first(&self, peer: &mut Peer, after: Option<&str>) -> String {
        let log = self.log.lock().unwrap();
        let cursor = after.map(|after| after.parse::<Cursor>().unwrap());
        let is_kept =
            |cursor: Cursor| cursor.epoch == log.epoch && (log.evicted..=log.last).contains(&cursor.seq);
        peer.epoch = log.epoch;
        peer.at = cursor.filter(|cursor| is_kept(*cursor)).map_or(log.evicted, |cursor| cursor.seq);
        if cursor.is_none_or(is_kept) {
            format!(r#"{{"id":"{}"}}"#, Cursor::new(log.epoch, peer.at))
        } else {
            gap(log.epoch, log.evicted + 1, log.last)
        }
    }

    /// Stores what a client says; it may be lost before it is told.
    fn take(&self, peer: &mut Peer, json: &str, life: &mut Option<usize>) -> Option<()> {
        let said: Value = serde_json::from_str(json).unwrap();
        let message = said["message"].as_str().unwrap();
        let mut log = self.log.lock().unwrap();
        if log.epoch != peer.epoch {
            return None;
        }
        let (seq, is_new) = log.publish(&peer.client, message, &said["data"].to_string());
        let id = Cursor::new(log.epoch, seq);
        peer.owed.push_back(format!(r#"{{"ack":"{message}","id":"{id}","new":{is_new}}}"#));
        spend(life)
    }

    /// What the client has not seen, some of it twice. `None`: the log is gone.
    fn news(&self, peer: &mut Peer, random: &mut Random) -> Option<Vec<String>> {
        let log = self.log.lock().unwrap();
        let mut news = Vec::new();
        if log.epoch != peer.epoch {
            return None;
        }
        if peer.at < log.evicted {
            news.push(gap(log.epoch, log.evicted + 1, log.last));
            peer.at = log.evicted;
        }
        let end = log.last.min(peer.at + random.below(8) as u64);
        for seq in peer.at + 1..=end {
            news.push(log.object(seq));
            if random.below(4) == 0 {
                let again =
                    log.evicted + 1 + random.below(usize::try_from(seq - log.evicted).unwrap()) as u64;
                news.push(log.object(again));
            }
        }
        peer.at = end;
        Some(news)
    }
}

/// A connection, as the server sees it.
struct Peer {
    socket: Socket,
    client: String,
    /// Acknowledgements that are late.
    owed: VecDeque<String>,
    epoch: u64,
    at: u64,
}

impl Peer {
    fn say(&mut self, object: &str, life: &mut Option<usize>) -> Option<()> {
        spend(life)?;
        // A client that has gone is seen by the next `recv`.
        let _ = self.socket.send(object);
        Some(())
    }

    /// Ends it in one of the ways in which connections end.
    fn lose(mut self, random: &mut Random) {
        match random.below(4) {
            0 => drop(self.socket),
            1 => self.socket.stream().shutdown(Shutdown::Both).unwrap_or_default(),
            2 => {
                let half = b"\x81\x7e\x01\x00{\"id\":";
                let _ = { self.socket.stream() }.write(half);
            }
            _ => {
                let code =
                    if random.below(2) == 0 { CloseCode::GOING_AWAY } else { CloseCode::TRY_AGAIN_LATER };
                let _ = self.socket.close(CloseFrame::from(code));
                self.socket.set_recv_timeout(Some(PATIENCE));
                while let Ok(Some(_)) = self.socket.recv() {}
            }
        }
    }
}

/// A step nearer to the end. `None`: it is reached.
fn spend(life: &mut Option<usize>) -> Option<()> {
    if let Some(left) = life {
        *left = left.checked_sub(1)?;
    }
    Some(())
}
