//! Against Python's zlib, which is the original one: it reads what we send, and we read what it sends.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use serde_json::{Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc7692/zlib_peer.py");
const DEADLINE: Duration = Duration::from_secs(40);

/// What the script answers; fails where there is no Python, for then nothing was compared.
fn ask(request: &Value) -> Value {
    let mut child = Command::new("python3")
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 must be installed: this test compares with its zlib");
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let request = request.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(request.as_bytes()));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        sender.send(stdout.read_to_string(&mut answer).map(|_| answer))
    });
    let answer = receiver.recv_timeout(DEADLINE);
    if answer.is_err() {
        child.kill().unwrap();
    }
    assert!(child.wait().unwrap().success(), "the script failed, or took more than {DEADLINE:?}");
    writer.join().unwrap().unwrap();
    serde_json::from_str(&answer.unwrap().unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

/// Long and short, alike and not; all that a window may hold, and more.
fn samples() -> Vec<Vec<u8>> {
    vec![
        b"Hello".to_vec(),
        prose(1000).into_bytes(),
        Vec::new(),
        prose(1000).into_bytes(),
        noise(300).repeat(3),
        vec![b'z'; 20_000],
        Vec::new(),
        Vec::new(),
        [noise(2000), prose(9000).into_bytes(), noise(2000)].concat(),
        b"x".to_vec(),
    ]
}

#[test]
fn what_we_send_is_read_by_zlib() {
    let samples = samples();
    let (mut jobs, mut expected) = (Vec::new(), Vec::new());
    for role in ROLES {
        for takeover in [true, false] {
            for bits in 9..=15 {
                for level in [1, 6, 9] {
                    let agreed = windows(bits)
                        .server_no_context_takeover(!takeover)
                        .client_no_context_takeover(!takeover);
                    let options = Deflate::private().min_len(Some(0)).level(level);
                    let mut sender =
                        Endpoint::of(protocol(role, &Config::default(), &agreed, &options), Style::Window);
                    let (mut payloads, mut messages) = (Vec::new(), Vec::new());
                    for (index, sample) in samples.iter().enumerate() {
                        let outbound = sender.outbound();
                        if index % 3 == 1 {
                            let (first, last) = sample.split_at(sample.len() / 3);
                            outbound.send_fragment(first, false).unwrap();
                            outbound.send_fragment(last, true).unwrap();
                        } else {
                            outbound.send(sample).unwrap();
                        }
                        let frames = wire(&sender.write(usize::MAX));
                        let payload: Vec<u8> =
                            frames.iter().flat_map(|frame| &frame.payload).copied().collect();
                        if frames[0].first & RSV1 == 0 {
                            assert!(!takeover && payload == *sample);
                        } else {
                            payloads.push(hex(&payload));
                            messages.push(sample.clone());
                        }
                    }
                    jobs.push(json!({"bits": bits, "takeover": takeover, "payloads": payloads}));
                    expected.push(messages);
                }
            }
        }
    }
    let answer = ask(&json!({"deflate": [], "inflate": jobs}));
    for ((job, messages), answer) in jobs.iter().zip(&expected).zip(answer["inflate"].as_array().unwrap()) {
        let read: Vec<Vec<u8>> = answer.as_array().unwrap().iter().map(unhex).collect();
        assert!(read == *messages && read.len() > 4, "{} {}", job["bits"], job["takeover"]);
    }
}

#[test]
fn what_zlib_sends_is_read_by_us() {
    let samples = samples();
    let messages: Vec<String> = samples.iter().map(|sample| hex(sample)).collect();
    let mut jobs = Vec::new();
    for flush in ["sync", "full", "finish", "finish-0", "partial"] {
        for takeover in [true, false] {
            for bits in 9..=15 {
                for level in if takeover { 0..=9 } else { 5..=7 } {
                    // All strategies, but not each with each.
                    let strategy = if level == 6 { bits % 5 } else { 0 };
                    jobs.push(json!({
                        "level": level, "bits": bits, "strategy": strategy, "flush": flush,
                        "takeover": takeover, "messages": messages,
                    }));
                }
            }
        }
    }
    let answer = ask(&json!({"deflate": jobs, "inflate": []}));
    let mut styles = STYLES.iter().filter(|style| **style != Style::Parts(1)).cycle();
    for (index, (job, answer)) in jobs.iter().zip(answer["deflate"].as_array().unwrap()).enumerate() {
        let (bits, takeover) = (job["bits"].as_u64().unwrap(), job["takeover"] == true);
        let agreed = windows(bits.try_into().unwrap())
            .server_no_context_takeover(!takeover)
            .client_no_context_takeover(!takeover);
        let role = ROLES[index % 2];
        let mut receiver = endpoint(role, &agreed, *styles.next().unwrap());
        for payload in answer.as_array().unwrap() {
            let payload = unhex(payload);
            for frame in fragments(role, DEFLATED_BINARY, &payload, 1 + (index * 37) % 3000) {
                receiver.read(&frame);
            }
        }
        assert_eq!(receiver.error, None, "{} {bits} {takeover}", job["flush"]);
        assert!(
            receiver.received.iter().eq(&samples.iter().map(binary).collect::<Vec<_>>()),
            "{}",
            job["flush"]
        );
    }
}
