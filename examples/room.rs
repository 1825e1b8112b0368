//! Talks in a room from a terminal: lines are published, what others say is printed.
//!
//! ```text
//! cargo run --release --features rooms --example room -- ws://127.0.0.1:8080/rooms/lobby/socket NAME
//! ```
//!
//! It comes back by itself where a connection is lost, and publishes then what was typed meanwhile. At the end
//! of standard input it waits for the server to have everything, 10 s at most. What is not said by somebody
//! goes to standard error.

use std::error::Error;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, thread};

use serde_json::value::{RawValue, to_raw_value};
use talkback::room::{ClientId, RoomClient, RoomEvent, RoomSender};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(name), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: room ws://HOST[:PORT]/rooms/ROOM/socket NAME");
        return ExitCode::FAILURE;
    };
    match talk(&url, &name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn talk(url: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let me = ClientId::new(name)?;
    let mut room = RoomClient::new(url, me.clone()).open()?;
    let sender = room.sender();
    // It waits for a line, perhaps for ever: when the room ends, so does the process.
    thread::spawn(move || publish_lines(&sender));
    while let Some(event) = room.recv()? {
        show(&event, &me);
    }
    Ok(())
}

/// Publishes each line of standard input, and closes at its end.
fn publish_lines(sender: &RoomSender) {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let published = to_raw_value(&line).map(|data| sender.publish(&data));
        if let Ok(Err(error)) = published {
            eprintln!("(not published: {error})");
        }
    }
    if !sender.wait_until_settled(Duration::from_secs(10)) {
        eprintln!("({} messages did not come through)", sender.waiting_count());
    }
    sender.close();
}

fn show(event: &RoomEvent, me: &ClientId) {
    match event {
        RoomEvent::Publication { client, data, .. } if client != me => println!("{client}: {}", text(data)),
        RoomEvent::Connected => eprintln!("(connected)"),
        RoomEvent::Disconnected { error, retry_in } => eprintln!("({error}; again in {retry_in:.1?})"),
        RoomEvent::Gap(gap) => eprintln!("({gap})"),
        RoomEvent::Here { present, count } => {
            let names: Vec<_> = present.iter().map(|one| one.client.as_str()).collect();
            eprintln!("({count} here: {})", names.join(", "));
        }
        RoomEvent::Refused { error, .. } => eprintln!("(refused: {})", printable(error)),
        _ => {}
    }
}

/// What was said, if it is text; else the JSON.
fn text(data: &RawValue) -> String {
    let text = serde_json::from_str(data.get()).unwrap_or_else(|_| data.get().to_owned());
    printable(&text)
}

/// Without what a terminal would take for a command.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}
