//! Starts servers and loads, measures, prints.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::load::Window;
use crate::report;
use crate::servers::{self, Kind, Server};
use crate::sys;

const USAGE: &str =
    "sockets [--quick] [--only SERVER]... [--row TEXT]... [--rounds N] [--idle CONNECTIONS] [--json FILE]
  --only    this server, and the floor; may be given more than once
  --row     rows whose label has this in it; may be given more than once
  --idle    how many idle connections are weighed (10000)";

/// What isn't begun by then isn't measured: with what is under way all ends within 15 minutes.
const DEADLINE: Duration = Duration::from_secs(14 * 60);
/// How often each server has its turn in a round.
const SLICES: usize = 5;
/// Of any answer of a child.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Connections that are open before memory is looked at for the first time, so that what a server
/// allocates once isn't counted.
const BEFORE_IDLE: usize = 100;

pub struct Row {
    pub label: String,
    pub connections: usize,
    len: usize,
    depth: usize,
    /// Counts system calls, too.
    counted: bool,
}

fn size(len: usize) -> String {
    match len {
        0..1024 => format!("{len} B"),
        1024..0x10_0000 => format!("{} KiB", len >> 10),
        _ => format!("{} MiB", len >> 20),
    }
}

impl Row {
    fn echo(connections: usize, len: usize, depth: usize, counted: bool) -> Self {
        Self { label: format!("{connections}, {}, {depth}", size(len)), connections, len, depth, counted }
    }

    fn fan_out(len: usize, depth: usize) -> Self {
        Self { label: format!("{}, {depth}", size(len)), connections: 1000, len, depth, counted: false }
    }
}

pub struct Options {
    only: Vec<String>,
    rows: Vec<String>,
    json: Option<String>,
    rounds: usize,
    pub idle: usize,
    /// Milliseconds.
    warm: u64,
    window: u64,
}

impl Options {
    fn parse(arguments: &[String]) -> Option<Self> {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let (rounds, idle, warm, window) = if quick { (1, 2000, 50, 100) } else { (3, 10_000, 50, 200) };
        let mut options = Self { only: Vec::new(), rows: Vec::new(), json: None, rounds, idle, warm, window };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => {}
                "--only" => options.only.push(arguments.next()?.clone()),
                "--row" => options.rows.push(arguments.next()?.clone()),
                "--json" => options.json = Some(arguments.next()?.clone()),
                "--rounds" => options.rounds = arguments.next()?.parse().ok()?,
                "--idle" => options.idle = arguments.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, label: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| label.contains(row.as_str()))
    }

    fn servers(&self) -> io::Result<Vec<&'static Server>> {
        for name in &self.only {
            if servers::find(name).is_none() {
                let names: Vec<&str> = servers::ALL.iter().map(|server| server.name).collect();
                let all = names.join("\", \"");
                return Err(io::Error::other(format!("no server \"{name}\"; there are \"{all}\"")));
            }
        }
        let wanted = |server: &&Server| {
            self.only.is_empty() && server.kind != Kind::Variant
                || server.kind == Kind::Floor
                || self.only.iter().any(|name| name == server.name)
        };
        Ok(servers::ALL.iter().filter(wanted).collect())
    }
}

/// A process that is ended when this is dropped, and what it prints.
struct Child {
    process: process::Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Child {
    /// This program, as something else.
    fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe"); // also if it was built anew since

        let mut process = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, input, lines: lines_of(output) })
    }

    fn line(&self) -> io::Result<String> {
        self.lines.recv_timeout(ANSWER_LIMIT).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            RecvTimeoutError::Disconnected => io::ErrorKind::UnexpectedEof.into(),
        })
    }

    fn ask(&mut self, command: &str) -> io::Result<String> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{command}")?;
        self.line()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server and its load. The load is ended first.
struct Pair {
    load: Child,
    server: Child,
}

impl Pair {
    fn start(server: &Server, row: &Row, broadcast: bool) -> io::Result<Self> {
        let mode = if broadcast { "broadcast" } else { "echo" };
        let process = Child::start(&["serve", server.name, mode])?;
        let port = process.line()?;
        let (pid, len, depth) =
            (process.process.id().to_string(), row.len.to_string(), row.depth.to_string());
        let mut arguments = vec!["load", &port, &pid, &len, &depth];
        if server.kind == Kind::Raw {
            arguments.push("raw");
        }
        if broadcast {
            arguments.push("broadcast");
        }
        Ok(Self { load: Child::start(&arguments)?, server: process })
    }

    /// Gives the server's CPU time for it, in nanoseconds.
    fn connect(&mut self, count: usize) -> io::Result<f64> {
        let answer = self.load.ask(&format!("connect {count}"))?;
        answer.parse().map_err(io::Error::other)
    }

