//! Talks to a WebSocket server from a terminal: lines are sent, what comes is printed.
//!
//! ```text
//! cargo run --release --example client -- ws://127.0.0.1:9001
//! ```
//!
//! The close code and reason, or the error, go to standard error. Exit status 0 after a
//! clean close 1000, else 1.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::{env, thread};

use talkback::{CloseCode, CloseFrame, Message, Reader, Writer, connect};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(url), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: client ws://HOST[:PORT][/PATH]");
        return ExitCode::FAILURE;
    };
    match talk(&url) {
        Ok(Some(close)) => {
            eprintln!("closed: {close}");
            if close.code() == CloseCode::NORMAL { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => {
            eprintln!("closed without a code");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Talks until either side is done; the peer's close.
fn talk(url: &str) -> Result<Option<CloseFrame>, Box<dyn Error>> {
    let (mut reader, writer) = connect(url)?.split();
    eprintln!("connected to {url}");
    // It waits for a line, perhaps for ever: when the connection ends, so does the process.
    thread::spawn(move || send_lines(&writer));
    print_messages(&mut reader)?;
    Ok(reader.peer_close().cloned())
}

/// Sends each line of standard input, and a close at its end.
fn send_lines(writer: &Writer<TcpStream>) -> Result<(), talkback::Error> {
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        writer.send(&line)?;
    }
    writer.close(CloseFrame::from(CloseCode::NORMAL))
}

fn print_messages(reader: &mut Reader<TcpStream>) -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    while let Some(message) = reader.recv()? {
        match message {
            Message::Text(text) => writeln!(stdout, "{text}")?,
            Message::Binary(bytes) => writeln!(stdout, "({} bytes of binary)", bytes.len())?,
        }
        stdout.flush()?;
    }
    Ok(())
}
