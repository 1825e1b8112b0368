//! Requests, and responses that are no stream of events.

use talkback::client::{EventSource, EventSourceError, Subscribe, UrlError};
use talkback::http::{HeadLimits, HeaderError, HttpError};

use crate::net::*;
use crate::script::*;

#[test]
fn the_request_is_what_the_standards_ask_for() {
    let outcome = outcome_with(vec![no_content()], |subscribe| {
        subscribe.last_event_id("é 7").header("Authorization", "Bearer secret")
    });
    let [request] = outcome.requests.as_slice() else { panic!("one request") };
    let host = header(request, "Host").unwrap();
    assert_eq!(
        request,
        &format!(
            "GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\
             Accept-Encoding: identity\r\nCache-Control: no-cache\r\nConnection: close\r\n\
             Authorization: Bearer secret\r\nLast-Event-ID: é 7\r\n\r\n"
        )
    );
}

#[test]
fn what_cannot_be_asked_for_is_refused_and_nothing_is_sent() {
    for (url, expected) in [
        ("https://localhost/", UrlError::TlsNotBuiltIn),
        ("ws://localhost/", UrlError::UnknownScheme),
        ("localhost:80", UrlError::MissingScheme),
        ("http://a b/", UrlError::InvalidCharacter),
        ("http://a/\r\nX: y", UrlError::InvalidCharacter),
        ("http://u:p@a/", UrlError::UserInfo),
    ] {
        let error = EventSource::connect(url).unwrap_err();
        assert!(matches!(error, EventSourceError::Url(error) if error == expected), "{url}: {error:?}");
    }
    let refused = |subscribe: Subscribe| subscribe.unconnected().unwrap_err();
    let new = || Subscribe::new("http://localhost/");
    for name in ["Host", "last-event-id", "ACCEPT", "Connection", "Transfer-Encoding", "Content-Length"] {
        assert!(matches!(refused(new().header(name, "x")), EventSourceError::ReservedHeader), "{name}");
    }
    let error = refused(new().header("X", "a\r\nb"));
    assert!(matches!(error, EventSourceError::Header(HeaderError::InvalidValue { at: 1 })), "{error:?}");
    let error = refused(new().header("X Y", "a"));
    assert!(matches!(error, EventSourceError::Header(HeaderError::InvalidName)), "{error:?}");
    for id in ["a\nb", "a\r\nX: y", "\0", "\u{1}", "\u{7f}"] {
        assert!(matches!(refused(new().last_event_id(id)), EventSourceError::InvalidLastEventId), "{id:?}");
    }
}

#[test]
fn connecting_fails_where_nobody_listens_and_may_be_repeated() {
    let (listener, address) = listen();
    drop(listener);
    let error = subscribe(&format!("http://{address}/")).connect().unwrap_err();
    assert!(matches!(error, EventSourceError::Io(_)) && error.is_network_error(), "{error:?}");
    // A server that hangs up on the first attempt, and answers the second.
    let (url, server) = serve(vec![hang_up(), events("data: a\n\n")]);
    let subscribe = subscribe(&url);
    let error = subscribe.connect().unwrap_err();
    assert!(matches!(error, EventSourceError::Disconnected) && error.is_network_error(), "{error:?}");
    let mut source = subscribe.connect().unwrap();
    assert_eq!(source.recv().unwrap().unwrap().data, "a");
    assert_eq!(source.url(), url);
    server.end();
}

#[test]
fn no_content_stops_it_for_good() {
    let (url, server) = serve(vec![events("data: a\n\n"), no_content()]);
    let mut source = subscribe(&url).connect().unwrap();
    let closer = source.closer();
    assert!(source.recv().unwrap().is_some() && !closer.is_closed());
    for _ in 0..2 {
        assert_eq!(source.recv().unwrap(), None);
        assert!(closer.is_closed());
    }
    server.end();
    // Also as the first answer.
    let (url, server) = serve(vec![no_content()]);
    assert_eq!(subscribe(&url).connect().unwrap().recv().unwrap(), None);
    server.end();
}

