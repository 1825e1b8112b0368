//! Publications that are compressed, once for all.

use talkback::protocol::Deflate;
use talkback::room::{RoomConfig, Rooms};
use talkback::{Config, Connect, Message};

use crate::readers::*;
use crate::serving::*;

#[test]
fn publications_are_compressed_for_whoever_agreed_and_plain_for_all_others() {
    let rooms = Rooms::new(RoomConfig::default().deflate(Some(Deflate::shared()))).unwrap();
    let deflate = Config::default().deflate(Some(Deflate::shared()));
    let server = serve_app(rooms, pages(), |server| server.accept(accept().config(deflate.clone())));
    let data = format!(r#""{}""#, "again and ".repeat(1000));
    server.publish("a", "1", &data);
    let url = format!("ws://{}/rooms/a/socket?after=x", server.address);
    let mut agreed = Connect::new(url).config(deflate).connect().unwrap();
    let mut plain = Reader::open(&server.address, Transport::Socket, "a", Some("x"), "").unwrap();
    assert!(matches!(plain.read(), Told::Gap { first: 1, last: 1, .. }));
    assert_eq!(plain.read_seq(), 1);
    for message in ["2", "3"] {
        server.publish("a", message, &data);
    }
    assert_eq!((plain.read_seq(), plain.read_seq()), (2, 3));
    // What isn't compressed comes in between.
    let mut told = Vec::new();
    while told.len() < 4 {
        match agreed.recv().unwrap() {
            Some(Message::Text(text)) if text.starts_with(r#"{"here""#) => {}
            Some(Message::Text(text)) => told.push(text),
            other => panic!("{other:?}"),
        }
    }
    assert!(told[0].contains(r#""gap":{"#), "{}", told[0]);
    for (text, message) in told[1..].iter().zip(["1", "2", "3"]) {
        assert!(text.ends_with(&format!(r#""message":"{message}","data":{data}}}"#)));
    }
    let handle = server.handle.clone();
    drop((plain, agreed));
    server.end();
    let (sent_len, plain_len) = (handle.snapshot().sent_len, 3 * data.len() as u64);
    assert!(sent_len > plain_len && sent_len < plain_len + 4000, "{sent_len}");
}
