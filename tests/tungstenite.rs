//! Another implementation as the other side: what one of them says, the other understands.
#![expect(clippy::unwrap_used, reason = "that is how a test fails")]

mod net;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use net::*;
use talkback::protocol::{Event, MessageKind};
use talkback::{Accept, CloseCode, CloseFrame, Connect, Error, Message, WebSocket};
use tungstenite::Message as Theirs;
use tungstenite::protocol::CloseFrame as TheirClose;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

type TheirSocket = tungstenite::WebSocket<TcpStream>;

/// Our client and their server.
fn our_client() -> (WebSocket<TcpStream>, TheirSocket) {
    let (listener, address) = listen();
    let task = start(move || accept_theirs(&listener));
    let ours = Connect::new(format!("ws://{address}/path")).connect().unwrap();
    (ours, task.end())
}

fn accept_theirs(listener: &TcpListener) -> TheirSocket {
    let stream = listener.accept().unwrap().0;
    patient(&stream);
    tungstenite::accept(stream).unwrap()
}

/// Our server and their client.
fn our_server() -> (WebSocket<TcpStream>, TheirSocket) {
    let (theirs, ours) = pair();
    let task = start(move || Accept::new().accept(ours).unwrap());
    let (theirs, response) = tungstenite::client("ws://localhost/path", theirs).unwrap();
    assert_eq!(response.status(), 101);
    (task.end(), theirs)
}

fn both() -> [(WebSocket<TcpStream>, TheirSocket); 2] {
    [our_client(), our_server()]
}

