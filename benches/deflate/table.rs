//! Markdown.

use crate::measure::{Cell, Figures};
use crate::servers::{ALL, States};

pub fn print_header() {
    let names: Vec<_> = ALL.iter().map(|server| server.name).collect();
    println!("Microseconds of CPU a message (bytes a reply).\n");
    println!(
        "| states, size, level, connections | {} | to the floor | to the best rival |",
        names.join(" | ")
    );
    println!("|{}", "---|".repeat(names.len() + 3));
}

pub fn label(cell: &Cell) -> String {
    let len = match cell.len {
        len @ 0..1024 => format!("{len} B"),
        len @ 1024..0x10_0000 => format!("{} KiB", len / 1024),
        len => format!("{} MiB", len >> 20),
    };
    let states = match cell.setting.states {
        States::Private => "private",
        States::Shared => "shared",
    };
    format!("{states}, {len}, level {}, {}", cell.setting.level, cell.connection_count)
}

pub fn print_row(label: &str, figures: &[Option<Figures>]) {
    let mut row = format!("| {label} |");
    for figures in figures {
        row += &figures.as_ref().map_or(" - |".to_owned(), |Figures { nanos, reply_len }| {
            format!(" {:.2} ({reply_len:.0}) |", nanos / 1000.0)
        });
    }
    let nanos = |index: usize| figures[index].as_ref().map(|figures: &Figures| figures.nanos);
    let ours = nanos(1).unwrap();
    let best = (2..figures.len()).filter_map(nanos).fold(f64::INFINITY, f64::min);
    println!("{row} {:.2} | {:.2} |", ours / nanos(0).unwrap(), ours / best);
}