#[test]
fn another_status_than_200_is_the_end_and_is_named() {
    for status in [101, 201, 202, 205, 206, 300, 304, 305, 400, 401, 404, 429, 500, 502, 503] {
        let answer = format!(
            "HTTP/1.1 {status} No\r\nContent-Type: text/event-stream\r\nLocation: /\r\nContent-Length: 8\r\n\
             \r\ndata: a\n\n"
        );
        let (url, server) = serve(vec![events("data: a\n\n"), Answer::Bytes(answer.into_bytes())]);
        let mut source = subscribe(&url).connect().unwrap();
        assert!(source.recv().unwrap().is_some());
        for _ in 0..2 {
            let error = source.recv().unwrap_err();
            let EventSourceError::Refused(response) = &error else { panic!("{error:?}") };
            assert_eq!(response.status(), status);
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            assert_eq!(response.content(), if matches!(status, 101 | 304) { &b""[..] } else { b"data: a\n" });
            assert!(!error.is_network_error());
        }
        assert!(source.closer().is_closed());
        server.end();
    }
}

#[test]
fn interim_responses_are_read_over() {
    let answer = [
        &b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"[..],
        &with_length(b"data: a\n\n"),
    ]
    .concat();
    assert_eq!(outcome(vec![Answer::Bytes(answer), no_content()]).data(), ["a"]);
}

#[test]
fn another_content_type_is_the_end_and_is_shown() {
    for lines in [
        "Content-Type: text/html",
        "Content-Type: text/event-stream-like",
        "X: y",
        "Content-Type: text/event-stream\r\nContent-Encoding: gzip",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\ndata: a\n\n");
        let outcome = outcome(vec![events("data: b\n\n"), Answer::Bytes(answer.into_bytes())]);
        assert_eq!(outcome.data(), ["b"]);
        let Some(EventSourceError::ContentType(response)) = outcome.error else {
            panic!("{:?}", outcome.error)
        };
        let (name, value) = lines.split_once(": ").unwrap();
        let value = value.lines().next().unwrap();
        assert_eq!(response.headers().all(name).next(), Some(value.as_bytes()));
    }
}

#[test]
fn redirects_are_followed_and_each_attempt_begins_at_the_address_given() {
    for status in [301, 302, 303, 307, 308] {
        let (other, other_server) = serve(vec![events("id: 1\ndata: a\n\n"), no_content()]);
        let outcome = outcome_with(vec![redirect(status, &other), redirect(status, &other)], |subscribe| {
            subscribe.header("Authorization", "secret").header("X-Key", "secret")
        });
        assert!(outcome.error.is_none(), "{status}: {:?}", outcome.error);
        assert_eq!(outcome.data(), ["a"], "{status}");
        assert_eq!(outcome.sent_ids(), [None, Some("1")]);
        assert!(outcome.requests.iter().all(|request| header(request, "X-Key") == Some("secret")));
        let there = other_server.end();
        assert_eq!(header(&there[1], "Last-Event-ID"), Some("1"));
        // The other server is another origin: what was meant for the first one stays there.
        assert!(there.iter().all(|request| !request.contains("secret")), "{there:?}");
        assert_eq!(header(&there[0], "Host").map(|host| format!("http://{host}/events")), Some(other));
    }
}

#[test]
fn what_was_withheld_from_another_server_stays_so_on_the_way_back() {
    let (here, server) = listen();
    let (there, other) = listen();
    let back = redirect(307, &format!("http://{server}/back"));
    let other_server = start(move || run(&there, vec![back]));
    let away = redirect(307, &format!("http://{other}/away"));
    let server_task = start(move || run(&here, vec![away, events("data: a\n\n"), no_content()]));
    let subscribe =
        subscribe(&format!("http://{server}/events")).header("X-Key", "secret").last_event_id("7");
    let (events, error) = start(move || read(&mut subscribe.unconnected().unwrap())).end();
    assert!(events.len() == 1 && error.is_none(), "{error:?}");
    let requests = [server_task.end(), other_server.end()].concat();
    let keys: Vec<_> = requests.iter().map(|request| header(request, "X-Key")).collect();
    // The first, the one that came back; the next attempt, which begins anew; the other server's.
    assert_eq!(keys, [Some("secret"), None, Some("secret"), None]);
    assert!(requests.iter().all(|request| header(request, "Last-Event-ID") == Some("7")));
}

