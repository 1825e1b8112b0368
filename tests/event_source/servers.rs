//! Together with the crate's own servers.

use talkback::server::{Accept, Exchange};
use talkback::sse::Event;

use crate::net::*;
use crate::script::*;

const COUNT: usize = 10;

/// The number of the first event that a client doesn't have.
fn next(last_event_id: Option<&str>) -> usize {
    last_event_id.map_or(1, |id| id.parse::<usize>().unwrap() + 1)
}

fn expected() -> Vec<Seen> {
    (1..=COUNT).map(|n| seen("tick", &format!("event\n{n}"), &n.to_string())).collect()
}

#[test]
fn a_blocking_server_that_ends_streams_and_cuts_them_is_resumed() {
    let (listener, address) = listen();
    let server = start(move || {
        loop {
            let exchange = Exchange::read(listener.accept().unwrap().0, &Accept::new()).unwrap();
            let last_event_id = exchange.request().headers().only("Last-Event-ID").unwrap();
            let first = next(last_event_id);
            if first > COUNT {
                let response = talkback::http::Response::new(talkback::http::Status::NO_CONTENT);
                return exchange.respond(&response).unwrap();
            }
            let mut events = exchange.events().unwrap();
            events.comment("welcome").unwrap();
            for n in (first..=COUNT).take(3) {
                let (data, id) = (format!("event\n{n}"), n.to_string());
                events.send(&Event::new(&data).name("tick").unwrap().id(&id).unwrap()).unwrap();
            }
            if first.is_multiple_of(2) {
                events.retry(1).unwrap();
                events.finish().unwrap();
            } // or it is cut off
        }
    });
    let mut source = subscribe(&format!("http://{address}/events")).connect().unwrap();
    let (events, error) = start(move || read(&mut source)).end();
    assert!(error.is_none(), "{error:?}");
    assert_eq!(events, expected());
    server.end();
}

#[cfg(feature = "server")]
mod event_driven {
    use talkback::http::{Request, Response, Status};
    use talkback::protocol::MessageRef;
    use talkback::server::{Answer, Connection, EventPeer, Handler, Server};

    use super::*;

    /// Sends three events a stream, and ends it.
    #[derive(Clone)]
    struct Ticker;

    fn first(request: &Request) -> usize {
        next(request.headers().only("Last-Event-ID").unwrap())
    }

    impl Handler for Ticker {
        type State = ();

        fn on_request(&mut self, request: &Request) -> Answer {
            match request.path() {
                "/events" if first(request) > COUNT => Answer::Respond(Response::new(Status::NO_CONTENT)),
                "/events" => Answer::Events,
                _ => Answer::Respond(
                    Response::new(Status::new(307).unwrap()).header("Location", "events").unwrap(),
                ),
            }
        }

        fn on_events(&mut self, peer: EventPeer, request: &Request) {
            for n in (first(request)..=COUNT).take(3) {
                let (data, id) = (format!("event\n{n}"), n.to_string());
                peer.send(&Event::new(&data).name("tick").unwrap().id(&id).unwrap()).unwrap();
            }
            peer.close();
        }

        fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

        fn on_message(&mut self, _: &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}
    }

    #[test]
    fn an_event_driven_server_is_resumed_over_a_redirect() {
        watch();
        let server = Server::bind("127.0.0.1:0").unwrap().loop_count(1);
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let server = start(move || server.run(Ticker));
        let mut source = subscribe(&format!("http://{address}/moved")).connect().unwrap();
        let (events, error) = start(move || read(&mut source)).end();
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events, expected());
        handle.drain(millis(100));
        server.end().unwrap();
    }
}
