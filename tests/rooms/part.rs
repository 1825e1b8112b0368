//! A server of rooms in a process of its own: what it holds is seen from outside.

use std::time::Duration;

use talkback::Config;
use talkback::http::{Request, Response, Status};
use talkback::room::{Limits, RoomConfig, Rooms};
use talkback::server::{Overflow, Pages, Server};

use crate::net::*;
use crate::playing;
use crate::serving::accept;

/// What a room keeps at most, in bytes.
pub(crate) const MAX_LEN: usize = 256 * 1024;

/// Serves in this process until it is told to end.
pub(crate) fn serve(overflow: Overflow, max_len: usize) {
    watch();
    let limits = Limits::default().max_count(None).max_len(Some(max_len)).max_remembered_count(Some(1000));
    let rooms = Rooms::new(RoomConfig::default().limits(limits)).unwrap();
    let long = Some(PATIENCE * 5);
    let config = Config::default().ping_interval(None).idle_timeout(long).write_timeout(long);
    let server = Server::from_listener(playing::listener())
        .loop_count(1)
        .accept(accept().config(config.close_timeout(Some(millis(500))).linger_timeout(Some(millis(500)))))
        .overflow(overflow);
    let handle = server.handle();
    let ended = handle.clone();
    let pages = Pages::new(move |request: &Request| {
        let snapshot = handle.snapshot();
        Response::new(Status::OK).body(match request.path() {
            "/held" => snapshot.held_count.to_string(),
            "/sent" => snapshot.sent_len.to_string(),
            _ => {
                handle.drain(Duration::ZERO);
                String::new()
            }
        })
    });
    server.run(rooms.mount(pages)).unwrap();
    let snapshot = ended.snapshot();
    assert_eq!((snapshot.connection_count, snapshot.stream_count, snapshot.socket_count), (0, 0, 0));
}
