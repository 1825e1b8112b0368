//! One message received compressed and echoed compressed: what the server's side costs,
//! beside other crates and zlib-rs alone. See `benches/README.md`.
//!
//! Everything is in one process and one thread, over connections in memory, so that only the
//! work on the message is counted. The servers take turns in short rounds, in an order that
//! rotates; the figures are medians of the rounds, of the thread's CPU time.

mod corpus;
mod measure;
mod memory;
mod peer;
mod pipe;
mod servers;
mod table;

use std::time::Duration;

use measure::Cell;
use servers::{Setting, States};

#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

const MIB: usize = 1024 * 1024;
const LENS: [usize; 4] = [64, 1024, 16 * 1024, MIB];
const LEVELS: [u8; 4] = [1, 3, 6, 9];

fn main() {
    if std::env::args().any(|argument| argument == "--messages") {
        // For other languages' peers: see `ws.mjs`.
        return corpus::messages(1024).iter().for_each(|message| println!("{message}"));
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    // For the clocks of the async crates; nothing is ever waited for.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    table::print_header();
    for cell in cells(quick) {
        let row = table::label(&cell);
        if only.as_ref().is_none_or(|only| row.contains(only)) {
            table::print_row(&row, &measure::measure(&cell));
        }
    }
    if only.is_none() {
        memory::print();
    }
}

fn cells(quick: bool) -> Vec<Cell> {
    let budget = if quick { Duration::from_millis(250) } else { Duration::from_millis(1200) };
    let mut cells = Vec::new();
    for states in [States::Shared, States::Private] {
        for len in LENS {
            for level in LEVELS {
                for connection_count in [1, 1000] {
                    // A message of 1 MiB is larger than the caches: others don't matter.
                    let many = connection_count > 1;
                    let skip = (many && len == MIB) || (quick && (many || level == 3) && len != 1024);
                    if !skip {
                        cells.push(Cell {
                            len,
                            setting: Setting { level, states },
                            connection_count,
                            budget,
                        });
                    }
                }
            }
        }
    }
    cells
}
