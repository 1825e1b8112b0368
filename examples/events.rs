//! Prints the server-sent events of an address, over as many connections as it takes.
//!
//! ```text
//! cargo run --release --example events -- http://127.0.0.1:9001/events [LAST-EVENT-ID]
//! ```
//!
//! Ends when the server says so (204), or answers with something else than events.

use std::env;
use std::process::ExitCode;

use talkback::client::{EventSourceError, Subscribe};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let Some(url) = arguments.next() else {
        eprintln!("usage: events http://HOST[:PORT][/PATH] [LAST-EVENT-ID]");
        return ExitCode::FAILURE;
    };
    let subscribe = Subscribe::new(url).last_event_id(arguments.next().unwrap_or_default());
    match print_events(&subscribe) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_events(subscribe: &Subscribe) -> Result<(), EventSourceError> {
    let mut source = subscribe.connect()?;
    eprintln!("connected to {}", source.url());
    while let Some(event) = source.recv()? {
        println!("{} [{}] {}", event.name, event.last_event_id, event.data);
    }
    Ok(())
}
