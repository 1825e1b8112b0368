//! Sections 5.5.1 and 7: how a connection ends.

use talkback::frame::{CloseCode, FrameError};
use talkback::protocol::{Config, ProtocolError, Role, SendError};

use crate::pair::*;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn other(role: Role) -> Role {
    if role == Role::Client { Role::Server } else { Role::Client }
}

#[test]
fn section_5_5_1_a_close_starts_with_its_code_in_network_byte_order() {
    for role in ROLES {
        let close = |frame: Option<_>| wire(&sent_by(role, |outbound| outbound.close(frame).unwrap()));
        let with_reason = close(Some(close_frame(4660, "why")));
        assert_eq!((with_reason[0].first, &with_reason[0].payload[..]), (CLOSE, &b"\x12\x34why"[..]));
        assert_eq!(close(Some(close_frame(1001, "")))[0].payload, b"\x03\xe9");
        assert_eq!(close(None)[0].payload, b"");
    }
}

#[test]
fn section_5_5_1_a_close_of_one_byte_is_no_close() {
    for role in ROLES {
        assert_fails(role, frame(role, CLOSE, b"\x03"), FrameError::CloseTooShort, 1002);
    }
}

#[test]
fn section_5_5_1_a_reason_is_utf8() {
    for role in ROLES {
        let bytes = frame(role, CLOSE, close_payload(1000, "auf Wiedersehen, Grüße"));
        let expected = Received::Close(Some(close_frame(1000, "auf Wiedersehen, Grüße")));
        assert_eq!(feed(role, bytes).received, [expected]);
        for invalid in [&b"\xff"[..], b"a\xc3", b"\xed\xa0\x80"] {
            let bytes = frame(role, CLOSE, close_payload(1000, invalid));
            assert_fails(role, bytes, FrameError::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn section_5_5_1_no_data_frame_follows_our_close() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default(), Style::Window);
        let outbound = endpoint.outbound();
        outbound.send_fragment("a", false).unwrap();
        outbound.close(None).unwrap();
        assert_eq!(outbound.send("b"), Err(SendError::Closing));
        assert_eq!(outbound.send_owned("b".to_owned()), Err(SendError::Closing));
        assert_eq!(outbound.send_fragment("b", true), Err(SendError::Closing));
        let prepared = talkback::protocol::Prepared::new("b");
        assert_eq!(outbound.send_prepared(&prepared), Err(SendError::Closing));
        assert_eq!(outbound.close(None), Err(SendError::Closing));
        assert_eq!(outbound.ping(b"b"), Err(SendError::Closing));
        assert_eq!(outbound.pong(b"b"), Err(SendError::Closing));
        let firsts: Vec<u8> = wire(&endpoint.write(usize::MAX)).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [FIRST_TEXT, CLOSE]);
    }
}

#[test]
fn section_5_5_1_a_close_is_answered_with_a_close_of_the_same_code() {
    for role in ROLES {
        for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
            let outcome = feed(role, frame(role, CLOSE, close_payload(code, "why")));
            assert_eq!(outcome.received, [Received::Close(Some(close_frame(code, "why")))]);
            assert_eq!(close_code(&outcome.output), code);
            assert_eq!(wire(&outcome.output)[0].key.is_some(), role == Role::Client);
            assert!(outcome.closed && outcome.error.is_none());
        }
    }
}

#[test]
fn section_5_5_1_an_empty_close_is_answered_with_an_empty_close() {
    for role in ROLES {
        let outcome = feed(role, frame(role, CLOSE, ""));
        // "If there is no such data [...] _The WebSocket Connection Close Code_ is considered to be
        // 1005" -- section 7.1.5
        assert_eq!(outcome.received, [Received::Close(None)]);
        assert_eq!(wire(&outcome.output)[0].payload, b"");
        assert!(outcome.closed);
    }
}

#[test]
fn section_5_5_1_an_answer_to_our_close_is_not_answered() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default(), Style::Window);
        endpoint.outbound().close(close_frame(1000, "")).unwrap();
        assert_eq!(close_code(&endpoint.write(usize::MAX)), 1000);
        assert!(!endpoint.is_closed());
        endpoint.read(&frame(role, CLOSE, close_payload(1000, "")));
        assert!(endpoint.is_closed());
        assert_eq!(endpoint.write(usize::MAX), b"");
    }
}

#[test]
fn section_5_5_1_data_that_was_under_way_when_we_closed_is_delivered() {
    for role in ROLES {
        for style in STYLES {
            let mut endpoint = Endpoint::new(role, Config::default(), style);
            endpoint.outbound().close(None).unwrap();
            endpoint.read(&frame(role, TEXT, "crossed"));
            endpoint.read(&frame(role, CLOSE, ""));
            let expected = [Received::Text("crossed".to_owned()), Received::Close(None)];
            assert_eq!(endpoint.received, expected);
        }
    }
}

#[test]
fn section_5_5_1_when_both_close_at_once_both_are_closed() {
    for style in STYLES {
        let mut client = Endpoint::new(Role::Client, Config::default(), style);
        let mut server = Endpoint::new(Role::Server, Config::default(), style);
        client.outbound().close(close_frame(1000, "")).unwrap();
        server.outbound().close(close_frame(1001, "")).unwrap();
        settle(&mut client, &mut server);
        assert!(client.is_closed() && server.is_closed());
        assert_eq!(client.received, [Received::Close(Some(close_frame(1001, "")))]);
        assert_eq!(server.received, [Received::Close(Some(close_frame(1000, "")))]);
    }
}

