//! Markdown.

use crate::contestants::Place;
use crate::measure::{Figures, Measured};
use crate::workload::Row;

/// Nanoseconds a message, and our ratios.
pub fn print_times(rows: &[(Row, Measured)]) {
    println!("Nanoseconds of CPU a message.\n");
    print_header(rows, "row", " to LIMIT | to the best rival |", 2);
    for (row, measured) in rows {
        print!("| {row} |");
        for (_, figures) in measured {
            print_cell(figures.map(|figures| figures.nanos), |nanos| {
                if nanos < 1000.0 { format!("{nanos:.1}") } else { format!("{nanos:.0}") }
            });
        }
        let of = |place| {
            let nanos = measured.iter().filter(move |(contestant, _)| contestant.place == place);
            nanos.filter_map(|(_, figures)| figures.map(|figures| figures.nanos))
        };
        let ours = of(Place::Ours).next().unwrap_or(f64::NAN);
        let limit = of(Place::Limit).next().unwrap_or(f64::NAN);
        let best = of(Place::Rival).fold(f64::INFINITY, f64::min);
        println!(" {:.2} | {:.2} |", ours / limit, ours / best);
    }
}

/// Allocations and calls of the transport a message.
pub fn print_counts(rows: &[(Row, Measured)]) {
    println!("\nAllocations, and calls of the transport, a message.\n");
    print_header(rows, "row", "", 0);
    for (row, measured) in rows {
        print!("| {row} |");
        for (contestant, figures) in measured {
            let figures = figures.filter(|_| contestant.place != Place::Baseline);
            print_cell(figures, |Figures { allocations, calls, .. }| format!("{allocations:.2}, {calls:.3}"));
        }
        println!();
    }
}

fn print_header(rows: &[(Row, Measured)], first: &str, last: &str, last_count: usize) {
    let Some((_, measured)) = rows.first() else { return };
    let names: Vec<_> = measured.iter().map(|(contestant, _)| contestant.name).collect();
    println!("| {first} | {} |{last}", names.join(" | "));
    println!("|{}", "---|".repeat(1 + names.len() + last_count));
}

fn print_cell<T>(value: Option<T>, show: impl FnOnce(T) -> String) {
    print!(" {} |", value.map_or("-".to_owned(), show));
}
