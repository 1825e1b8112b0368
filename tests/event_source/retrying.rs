//! What becomes of a stream that ends: when it is asked for again, from where on, and for how long.

use std::time::{Duration, Instant};

use talkback::client::{EventSourceError, Subscribe};

use crate::net::*;
use crate::script::*;

#[test]
fn the_id_of_the_last_event_is_sent_and_what_is_unfinished_is_not() {
    let outcome = outcome(vec![
        events("id: 1\ndata: a\n\nid: 2\ndata: unfinished\n"),
        events("id: 2\ndata: b\n\nid: 3\n\n"), // a block without data counts, too
        events("data: c\n\nid: 4\ndata"),
        no_content(),
    ]);
    let expected = [seen("message", "a", "1"), seen("message", "b", "2"), seen("message", "c", "3")];
    assert_eq!(outcome.events, expected);
    assert_eq!(outcome.sent_ids(), [None, Some("1"), Some("3"), Some("3")]);
}

#[test]
fn an_event_that_was_not_taken_yet_is_not_counted() {
    let (url, server) = serve(vec![events("id: 1\ndata: a\n\nid: 2\ndata: b\n\n"), no_content()]);
    let mut source = subscribe(&url).connect().unwrap();
    assert_eq!(source.last_event_id(), "");
    assert_eq!(source.recv().unwrap().unwrap().data, "a");
    assert_eq!(source.last_event_id(), "1");
    assert_eq!(source.recv().unwrap().unwrap().data, "b");
    assert_eq!(source.last_event_id(), "2");
    assert_eq!(source.recv().unwrap(), None);
    assert_eq!(header(&server.end()[1], "Last-Event-ID"), Some("2"));
}

#[test]
fn an_empty_id_resets_and_one_with_nul_is_ignored() {
    let outcome = outcome_with(
        vec![
            events("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n"),
            events("id\ndata: c\n\n"),
            events("id: é 3\ndata: d\n\n"),
            no_content(),
        ],
        |subscribe| subscribe.last_event_id("0"),
    );
    assert_eq!(outcome.sent_ids(), [Some("0"), Some("1"), None, Some("é 3")]);
}

#[test]
fn an_id_that_no_header_can_bear_is_the_end() {
    let outcome = outcome(vec![events("id: \u{1}\ndata: a\n\n")]);
    assert_eq!(outcome.events, [seen("message", "a", "\u{1}")]);
    assert!(matches!(outcome.error, Some(EventSourceError::InvalidLastEventId)));
}

/// How long a client took for two connections, the first of which sent this.
fn time_to_come_back(stream: &str, subscribe: impl FnOnce(Subscribe) -> Subscribe) -> Duration {
    let (url, server) = serve(vec![Answer::Hold(with_length(stream.as_bytes())), no_content()]);
    let mut source = subscribe(self::subscribe(&url)).connect().unwrap();
    let begun = Instant::now();
    assert!(start(move || source.recv().unwrap().is_none()).end());
    server.end();
    begun.elapsed()
}

#[test]
fn retry_changes_the_wait_and_stays_for_later_streams() {
    let patient = |subscribe: Subscribe| subscribe.max_reconnection_time(PATIENCE);
    assert!(time_to_come_back("retry: 200\n\n", patient) >= millis(200));
    assert!(
        time_to_come_back(":\n\n", |subscribe| patient(subscribe).reconnection_time(millis(200)))
            >= millis(200)
    );
    // In place of what was configured, which would last too long.
    let long = |subscribe: Subscribe| patient(subscribe).reconnection_time(PATIENCE);
    assert!(time_to_come_back("retry: 0\n\n", long) < PATIENCE);
    // What isn't digits changes nothing.
    assert!(
        time_to_come_back("retry: +0\nretry: 1s\n\n", |subscribe| patient(subscribe)
            .reconnection_time(millis(200)))
            >= millis(200)
    );
    let outcome = outcome_with(
        vec![events("retry: 150\ndata: a\n\n"), events("data: b\n\n"), no_content()],
        |subscribe| subscribe.max_reconnection_time(PATIENCE),
    );
    assert_eq!(outcome.data(), ["a", "b"]);
}

#[test]
fn retry_is_bounded() {
    for retry in ["100000000", "18446744073709551615"] {
        let stream = format!("retry: {retry}\n\n");
        assert!(time_to_come_back(&stream, |subscribe| subscribe) < PATIENCE);
    }
}

#[test]
fn attempts_in_a_row_are_counted_and_bounded() {
    let three = |subscribe: Subscribe| subscribe.max_attempt_count(Some(3));
    let silent = || Answer::Bytes(until_close(b""));
    let outcome = outcome_with(vec![events("id: 1\ndata: a\n\n"), hang_up(), silent(), hang_up()], three);
    assert_eq!(outcome.data(), ["a"]);
    assert_eq!(outcome.sent_ids(), [None, Some("1"), Some("1"), Some("1")]);
    let Some(EventSourceError::TooManyAttempts { count: 3, last }) = outcome.error else {
        panic!("{:?}", outcome.error)
    };
    assert!(matches!(*last, EventSourceError::Disconnected));
    // An event, and the count begins anew; what is no event doesn't help.
    let no_event = || events("id: 1\n:\nretry: 0\n");
    let answers = vec![hang_up(), silent(), events("data\n\n"), silent(), no_event(), no_event()];
    let outcome = outcome_with(answers, three);
    let Some(EventSourceError::TooManyAttempts { count: 3, last }) = outcome.error else {
        panic!("{:?}", outcome.error)
    };
    assert!(matches!(*last, EventSourceError::Disconnected), "no fourth is made: {last:?}");
}