#[test]
fn section_6_1_what_was_queued_before_a_close_is_sent_before_it() {
    for role in ROLES {
        let bytes = [frame(role, PING, "1"), frame(role, CLOSE, "")].concat();
        let firsts: Vec<u8> = wire(&feed(role, bytes).output).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [PONG, CLOSE]);
    }
}

#[test]
fn section_7_1_4_a_connection_is_closed_once_both_closes_are_through() {
    for closer in ROLES {
        let mut first = Endpoint::new(closer, Config::default(), Style::Window);
        let mut second = Endpoint::new(other(closer), Config::default(), Style::Window);
        first.outbound().send("last words").unwrap();
        first.outbound().close(close_frame(1000, "done")).unwrap();
        assert!(!first.is_closed());
        second.read(&first.write(usize::MAX));
        assert!(second.is_closed() && !first.is_closed());
        first.read(&second.write(usize::MAX));
        assert!(first.is_closed());
        let done = Received::Close(Some(close_frame(1000, "done")));
        assert_eq!(second.received, [Received::Text("last words".to_owned()), done]);
        assert_eq!(first.received, [Received::Close(Some(close_frame(1000, "")))]);
    }
}

#[test]
fn section_7_1_5_the_code_of_the_first_close_counts() {
    for role in ROLES {
        let bytes = [
            frame(role, CLOSE, close_payload(1001, "first")),
            frame(role, CLOSE, close_payload(4000, "second")),
        ]
        .concat();
        let outcome = feed(role, bytes);
        assert_eq!(outcome.received, [Received::Close(Some(close_frame(1001, "first")))]);
        assert_eq!(close_code(&outcome.output), 1001);
    }
}

#[test]
fn section_7_1_7_a_failed_connection_sends_a_close_with_the_code_and_reads_no_more() {
    for role in ROLES {
        let wrong = frame(role, 0x83, "");
        let bytes = [wrong, frame(role, TEXT, "late"), frame(role, PING, "late")].concat();
        let outcome = feed(role, bytes);
        assert_eq!(outcome.received, []);
        assert_eq!(close_code(&outcome.output), 1002);
        assert!(!outcome.closed);
    }
}

#[test]
fn section_7_1_7_a_failed_connection_delivers_what_came_before() {
    for role in ROLES {
        let bytes = [frame(role, TEXT, "a"), frame(role, PING, "b"), frame(role, 0x83, "")].concat();
        let outcome = feed(role, bytes);
        assert_eq!(outcome.received, [Received::Text("a".to_owned()), Received::Ping(b"b".to_vec())]);
        let firsts: Vec<u8> = wire(&outcome.output).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [PONG, CLOSE]);
    }
}

#[test]
fn section_7_1_7_an_error_after_our_close_queues_no_second_one() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, Config::default(), Style::Window);
        endpoint.outbound().close(close_frame(1000, "")).unwrap();
        endpoint.read(&frame(role, 0x83, ""));
        assert_eq!(endpoint.error, Some(FrameError::ReservedOpCode { bits: 3 }.into()));
        assert_eq!(close_code(&endpoint.write(usize::MAX)), 1000);
    }
}

#[test]
fn section_7_4_codes_that_must_not_be_in_a_close_frame_fail_the_connection() {
    for role in ROLES {
        let mut invalid: Vec<u16> = vec![0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000];
        invalid.extend([9999, 32_768, u16::MAX]);
        for code in invalid {
            let error = FrameError::InvalidCloseCode { code };
            assert_fails(role, frame(role, CLOSE, close_payload(code, "")), error.clone(), 1002);
            assert_fails(role, frame(role, CLOSE, close_payload(code, "why")), error, 1002);
        }
    }
}

#[test]
fn section_7_4_every_code_on_the_wire() {
    let config = Config::default();
    for code in 0..=u16::MAX {
        let bytes = frame(Role::Server, CLOSE, close_payload(code, ""));
        let outcome = outcome(Role::Server, &config, Style::Window, &bytes, usize::MAX);
        let valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(outcome.error.is_none(), valid, "{code}");
        assert_eq!(close_code(&outcome.output), if valid { code } else { 1002 }, "{code}");
        assert_eq!(CloseCode::new(code).is_some(), valid, "{code}");
    }
}

#[test]
fn section_7_4_1_each_error_has_its_code() {
    for (error, code) in [
        (ProtocolError::Unmasked, 1002),
        (ProtocolError::Masked, 1002),
        (ProtocolError::UnexpectedRsv1, 1002),
        (ProtocolError::StrayContinuation, 1002),
        (ProtocolError::InterleavedMessage, 1002),
        (FrameError::ReservedBits.into(), 1002),
        (FrameError::CloseTooShort.into(), 1002),
        (FrameError::InvalidUtf8.into(), 1007),
        (ProtocolError::FrameTooBig { len: 2, max: 1 }, 1009),
        (ProtocolError::MessageTooBig { len: 2, max: 1 }, 1009),
        (ProtocolError::TooManyFragments { max: 1 }, 1009),
    ] {
        assert_eq!(error.close_code().value(), code);
        let sent = sent_by(Role::Server, |outbound| outbound.fail(&error));
        assert_eq!(wire(&sent)[0].payload, close_payload(code, error.to_string()));
    }
}
