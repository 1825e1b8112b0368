//! What servers cost over sockets: talkback's, other crates', and one written by hand. See README.md.
//!
//! One program for all parts, each part a process of its own: the lab starts servers and loads, by
//! starting itself.

mod lab;
mod load;
mod report;
mod servers;
mod sys;

use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use servers::Mode;

/// Of a server or a load. None is in use for so long.
const LIFETIME: Duration = Duration::from_secs(180);
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;
/// A connection each, and some.
const DESCRIPTORS: u64 = 60_000;

fn serve(arguments: &[String]) -> io::Result<()> {
    let [name, mode] = arguments else { return Err(io::Error::other("serve NAME echo|broadcast")) };
    let server = servers::find(name).ok_or_else(|| io::Error::other(format!("no server {name}")))?;
    sys::end_with_parent(LIFETIME);
    sys::pin(SERVER_CORE)?;
    sys::raise_descriptors(DESCRIPTORS);
    server.run(if mode == "broadcast" { Mode::Broadcast } else { Mode::Echo })
}

fn load(arguments: &[String]) -> io::Result<()> {
    let [port, server, len, depth, flags @ ..] = arguments else {
        return Err(io::Error::other("load PORT PID LEN DEPTH [raw] [broadcast]"));
    };
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let (len, depth) = (len.parse().map_err(io::Error::other)?, depth.parse().map_err(io::Error::other)?);
    let shape = load::Shape { len, depth, raw: flag("raw"), broadcast: flag("broadcast") };
    sys::end_with_parent(LIFETIME);
    sys::pin(LOAD_CORE)?;
    sys::raise_descriptors(DESCRIPTORS);
    load::obey(port.parse().map_err(io::Error::other)?, server.parse().map_err(io::Error::other)?, shape)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("serve") => serve(&arguments[1..]),
        Some("load") => load(&arguments[1..]),
        _ => lab::main(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockets: {}: {error}", arguments.join(" "));
            ExitCode::FAILURE
        }
    }
}
