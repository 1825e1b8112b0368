//! The client under test of the Autobahn suite: runs all cases of a fuzzingserver, then has
//! it write its report.
//!
//! ```text
//! cargo run --release --example autobahn_client -- ws://127.0.0.1:9002
//! ```

use std::error::Error;
use std::net::TcpStream;
use std::process::ExitCode;

use talkback::{Config, Connect, Message, WebSocket};

const AGENT: &str = "talkback";
const MAX_MESSAGE_LEN: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: autobahn_client ws://HOST:PORT");
        return ExitCode::FAILURE;
    };
    match run(&url) {
        Ok(count) => {
            println!("{count} cases ran");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str) -> Result<u32, Box<dyn Error>> {
    let count = case_count(url)?;
    for case in 1..=count {
        // Most cases end with an error, by design: the server judges which.
        if let Err(error) = run_case(url, case) {
            eprintln!("case {case}: {error}");
        }
    }
    let mut ws = open(&format!("{url}/updateReports?agent={AGENT}"))?;
    while ws.recv()?.is_some() {} // closed when the reports are written
    Ok(count)
}

fn case_count(url: &str) -> Result<u32, Box<dyn Error>> {
    let mut ws = open(&format!("{url}/getCaseCount"))?;
    let Some(Message::Text(count)) = ws.recv()? else { return Err("the server told no count".into()) };
    while ws.recv()?.is_some() {}
    Ok(count.parse()?)
}

fn run_case(url: &str, case: u32) -> Result<(), Box<dyn Error>> {
    let mut ws = open(&format!("{url}/runCase?case={case}&agent={AGENT}"))?;
    while let Some(message) = ws.recv()? {
        ws.queue(&message)?;
    }
    Ok(())
}

fn open(url: &str) -> Result<WebSocket<TcpStream>, Box<dyn Error>> {
    let config = Config::default().max_message_len(Some(MAX_MESSAGE_LEN));
    Ok(Connect::new(url).config(config).connect()?)
}