    fn run(&mut self, warm: u64, window: u64) -> io::Result<Window> {
        let answer = self.load.ask(&format!("run {warm} {window}"))?;
        Window::from_line(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// What the server has in memory, in bytes.
    fn memory(&self) -> io::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.server.process.id()))?;
        let words = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = words.and_then(|words| words.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// What was measured, by table, row, measure and server: a figure a turn.
#[derive(Default)]
pub struct Book {
    figures: HashMap<(&'static str, String, &'static str, &'static str), HashMap<usize, f64>>,
    turn: usize,
}

impl Book {
    fn note(&mut self, table: &'static str, row: &Row, server: &Server, measure: &'static str, value: f64) {
        let key = (table, row.label.clone(), measure, server.name);
        self.figures.entry(key).or_default().insert(self.turn, value);
    }

    fn figures(
        &self,
        table: &'static str,
        row: &str,
        measure: &'static str,
        server: &'static str,
    ) -> Option<&HashMap<usize, f64>> {
        self.figures.get(&(table, row.to_owned(), measure, server))
    }

    /// The median of all turns.
    pub fn get(
        &self,
        table: &'static str,
        row: &str,
        measure: &'static str,
        server: &'static str,
    ) -> Option<f64> {
        median(self.figures(table, row, measure, server)?.values().copied())
    }

    /// The median of the ratios of one server to another in the same turns: what the machine does
    /// meanwhile happens to both.
    pub fn ratio(
        &self,
        table: &'static str,
        row: &str,
        measure: &'static str,
        [server, other]: [&'static str; 2],
    ) -> Option<f64> {
        let get = |server| self.figures(table, row, measure, server);
        let (figures, others) = (get(server)?, get(other)?);
        median(figures.iter().filter_map(|(turn, figure)| Some(figure / others.get(turn)?)))
    }

    fn note_window(&mut self, table: &'static str, row: &Row, server: &Server, window: Window) {
        let messages = window.messages as f64;
        let mut note = |measure, value| self.note(table, row, server, measure, value);
        note("cpu", window.server_cpu as f64 / 1000.0 / messages);
        note("load", window.own_cpu as f64 / 1000.0 / messages);
        note("busy", window.server_cpu as f64 / window.wall as f64);
        note("p50", window.p50 as f64 / 1000.0);
        note("p99", window.p99 as f64 / 1000.0);
        note("rate", messages * 1e9 / window.wall as f64);
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

struct Lab {
    options: Options,
    book: Book,
    deadline: Instant,
}

impl Lab {
    /// All servers are started, and measured a slice at a time, in turns.
    fn slices(
        &mut self,
        table: &'static str,
        row: &Row,
        servers: &[&'static Server],
        round: usize,
        broadcast: bool,
    ) {
        let mut pairs: Vec<Option<Pair>> = servers.iter().map(|_| None).collect();
        self.turns(table, row, servers, round * SLICES, |_, place| {
            let mut pair = Pair::start(servers[place], row, broadcast)?;
            pair.connect(row.connections)?;
            pairs[place] = Some(pair);
            Ok(())
        });
        for slice in 0..SLICES {
            self.turns(table, row, servers, round * SLICES + slice, |lab, place| {
                // What fails isn't measured any more.
                let Some(mut pair) = pairs[place].take() else { return Ok(()) };
                let window = pair.run(lab.options.warm, lab.options.window)?;
                lab.book.note_window(table, row, servers[place], window);
                pairs[place] = Some(pair);
                Ok(())
            });
        }
    }

    /// Memory before and after the connections are opened, and after all of them were in use.
    fn idle(&mut self, server: &Server, row: &Row) -> io::Result<()> {
        let settle = || thread::sleep(Duration::from_millis(200));
        let count = row.connections as f64;
        let mut pair = Pair::start(server, row, false)?;
        pair.connect(BEFORE_IDLE)?;
        settle();
        let before = pair.memory()?;
        let handshakes = pair.connect(row.connections)?;
        settle();
        let opened = pair.memory()?;
        let window = pair.run(300, self.options.window * 5)?;
        settle();
        let used = pair.memory()?;
        self.book.note_window("echo", row, server, window);
        if server.kind != Kind::Raw {
            self.book.note("idle", row, server, "handshake", handshakes / 1000.0 / count);
        }
        self.book.note("idle", row, server, "opened", (opened - before) / count);
        self.book.note("idle", row, server, "used", (used - before) / count);
        Ok(())
    }

    /// Of a short run under strace: it is far slower, but the calls are the same.
    fn count_calls(&mut self, server: &Server, row: &Row) -> io::Result<()> {
        let mut pair = Pair::start(server, row, false)?;
        pair.connect(row.connections)?;
        let pid = pair.server.process.id().to_string();
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-U", "calls,name", "-p", &pid]);
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let output = process.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let strace = Child { process, input: None, lines: lines_of(output) };
        while !strace.line()?.contains("attached") {}
        thread::sleep(Duration::from_millis(100));
        let messages = pair.run(0, 300)?.all_messages.max(1) as f64;
        sys::interrupt(strace.process.id());
        let (mut reads, mut writes, mut all) = (0.0, 0.0, 0.0);
        while let Ok(line) = strace.line() {
            let mut words = line.split_whitespace();
            let (Some(Ok(calls)), Some(name)) = (words.next().map(str::parse::<f64>), words.next()) else {
                continue;
            };
            match name {
                "total" => continue,
                "read" | "readv" | "recvfrom" | "recvmsg" => reads += calls,
                "write" | "writev" | "sendto" | "sendmsg" => writes += calls,
                _ => {}
            }
            all += calls;
        }
        self.book.note("calls", row, server, "reads", reads / messages);
        self.book.note("calls", row, server, "writes", writes / messages);
        self.book.note("calls", row, server, "all", all / messages);
        Ok(())
    }

    /// Each server has its turn, in an order that rotates.
    fn turns(
        &mut self,
        what: &str,
        row: &Row,
        servers: &[&'static Server],
        turn: usize,
        mut measure: impl FnMut(&mut Self, usize) -> io::Result<()>,
    ) {
        self.book.turn = turn;
        for place in 0..servers.len() {
            let place = (place + turn) % servers.len();
            if Instant::now() > self.deadline {
                return;
            }
            let server = servers[place].name;
            eprint!("\r\x1b[K{what}: {}: turn {}: {server}", row.label, turn + 1);
            if let Err(error) = measure(self, place) {
                eprintln!("\r\x1b[K{what}: {}: {server}: {error}", row.label);
            }
        }
    }
}

/// Connections, bytes, messages in flight.
fn echo_rows() -> Vec<Row> {
    vec![
        Row::echo(64, 16, 1, true),
        Row::echo(64, 16, 16, true),
        Row::echo(1000, 16, 1, false),
        Row::echo(1000, 16, 16, false),
        Row::echo(64, 1024, 1, false),
        Row::echo(64, 1024, 16, false),
        Row::echo(1000, 1024, 1, false),
        Row::echo(1000, 1024, 16, true),
        Row::echo(64, 64 << 10, 4, true),
        Row::echo(1, 1 << 20, 1, true),
    ]
}

fn fan_out_rows() -> Vec<Row> {
    vec![Row::fan_out(125, 1), Row::fan_out(125, 8), Row::fan_out(4 << 10, 4)]
}

pub fn main(arguments: &[String]) -> io::Result<()> {
    let options = Options::parse(arguments).ok_or_else(|| io::Error::other(format!("\n{USAGE}")))?;
    let servers = options.servers()?;
    let most = sys::raise_descriptors((options.idle + BEFORE_IDLE + 100) as u64);
    if most < (options.idle + BEFORE_IDLE + 50) as u64 {
        return Err(io::Error::other(format!("a process may have {most} descriptors: set --idle to less")));
    }
    let wanted =
        |rows: Vec<Row>| rows.into_iter().filter(|row| options.wants(&row.label)).collect::<Vec<Row>>();
    let echo = wanted(echo_rows());
    let idle = wanted(vec![Row::echo(options.idle, 16, 1, false)]);
    let fan_out = wanted(fan_out_rows());
    let broadcasters: Vec<&Server> = servers.iter().copied().filter(|server| server.broadcasts).collect();
    let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let rounds = options.rounds;
    let mut lab = Lab { options, book: Book::default(), deadline: Instant::now() + DEADLINE };
    for round in 0..rounds {
        for row in &echo {
            lab.slices("echo", row, &servers, round, false);
            if row.counted && round == 0 && strace.is_ok() {
                lab.turns("calls", row, &servers, round, |lab, place| lab.count_calls(servers[place], row));
            }
        }
        for row in &idle {
            lab.turns("idle", row, &servers, round, |lab, place| lab.idle(servers[place], row));
        }
        for row in &fan_out {
            lab.slices("fan-out", row, &broadcasters, round, true);
        }
    }
    eprint!("\r\x1b[K");
    if Instant::now() > lab.deadline {
        eprintln!("sockets: out of time: some rows are of fewer rounds, or missing");
    }
    let report =
        report::Report { book: &lab.book, servers: &servers, echo: &echo, idle: &idle, fan_out: &fan_out };
    print!("{}", report.tables());
    if let Some(path) = &lab.options.json {
        fs::write(path, report.json())?;
    }
    Ok(())
}
