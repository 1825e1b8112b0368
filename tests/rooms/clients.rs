//! Requests and their answers over a socket, literally; and frames.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::net::*;

/// What a request got.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

pub(crate) fn get(target: &str) -> String {
    request_of("GET", target, "", "")
}

pub(crate) fn post(target: &str, body: &str) -> String {
    request_of("POST", target, "Content-Type: application/json\r\n", body)
}

pub(crate) fn request_of(method: &str, target: &str, lines: &str, body: &str) -> String {
    let len = match body.len() {
        0 => String::new(),
        len => format!("Content-Length: {len}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}{len}\r\n{body}")
}

/// Sends a request and reads its answer.
#[track_caller]
pub(crate) fn ask(stream: &mut TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(stream, request.starts_with("HEAD "))
}

#[track_caller]
pub(crate) fn read_answer(stream: &mut TcpStream, is_head: bool) -> Answer {
    let head = read_head(stream);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let len = header(&head, "Content-Length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; if is_head { 0 } else { len }];
    stream.read_exact(&mut body).unwrap();
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

#[track_caller]
pub(crate) fn read_text(stream: &mut impl Read) -> String {
    let (first, payload) = read_frame(false, stream);
    assert_eq!(first, 0x81, "{payload:?}");
    String::from_utf8(payload).unwrap()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(true, 0x81, text.as_bytes())
}

/// Reads a chunk of a stream; the last is empty.
#[track_caller]
pub(crate) fn read_chunk(stream: &mut impl Read) -> String {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.push(char::from(byte[0]));
    }
    let mut chunk = vec![0; usize::from_str_radix(line.trim_end(), 16).unwrap() + 2];
    stream.read_exact(&mut chunk).unwrap();
    assert!(chunk.ends_with(b"\r\n"));
    String::from_utf8(chunk[..chunk.len() - 2].to_vec()).unwrap()
}

/// Upgrades, and expects that it is.
#[track_caller]
pub(crate) fn upgrade(stream: &mut TcpStream, target: &str) -> String {
    stream.write_all(request_to(target, "").as_bytes()).unwrap();
    let head = read_head(stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    head
}
