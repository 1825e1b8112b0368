//! One row: all contestants, the same messages, in turns.

use std::rc::Rc;
use std::time::Duration;

use cpu_time::ThreadTime;

use crate::allocator;
use crate::contestants::{self, Contestant, Place, Running};
use crate::wire::{InboxWatch, Setup, Watch};
use crate::workload::{Direction, Row, Workload, append_frame};

/// CPU time that a contestant gets a round, about.
const ROUND: Duration = Duration::from_micros(400);
const ROUND_COUNT: usize = 60;
const QUICK_ROUND_COUNT: usize = 12;
/// Where in their allocations the sources of a contestant's connections begin, which take turns.
const PADS: [usize; 4] = [0, 1040, 2112, 3024];

#[derive(Clone, Copy)]
pub struct Figures {
    /// CPU time a message.
    pub nanos: f64,
    /// Allocations a message.
    pub allocations: f64,
    /// Reads and writes a message.
    pub calls: f64,
}

/// A contestant, and its figures; `None`: it takes no part.
pub type Measured = Vec<(Contestant, Option<Figures>)>;

struct Connection {
    running: Box<dyn Running>,
    setup: Rc<Workload>,
    watch: Rc<Watch>,
    inbox: Rc<InboxWatch>,
}

struct Rounds {
    connections: Vec<Connection>,
    nanos: Vec<f64>,
    allocations: f64,
    calls: f64,
}

pub fn measure(row: Row, quick: bool) -> Measured {
    let contestants = contestants::all();
    let mut all: Vec<Option<Rounds>> =
        contestants.iter().map(|contestant| Rounds::new(contestant, row)).collect();
    let first = all.iter_mut().flatten().map(|rounds| rounds.round(0, 64)).fold(1.0, f64::max);
    let count = ((ROUND.as_nanos() as f64 / first) as usize).clamp(1, 8192);
    let round_count = if quick { QUICK_ROUND_COUNT } else { ROUND_COUNT };
    for round in 0..round_count {
        for index in 0..all.len() {
            let index = (index + round) % contestants.len();
            if let Some(rounds) = &mut all[index] {
                let nanos = rounds.round(round, count);
                rounds.nanos.push(nanos);
            }
        }
    }
    contestants
        .into_iter()
        .zip(all)
        .map(|(contestant, rounds)| (contestant, rounds.map(Rounds::figures)))
        .collect()
}

impl Rounds {
    fn new(contestant: &Contestant, row: Row) -> Option<Self> {
        let mut connections = Vec::new();
        for pad in PADS {
            let setup = Setup::new(row, pad);
            let (workload, watch, inbox) =
                (setup.workload.clone(), setup.wire.watch(), setup.inbox.watch.clone());
            let running = (contestant.open)(row, setup)?;
            connections.push(Connection { running, setup: workload, watch, inbox });
        }
        for connection in &mut connections {
            if contestant.place != Place::Baseline {
                connection.verify(contestant, row);
            }
        }
        // What is counted is counted apart from what is timed.
        let connection = &mut connections[0];
        let count = connection.setup.messages.len();
        let before = (allocator::count(), connection.watch.call_count.get());
        connection.running.run(count);
        let of = |after: u64, before: u64| (after - before) as f64 / count as f64;
        let allocations = of(allocator::count(), before.0);
        let calls = of(connection.watch.call_count.get(), before.1);
        Some(Self { connections, nanos: Vec::new(), allocations, calls })
    }

    /// Nanoseconds a message.
    fn round(&mut self, round: usize, count: usize) -> f64 {
        let connection_count = self.connections.len();
        let connection = &mut self.connections[round % connection_count];
        let begin = ThreadTime::now();
        connection.running.run(count);
        begin.elapsed().as_nanos() as f64 / count as f64
    }

    fn figures(mut self) -> Figures {
        self.nanos.sort_by(f64::total_cmp);
        let nanos = self.nanos[self.nanos.len() / 2];
        Figures { nanos, allocations: self.allocations, calls: self.calls }
    }
}

impl Connection {
    /// Two cycles, each message of which is compared.
    fn verify(&mut self, contestant: &Contestant, row: Row) {
        let count = 2 * self.setup.messages.len();
        self.inbox.verifying.set(true);
        self.watch.capturing.set(true);
        self.running.run(count);
        self.inbox.verifying.set(false);
        self.watch.capturing.set(false);
        if row.direction == Direction::Receive {
            assert_eq!(self.inbox.verified_count.get(), count, "{}", contestant.name);
            return;
        }
        let captured = self.watch.captured.take();
        let mut expected = Vec::with_capacity(captured.len());
        for index in 0..count {
            let message = &self.setup.messages[index % self.setup.messages.len()];
            let start = expected.len();
            append_frame(&mut expected, row.is_text(), message, [0; 4]);
            let payload = expected.len() - message.len();
            if row.direction == Direction::Send {
                expected.drain(payload - 4..payload);
                expected[start + 1] &= 0x7f;
            } else {
                let key: [u8; 4] = captured[payload - 4..payload].try_into().unwrap();
                expected.truncate(start);
                append_frame(&mut expected, row.is_text(), message, key);
            }
        }
        assert!(captured == expected, "{} sent something else in {row}", contestant.name);
    }
}
