//! What a connection holds, as the allocator counts it.

use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::corpus;
use crate::peer::Cycle;
use crate::pipe::Pipe;
use crate::servers::{self, ALL, Connection, FLOOR, Setting, States};

const COUNT: usize = 100;

pub fn print() {
    println!("\n| bytes a connection, heap | opened | after one message of 1 KiB |\n|---|---|---|");
    let cycle = Cycle::new(corpus::messages(1024), false);
    let pipes = || -> Vec<Pipe> { (0..COUNT).map(|_| Pipe::new(&cycle)).collect() };
    print_row("talkback, not negotiated", |pipe| Some(servers::open_plain(pipe)), pipes(), false);
    for states in [States::Shared, States::Private] {
        for server in ALL.iter().filter(|server| server.name != FLOOR.name) {
            let setting = Setting { level: 6, states };
            let label = format!("{}, {states:?}, level 6", server.name).to_lowercase();
            print_row(&label, |pipe| (server.open)(setting, pipe), pipes(), true);
        }
    }
}

fn print_row(label: &str, open: impl Fn(Pipe) -> Option<Box<dyn Connection>>, pipes: Vec<Pipe>, echo: bool) {
    // What a thread holds once, whatever the number of connections, isn't counted.
    if let (Some(mut first), true) = (open(pipes[0].clone()), echo) {
        pipes[0].arm();
        first.echo();
    }
    let region = Region::new(ALLOCATOR);
    let mut connections: Vec<_> = Vec::with_capacity(COUNT);
    let before = held(&region);
    connections.extend(pipes.iter().map_while(|pipe| open(pipe.clone())));
    if connections.is_empty() {
        return println!("| {label} | - | - |");
    }
    let opened = held(&region) - before;
    let used = echo.then(|| {
        let pipes_before: usize = pipes.iter().map(Pipe::capacity).sum();
        for (connection, pipe) in connections.iter_mut().zip(&pipes) {
            pipe.arm();
            connection.echo();
        }
        let of_pipes = pipes.iter().map(Pipe::capacity).sum::<usize>() - pipes_before;
        held(&region) - before - of_pipes as isize
    });
    let per = |bytes: isize| bytes / COUNT as isize;
    let used = used.map_or("-".to_owned(), |used| per(used).to_string());
    println!("| {label} | {} | {used} |", per(opened));
}

fn held(region: &Region<'_, std::alloc::System>) -> isize {
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize + change.bytes_reallocated
}
