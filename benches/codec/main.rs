//! What a codec costs: a message received, sent by a server, sent by a client, beside other
//! crates and beside a program that does nothing but the work. See `benches/README.md`.
//!
//! Everything is in one process and one thread, over a wire in memory: no system call is
//! counted, but copying out of the kernel's hands and into them is. The contestants take turns
//! in short rounds, in an order that rotates; the figures are medians of the rounds, of the
//! thread's CPU time.

mod allocator;
mod contestants;
mod measure;
mod table;
mod wire;
mod workload;

use std::process::ExitCode;

use workload::{Direction, Kind, Row};

const LENS: [usize; 6] = [16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];

const USAGE: &str = "usage: codec [--quick] [ROW]           the tables, of the rows with ROW in their label
       codec --run CONTESTANT ROW COUNT  COUNT messages and nothing else, for callgrind";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // For the clocks of the async crates; nothing is ever waited for.
    #[cfg(feature = "rivals")]
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    #[cfg(feature = "rivals")]
    let _guard = runtime.enter();
    match arguments[..] {
        ["--run", name, label, count] => return run(name, label, count),
        [] => compare("", false),
        ["--quick"] => compare("", true),
        [label] if !label.starts_with('-') => compare(label, false),
        ["--quick", label] => compare(label, true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn compare(label: &str, quick: bool) {
    let rows: Vec<Row> = rows().filter(|row| row.to_string().contains(label)).collect();
    let measured: Vec<_> = rows.iter().map(|row| (*row, measure::measure(*row, quick))).collect();
    table::print_times(&measured);
    table::print_counts(&measured);
}

fn rows() -> impl Iterator<Item = Row> {
    [Direction::Receive, Direction::Send, Direction::ClientSend].into_iter().flat_map(|direction| {
        [Kind::Binary, Kind::Ascii, Kind::NonAscii]
            .into_iter()
            .flat_map(move |kind| LENS.map(|len| Row { direction, kind, len }))
    })
}

/// Lets one contestant do `count` messages, and nothing else.
fn run(name: &str, label: &str, count: &str) -> ExitCode {
    let contestant = contestants::all().into_iter().find(|contestant| contestant.name == name);
    let row = rows().find(|row| row.to_string() == label);
    let (Some(contestant), Some(row), Ok(count)) = (contestant, row, count.parse()) else {
        eprintln!("no such contestant, row or count: {name}, {label}, {count}\n{USAGE}");
        return ExitCode::FAILURE;
    };
    let setup = wire::Setup::new(row, 0);
    let Some(mut contestant) = (contestant.open)(row, setup) else {
        eprintln!("{name} doesn't take part in {label}");
        return ExitCode::FAILURE;
    };
    contestant.run(count);
    ExitCode::SUCCESS
}
