//! One row: all servers, the same messages, in turns.

use std::rc::Rc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

use crate::corpus;
use crate::peer::{Checker, Cycle};
use crate::pipe::Pipe;
use crate::servers::{ALL, Connection, Server, Setting, States};

/// CPU time that a server gets a round, about.
const ROUND: Duration = Duration::from_millis(4);
const MIN_ROUND_COUNT: usize = 5;

pub struct Cell {
    pub len: usize,
    pub setting: Setting,
    pub connection_count: usize,
    /// Wall time for all rounds of all servers.
    pub budget: Duration,
}

pub struct Figures {
    /// CPU time a message.
    pub nanos: f64,
    /// Bytes a reply, with its header, on average.
    pub reply_len: f64,
}

struct Running {
    connections: Vec<(Box<dyn Connection>, Pipe)>,
    next: usize,
    rounds: Vec<f64>,
    reply_len: f64,
}

/// The figures of each server in the order of `ALL`; `None`: it can't do this.
pub fn measure(cell: &Cell) -> Vec<Option<Figures>> {
    let cycle = Cycle::new(corpus::messages(cell.len), cell.setting.states == States::Private);
    let mut servers: Vec<_> = ALL.iter().map(|server| Running::new(server, cell, &cycle)).collect();
    let fastest = servers.iter_mut().flatten().map(|server| server.round(cell.connection_count.min(100)));
    let slowest = fastest.fold(1.0, f64::max);
    let count = ((ROUND.as_nanos() as f64 / slowest) as usize).clamp(1, 4096);
    servers.iter_mut().flatten().for_each(|server| server.rounds.clear());
    let begin = Instant::now();
    for round in 0.. {
        if begin.elapsed() > cell.budget && round >= MIN_ROUND_COUNT {
            break;
        }
        let server_count = servers.len();
        for index in 0..server_count {
            if let Some(server) = &mut servers[(index + round) % server_count] {
                let nanos = server.round(count);
                server.rounds.push(nanos);
            }
        }
    }
    servers.into_iter().map(|server| server.map(Running::figures)).collect()
}

impl Running {
    fn new(server: &Server, cell: &Cell, cycle: &Rc<Cycle>) -> Option<Self> {
        let mut connections = Vec::new();
        for _ in 0..cell.connection_count {
            let pipe = Pipe::new(cycle);
            connections.push(((server.open)(cell.setting, pipe.clone())?, pipe));
        }
        let mut running = Self { connections, next: 0, rounds: Vec::new(), reply_len: 0.0 };
        running.verify(server, cycle.texts.len());
        running.round(cell.connection_count); // every connection has been used
        Some(running)
    }

    /// The first connection echoes the whole cycle twice, each reply read by a client.
    fn verify(&mut self, server: &Server, message_count: usize) {
        let (connection, pipe) = &mut self.connections[0];
        let mut checker = Checker::new();
        let mut len = 0;
        for index in 0..2 * message_count {
            pipe.arm();
            connection.echo();
            // The floor writes no header.
            let floor = server.name == crate::servers::FLOOR.name;
            let right = floor || pipe.with_reply(|reply, text| checker.check(reply, text));
            assert!(right, "{}: message {index} came back wrong", server.name);
            len += if index < message_count { 0 } else { pipe.reply_len() };
            pipe.advance();
        }
        self.reply_len = len as f64 / message_count as f64;
    }

    /// Echoes `count` messages, one connection after the other; nanoseconds a message.
    fn round(&mut self, count: usize) -> f64 {
        let begin = ThreadTime::now();
        for _ in 0..count {
            let (connection, pipe) = &mut self.connections[self.next];
            pipe.arm();
            connection.echo();
            pipe.advance();
            self.next += 1;
            if self.next == self.connections.len() {
                self.next = 0;
            }
        }
        begin.elapsed().as_nanos() as f64 / count as f64
    }

    fn figures(mut self) -> Figures {
        self.rounds.sort_by(f64::total_cmp);
        Figures { nanos: self.rounds[self.rounds.len() / 2], reply_len: self.reply_len }
    }
}