#[test]
fn redirects_may_be_relative_and_keep_headers_on_the_same_host() {
    let answers = vec![redirect(302, "../b?c#d"), redirect(302, "?e"), events("data: a\n\n"), no_content()];
    let outcome = outcome_with(answers, |subscribe| subscribe.header("X-Key", "secret"));
    let targets: Vec<_> = outcome.requests.iter().map(|request| request.split(' ').nth(1).unwrap()).collect();
    assert_eq!(targets, ["/events", "/b?c", "/b?e", "/events"]);
    assert!(outcome.requests.iter().all(|request| header(request, "X-Key") == Some("secret")));
}

#[test]
fn redirects_at_their_limit_pass_and_one_past_is_the_end() {
    let loops = |count| (0..count).map(|_| redirect(301, "/events")).collect::<Vec<_>>();
    let mut answers = loops(5);
    answers.push(no_content());
    assert!(outcome(answers).error.is_none());
    let error = outcome(loops(6)).error;
    assert!(matches!(error, Some(EventSourceError::TooManyRedirects { max: 5 })), "{error:?}");
    let error = outcome_with(loops(1), |subscribe| subscribe.max_redirect_count(0)).error;
    assert!(matches!(error, Some(EventSourceError::TooManyRedirects { max: 0 })), "{error:?}");
}

#[test]
fn redirects_that_lead_nowhere_are_the_end() {
    for (location, expected) in [
        ("https://localhost/", UrlError::TlsNotBuiltIn),
        ("ftp://localhost/", UrlError::UnknownScheme),
        ("//u@localhost/", UrlError::UserInfo),
        ("/a b", UrlError::InvalidCharacter),
    ] {
        let error = outcome(vec![redirect(307, location)]).error;
        let Some(EventSourceError::Redirect(error)) = error else { panic!("{error:?}") };
        assert_eq!(error, expected, "{location}");
    }
    for lines in ["", "Location: /a\r\nLocation: /b\r\n", "Location: /\u{e4}\r\n"] {
        let answer = format!("HTTP/1.1 301 Moved\r\n{lines}Content-Length: 0\r\n\r\n").into_bytes();
        let error = outcome(vec![Answer::Bytes(answer)]).error;
        assert!(matches!(error, Some(EventSourceError::Refused(response)) if response.status() == 301));
    }
}

#[test]
fn head_at_its_limit_passes_and_one_past_is_a_network_error() {
    const MAX: usize = 4096;
    for (len, passes) in [(MAX, true), (MAX + 1, false)] {
        let padding = "x".repeat(len - head("X: \r\n").len());
        let answer = [&head(&format!("X: {padding}\r\n"))[..], b"data: a\n\n"].concat();
        let outcome = outcome_with(vec![Answer::Bytes(answer)], |subscribe| {
            subscribe.head_limits(HeadLimits::default().max_head_len(MAX)).max_attempt_count(Some(1))
        });
        assert_eq!(outcome.data().len(), usize::from(passes));
        let Some(EventSourceError::TooManyAttempts { last, .. }) = outcome.error else { panic!("{len}") };
        let too_long = HttpError::HeadTooLong { max: MAX };
        assert_eq!(matches!(*last, EventSourceError::Http(error) if error == too_long), !passes, "{last:?}");
    }
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 10_000]);
    assert_eq!(outcome(vec![endless, events("data: a\n\n"), no_content()]).data(), ["a"]);
}