#[test]
fn messages_go_there_and_back() {
    for (mut ours, mut theirs) in both() {
        let echo = start(move || {
            loop {
                match theirs.read() {
                    Ok(message @ (Theirs::Text(_) | Theirs::Binary(_))) => theirs.send(message).unwrap(),
                    Ok(_) => {}
                    Err(tungstenite::Error::ConnectionClosed) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        let mib = "zażółć 😀".repeat((1 << 20) / 15);
        for message in [
            Message::from(""),
            Message::from("hello"),
            Message::from(vec![0, 255]),
            Message::from(vec![7; 125]),
            Message::from(vec![7; 126]),
            Message::from(vec![7; 65_535]),
            Message::from(vec![7; 65_536]),
            Message::from(vec![3; 1 << 20]),
            Message::from(mib),
        ] {
            ours.send(&message).unwrap();
            assert!(ours.recv().unwrap() == Some(message));
        }
        // In fragments, which they put together.
        let mut writer = ours.writer(MessageKind::Text);
        for _ in 0..100 {
            writer.write_all("zażółć ".repeat(50).as_bytes()).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        assert!(ours.recv().unwrap() == Some(Message::from("zażółć ".repeat(5000))));
        ours.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
        assert_eq!(ours.recv().unwrap(), None);
        assert_eq!(ours.peer_close().map(CloseFrame::code), Some(CloseCode::NORMAL));
        echo.end();
    }
}

#[test]
fn their_fragments_pings_and_pongs_are_understood() {
    for (mut ours, mut theirs) in both() {
        let fragment = |opcode: Data, fin: bool, payload: &'static str| {
            let header =
                FrameHeader { is_final: fin, opcode: OpCode::Data(opcode), ..FrameHeader::default() };
            Theirs::Frame(Frame::from_payload(header, payload.into()))
        };
        let task = start(move || {
            theirs.send(fragment(Data::Text, false, "one ")).unwrap();
            theirs.send(Theirs::Ping("ping".into())).unwrap();
            theirs.send(fragment(Data::Continue, false, "two ")).unwrap();
            theirs.send(fragment(Data::Continue, true, "three")).unwrap();
            assert_eq!(theirs.read().unwrap(), Theirs::Pong("ping".into()));
            assert_eq!(theirs.read().unwrap(), Theirs::Ping("ours".into()));
            assert!(matches!(theirs.read().unwrap(), Theirs::Close(None)));
            assert!(matches!(theirs.read(), Err(tungstenite::Error::ConnectionClosed)));
        });
        assert_eq!(ours.recv_event().unwrap(), Some(Event::Ping(b"ping")));
        assert_eq!(ours.recv().unwrap(), Some(Message::from("one two three")));
        ours.ping(b"ours").unwrap();
        assert_eq!(ours.recv_event().unwrap(), Some(Event::Pong(b"ours")));
        ours.close(None).unwrap();
        assert_eq!(ours.recv().unwrap(), None);
        task.end();
    }
}

#[test]
fn closes_are_understood_both_ways() {
    for code in [1000_u16, 1001, 1008, 1011, 3000, 4999] {
        for (mut ours, mut theirs) in both() {
            let task = start(move || {
                let close = loop {
                    if let Theirs::Close(close) = theirs.read().unwrap() {
                        break close.unwrap();
                    }
                };
                assert!(matches!(theirs.read(), Err(tungstenite::Error::ConnectionClosed)));
                (u16::from(close.code), close.reason.to_string())
            });
            ours.close(CloseFrame::new(CloseCode::new(code).unwrap(), "zażółć")).unwrap();
            assert_eq!(ours.recv().unwrap(), None);
            assert_eq!(ours.peer_close().map(|close| close.code().value()), Some(code));
            drop(ours);
            assert_eq!(task.end(), (code, "zażółć".to_owned()));
        }
        for (mut ours, mut theirs) in both() {
            let task = start(move || {
                theirs.close(Some(TheirClose { code: code.into(), reason: "bye".into() })).unwrap();
                while let Ok(message) = theirs.read() {
                    assert!(matches!(message, Theirs::Close(Some(close)) if u16::from(close.code) == code));
                }
            });
            assert_eq!(ours.recv().unwrap(), None);
            let close = ours.peer_close().unwrap();
            assert_eq!((close.code().value(), close.reason()), (code, "bye"));
            drop(ours);
            task.end();
        }
    }
}

#[test]
fn their_end_without_a_close_is_disconnected() {
    for (mut ours, theirs) in both() {
        drop(theirs);
        assert!(matches!(ours.recv(), Err(Error::Disconnected)));
    }
}

#[test]
fn a_split_client_talks_to_their_server() {
    let (ours, mut theirs) = our_client();
    let (mut reader, writer) = ours.split();
    let echo = start(move || {
        let (mut text_count, mut pong_count) = (0, 0);
        loop {
            match theirs.read() {
                Ok(Theirs::Text(text)) => {
                    text_count += 1;
                    theirs.send(Theirs::Ping(text.as_bytes().to_vec().into())).unwrap();
                    theirs.send(Theirs::Text(text)).unwrap();
                }
                Ok(Theirs::Pong(_)) => pong_count += 1,
                Ok(_) => {}
                Err(_) => return (text_count, pong_count),
            }
        }
    });
    let sending = start(move || {
        for n in 0..500 {
            writer.send(&n.to_string()).unwrap();
        }
        writer
    });
    for n in 0..500 {
        assert_eq!(reader.recv().unwrap(), Some(Message::from(n.to_string())));
    }
    sending.end().close(None).unwrap();
    assert_eq!(reader.recv().unwrap(), None);
    let (text_count, pong_count) = echo.end();
    assert_eq!(text_count, 500);
    assert!((1..=500).contains(&pong_count), "{pong_count}");
}

// The example

/// The example `client`, which is built before the tests are.
fn client_example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    folder.join("examples").join(format!("client{}", std::env::consts::EXE_SUFFIX))
}

/// Ends the process with the test, however that ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

impl Process {
    fn start(url: &str) -> Self {
        let child = Command::new(client_example())
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("the example client is built: cargo build --example client"))
    }

    /// Its exit status, and what it wrote to standard error. Standard input stays open.
    fn end(mut self) -> (Option<i32>, String) {
        let input = self.0.stdin.take();
        let mut stderr = self.0.stderr.take().unwrap();
        let result = start(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            (self.0.wait().unwrap().code(), text)
        })
        .end();
        drop(input);
        result
    }
}

#[test]
fn the_client_example_prints_what_comes_and_ends_with_the_server() {
    for (close, status, said) in [
        (Some((1000, "bye")), 0, "closed: 1000"),
        (Some((1001, "restart")), 1, "closed: 1001"),
        (None, 1, "closed without a code"),
    ] {
        let (listener, address) = listen();
        let mut process = Process::start(&format!("ws://{address}/"));
        let mut theirs = start(move || accept_theirs(&listener)).end();
        process.0.stdin.as_mut().unwrap().write_all("zażółć\n\n".as_bytes()).unwrap();
        assert_eq!(theirs.read().unwrap(), Theirs::text("zażółć"));
        assert_eq!(theirs.read().unwrap(), Theirs::text(""));
        theirs.send(Theirs::text("an answer")).unwrap();
        theirs.send(Theirs::binary(vec![1, 2, 3])).unwrap();
        theirs
            .close(close.map(|(code, reason)| TheirClose { code: u16::into(code), reason: reason.into() }))
            .unwrap();
        let stdout = BufReader::new(process.0.stdout.take().unwrap());
        let lines = start(move || stdout.lines().map(Result::unwrap).collect::<Vec<_>>());
        while theirs.read().is_ok() {}
        drop(theirs);
        assert_eq!(lines.end(), ["an answer", "(3 bytes of binary)"]);
        let (code, stderr) = process.end();
        assert_eq!(code, Some(status), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
        assert!(close.is_none_or(|(_, reason)| stderr.contains(reason)), "{stderr}");
    }
}

#[test]
fn the_client_example_closes_at_the_end_of_its_input() {
    let (listener, address) = listen();
    let mut process = Process::start(&format!("ws://{address}/"));
    let mut theirs = start(move || accept_theirs(&listener)).end();
    drop(process.0.stdin.take());
    match theirs.read().unwrap() {
        Theirs::Close(Some(close)) => assert_eq!(u16::from(close.code), 1000),
        message => panic!("{message}"),
    }
    while theirs.read().is_ok() {}
    drop(theirs);
    assert_eq!(process.end().0, Some(0));
}

#[test]
fn the_client_example_tells_what_went_wrong() {
    // A server that goes away without a word.
    let (listener, address) = listen();
    let process = Process::start(&format!("ws://{address}/"));
    drop(start(move || accept_theirs(&listener)).end());
    let (code, stderr) = process.end();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error: the connection was lost"), "{stderr}");

    // A server that refuses, and one that isn't there.
    let (listener, address) = listen();
    let process = Process::start(&format!("ws://{address}/"));
    let mut peer = listener.accept().unwrap().0;
    patient(&peer);
    read_head(&mut peer);
    peer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (code, stderr) = process.end();
    assert!(code == Some(1) && stderr.contains("404"), "{stderr}");
    drop((listener, peer));
    let (code, stderr) = Process::start(&format!("ws://{address}/")).end();
    assert!(code == Some(1) && stderr.contains("error: "), "{stderr}");
}