#[test]
fn without_attempts_the_end_of_the_stream_is_the_end() {
    let (url, server) = serve(vec![events("data: a\n\n")]);
    let mut source = subscribe(&url).max_attempt_count(Some(0)).connect().unwrap();
    assert!(source.recv().unwrap().is_some());
    for _ in 0..2 {
        let error = source.recv().unwrap_err();
        assert!(matches!(error, EventSourceError::TooManyAttempts { count: 0, .. }), "{error:?}");
        assert!(std::error::Error::source(&error).is_some());
    }
    server.end();
}

#[test]
fn a_stream_that_lives_for_a_while_is_no_failure() {
    // Comments, for longer than 100 ms.
    let quiet = || Answer::Pieces([vec![head("")], vec![b":\n".to_vec(); 100]].concat());
    let outcome = outcome_with(vec![quiet(), quiet(), quiet(), no_content()], |subscribe| {
        subscribe.max_attempt_count(Some(1))
    });
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
}

#[test]
fn a_server_cannot_have_its_clients_connect_without_a_pause() {
    const COUNT: u32 = 4;
    for stream in ["retry: 0\n:\n\n", "retry: 0\ndata\n\n"] {
        let mut answers: Vec<_> = (0..COUNT).map(|_| events(stream)).collect();
        answers.push(no_content());
        let begun = Instant::now();
        let outcome = outcome_with(answers, |subscribe| subscribe.max_reconnection_time(millis(1000)));
        assert!(outcome.error.is_none());
        assert!(begun.elapsed() >= COUNT * millis(100), "{stream:?}: {:?}", begun.elapsed());
    }
}

#[test]
fn the_reason_for_connecting_again_is_told() {
    let cut = Answer::Bytes(chunked(b"data: b\n\n", 9)[..head(CHUNKED).len() + 14].to_vec());
    let (url, server) = serve(vec![events("data: a\n\n"), cut, events("data: c\n\n"), no_content()]);
    let mut source = subscribe(&url).connect().unwrap();
    assert!(source.recv().unwrap().is_some());
    assert!(source.last_error().is_none());
    assert_eq!(source.recv().unwrap().unwrap().data, "b");
    assert!(matches!(source.last_error(), Some(EventSourceError::Disconnected)));
    assert_eq!(source.recv().unwrap().unwrap().data, "c");
    assert!(matches!(source.last_error(), Some(EventSourceError::Body(_))), "{:?}", source.last_error());
    assert_eq!(source.recv().unwrap(), None);
    assert!(source.last_error().is_some());
    server.end();
}

#[test]
fn no_time_at_all_is_never_enough() {
    let (_listener, address) = listen();
    let subscribe = subscribe(&format!("http://{address}/"));
    let error = subscribe.clone().connect_timeout(Some(Duration::ZERO)).connect().unwrap_err();
    assert!(matches!(error, EventSourceError::ConnectTimeout), "{error:?}");
    let impatient = subscribe.response_timeout(Some(Duration::ZERO));
    let error = impatient.connect().unwrap_err();
    assert!(matches!(error, EventSourceError::ResponseTimeout), "{error:?}");
    // A first attempt is counted, also where no other is made.
    let error = impatient.max_attempt_count(Some(0)).unconnected().unwrap().recv().unwrap_err();
    assert!(matches!(error, EventSourceError::TooManyAttempts { count: 1, .. }), "{error:?}");
}

#[test]
fn nobody_who_listens_is_tried_again() {
    let (listener, address) = listen();
    drop(listener);
    let mut source =
        subscribe(&format!("http://{address}/")).max_attempt_count(Some(4)).unconnected().unwrap();
    let error = start(move || source.recv().map(|_| ()).unwrap_err()).end();
    let EventSourceError::TooManyAttempts { count: 4, last } = error else { panic!("{error:?}") };
    assert!(matches!(*last, EventSourceError::Io(_)), "{last:?}");
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    let answers = vec![
        Answer::Hold(until_close(b"id: 1\ndata: a\n\nid: 2\ndata: half")),
        Answer::Hold([&head(CHUNKED)[..], b"5\r\nda"].concat()),
        Answer::Hold(head("")),
        no_content(),
    ];
    let outcome = outcome_with(answers, |subscribe| subscribe.idle_timeout(Some(millis(50))));
    assert_eq!(outcome.data(), ["a"]);
    assert!(outcome.error.is_none());
    assert_eq!(outcome.sent_ids(), [None, Some("1"), Some("1"), Some("1")]);
    // A stream that was quiet is no attempt that failed.
    let quiet = || Answer::Hold(head(""));
    let outcome = outcome_with(vec![quiet(), quiet(), no_content()], |subscribe| {
        subscribe.idle_timeout(Some(millis(50))).max_attempt_count(Some(1))
    });
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let outcome = outcome_with(vec![quiet()], |subscribe| {
        subscribe.idle_timeout(Some(millis(50))).max_attempt_count(Some(0))
    });
    let Some(EventSourceError::TooManyAttempts { last, .. }) = outcome.error else { panic!("it gives up") };
    assert!(matches!(*last, EventSourceError::IdleTimeout), "{last:?}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    for begin in ["", "HTTP/1.1 200 OK\r\nContent-Ty"] {
        let outcome = outcome_with(vec![Answer::Hold(begin.into())], |subscribe| {
            subscribe.response_timeout(Some(millis(50))).max_attempt_count(Some(1))
        });
        let Some(EventSourceError::TooManyAttempts { last, .. }) = outcome.error else { panic!("{begin}") };
        assert!(matches!(*last, EventSourceError::ResponseTimeout), "{last:?}");
    }
}
