//! Sections 5.4 to 5.6, 6 and 8.1: frames to messages and back.

use talkback::frame::FrameError;
use talkback::protocol::{Config, ProtocolError, Role, SendError};

use crate::pair::*;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn text(text: &str) -> Received {
    Received::Text(text.to_owned())
}

#[test]
fn section_5_4_an_unfragmented_message_is_one_frame_with_fin_and_an_opcode() {
    for role in ROLES {
        let sent = sent_by(role, |outbound| {
            outbound.send("t").unwrap();
            outbound.send(b"b").unwrap();
            outbound.send_fragment("t", true).unwrap();
            outbound.send_fragment(b"b", true).unwrap();
        });
        let firsts: Vec<u8> = wire(&sent).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [0x81, 0x82, 0x81, 0x82]);
    }
}

#[test]
fn section_5_4_a_fragmented_message_has_its_opcode_first_and_fin_last() {
    for role in ROLES {
        for (kind, first) in [("text", FIRST_TEXT), ("binary", FIRST_BINARY)] {
            let sent = sent_by(role, |outbound| {
                for (fragment, last) in [("a", false), ("", false), ("b", false), ("c", true)] {
                    match kind {
                        "text" => outbound.send_fragment(fragment, last).unwrap(),
                        _ => outbound.send_fragment(fragment.as_bytes(), last).unwrap(),
                    }
                }
            });
            let firsts: Vec<u8> = wire(&sent).iter().map(|frame| frame.first).collect();
            assert_eq!(firsts, [first, 0x00, 0x00, 0x80]);
        }
    }
}

#[test]
fn section_5_4_fragments_are_delivered_in_their_order_and_empty_ones_are_valid() {
    for role in ROLES {
        let bytes = [
            frame(role, FIRST_TEXT, ""),
            frame(role, MIDDLE, "ab"),
            frame(role, MIDDLE, ""),
            frame(role, MIDDLE, "c"),
            frame(role, LAST, ""),
            frame(role, FIRST_BINARY, ""),
            frame(role, LAST, ""),
            frame(role, TEXT, ""),
        ]
        .concat();
        assert_eq!(feed(role, bytes).received, [text("abc"), Received::Binary(vec![]), text("")]);
    }
}

#[test]
fn section_5_4_control_frames_may_stand_between_fragments() {
    for role in ROLES {
        let bytes = [
            frame(role, FIRST_TEXT, "a"),
            frame(role, PING, "1"),
            frame(role, MIDDLE, "b"),
            frame(role, PONG, "2"),
            frame(role, PING, "3"),
            frame(role, LAST, "c"),
        ]
        .concat();
        let outcome = feed(role, bytes);
        let expected = [
            Received::Ping(b"1".to_vec()),
            Received::Pong(b"2".to_vec()),
            Received::Ping(b"3".to_vec()),
            text("abc"),
        ];
        assert_eq!(outcome.received, expected);
        let pongs: Vec<Vec<u8>> = wire(&outcome.output).into_iter().map(|frame| frame.payload).collect();
        assert_eq!(pongs, [b"1", b"3"]);
    }
}

#[test]
fn section_5_4_a_close_may_stand_between_fragments() {
    for role in ROLES {
        let bytes = [frame(role, FIRST_TEXT, "a"), frame(role, CLOSE, close_payload(1000, ""))].concat();
        let outcome = feed(role, bytes);
        assert_eq!(outcome.received, [Received::Close(Some(close_frame(1000, "")))]);
        assert_eq!(close_code(&outcome.output), 1000);
        assert!(outcome.closed);
    }
}

#[test]
fn section_5_4_control_frames_may_be_sent_between_fragments() {
    for role in ROLES {
        let sent = sent_by(role, |outbound| {
            outbound.send_fragment("a", false).unwrap();
            outbound.ping(b"").unwrap();
            outbound.pong(b"").unwrap();
            outbound.send_fragment("b", true).unwrap();
        });
        let firsts: Vec<u8> = wire(&sent).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [FIRST_TEXT, PING, PONG, LAST]);
    }
}

#[test]
fn section_5_4_fragments_of_one_message_are_not_interleaved_with_another_message() {
    for role in ROLES {
        for begun in [FIRST_TEXT, FIRST_BINARY] {
            for inner in [TEXT, BINARY, FIRST_TEXT, FIRST_BINARY] {
                let bytes = [frame(role, begun, "a"), frame(role, inner, "b")].concat();
                assert_fails(role, bytes, ProtocolError::InterleavedMessage, 1002);
                // From the header, before the payload.
                let bytes = [frame(role, begun, "a"), header(role, inner, 1000)].concat();
                assert_fails(role, bytes, ProtocolError::InterleavedMessage, 1002);
            }
        }
    }
}

#[test]
fn section_5_4_nothing_is_sent_inside_a_fragmented_message_but_its_fragments() {
    for role in ROLES {
        let sent = sent_by(role, |outbound| {
            outbound.send_fragment("a", false).unwrap();
            assert_eq!(outbound.send("b"), Err(SendError::Unfinished));
            assert_eq!(outbound.send_owned(vec![0; 9000]), Err(SendError::Unfinished));
            assert_eq!(send_with(outbound, "b", &[]), Err(SendError::Unfinished));
            let prepared = talkback::protocol::Prepared::new("b");
            assert_eq!(outbound.send_prepared(&prepared), Err(SendError::Unfinished));
            assert_eq!(outbound.send_fragment(b"b", true), Err(SendError::MixedKinds));
            outbound.send_fragment("c", true).unwrap();
            outbound.send("d").unwrap();
        });
        let payloads: Vec<Vec<u8>> = wire(&sent).into_iter().map(|frame| frame.payload).collect();
        assert_eq!(payloads, [b"a", b"c", b"d"]);
    }
}

#[test]
fn section_5_4_a_continuation_needs_a_message_to_continue() {
    for role in ROLES {
        for first in [MIDDLE, LAST] {
            assert_fails(role, frame(role, first, "a"), ProtocolError::StrayContinuation, 1002);
            assert_fails(role, header(role, first, 1000), ProtocolError::StrayContinuation, 1002);
            let after_whole = [frame(role, TEXT, "a"), frame(role, first, "b")].concat();
            let outcome = feed(role, after_whole);
            assert_eq!(outcome.received, [text("a")]);
            assert_eq!(outcome.error, Some(ProtocolError::StrayContinuation));
            assert_eq!(close_code(&outcome.output), 1002);
        }
    }
}

#[test]
fn section_5_4_any_size_of_fragment_is_taken() {
    let message: String = "zażółć gęślą jaźń ".chars().cycle().take(3000).collect();
    for role in ROLES {
        for size in [1, 2, 3, 125, 126, 1000] {
            let mut bytes = Vec::new();
            let count = message.len().div_ceil(size);
            for (index, piece) in message.as_bytes().chunks(size).enumerate() {
                let opcode = if index == 0 { 1 } else { 0 };
                let fin = if index + 1 == count { 0x80 } else { 0 };
                bytes.extend(frame(role, fin | opcode, piece));
            }
            for style in STYLES {
                let outcome = outcome(role, &Config::default(), style, &bytes, 1400);
                assert_eq!(outcome.received, [text(&message)], "{style:?} {size}");
            }
        }
    }
}

#[test]
fn section_5_5_2_each_ping_is_answered() {
    for role in ROLES {
        for payload in [&b""[..], b"a", &[0xff; 125]] {
            let outcome = feed(role, frame(role, PING, payload));
            let [answer] = &wire(&outcome.output)[..] else { panic!("{outcome:?}") };
            // "A Pong frame sent in response to a Ping frame must have identical Application
            // data" -- section 5.5.3
            assert_eq!((answer.first, answer.payload.as_slice()), (PONG, payload));
            assert_eq!(answer.key.is_some(), role == Role::Client);
        }
    }
}

#[test]
fn section_5_5_2_a_ping_after_the_peers_close_is_not_answered() {
    for role in ROLES {
        let bytes = [frame(role, CLOSE, ""), frame(role, PING, "late")].concat();
        let outcome = feed(role, bytes);
        assert_eq!(outcome.received, [Received::Close(None)]);
        let firsts: Vec<u8> = wire(&outcome.output).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [CLOSE]);
    }
}

#[test]
fn section_5_5_3_a_pong_that_nobody_asked_for_is_not_answered() {
    for role in ROLES {
        let outcome = feed(role, frame(role, PONG, "heartbeat"));
        assert_eq!(outcome.received, [Received::Pong(b"heartbeat".to_vec())]);
        assert_eq!((outcome.error, outcome.output), (None, vec![]));
    }
}

#[test]
fn section_5_6_binary_is_arbitrary_data() {
    let payload: Vec<u8> = (0..=255).rev().cycle().take(1000).collect();
    for role in ROLES {
        assert_eq!(feed(role, frame(role, BINARY, &payload)).received, [Received::Binary(payload.clone())]);
    }
}

#[test]
fn section_5_6_a_fragment_may_end_inside_a_character_if_the_message_is_utf8() {
    let message = "κόσμε \u{10ffff} € \u{80}";
    for role in ROLES {
        for cut in 0..=message.len() {
            let (first, last) = message.as_bytes().split_at(cut);
            let bytes =
                [frame(role, FIRST_TEXT, first), frame(role, PING, "é"), frame(role, LAST, last)].concat();
            assert_eq!(feed(role, bytes).received, [Received::Ping("é".into()), text(message)]);
        }
    }
}

#[test]
fn section_5_8_nothing_that_an_extension_would_allow_passes_without_one() {
    for role in ROLES {
        assert_fails(role, frame(role, TEXT | 0x40, "a"), ProtocolError::UnexpectedRsv1, 1002);
        assert_fails(role, frame(role, 0x83, "a"), FrameError::ReservedOpCode { bits: 3 }, 1002);
        assert_fails(role, frame(role, 0x8b, "a"), FrameError::ReservedOpCode { bits: 11 }, 1002);
    }
}

#[test]
fn section_6_1_data_is_sent_only_while_the_connection_is_open() {
    for role in ROLES {
        let sent = sent_by(role, |outbound| {
            outbound.close(None).unwrap();
            assert_eq!(outbound.send("a"), Err(SendError::Closing));
            assert_eq!(outbound.send_fragment("a", true), Err(SendError::Closing));
            assert_eq!(send_with(outbound, "a", &[]), Err(SendError::Closing));
        });
        assert_eq!(wire(&sent).len(), 1);
    }
}

#[test]
fn section_6_2_what_arrives_is_delivered_with_its_kind_in_order() {
    for role in ROLES {
        let bytes = [
            frame(role, TEXT, "one"),
            frame(role, BINARY, "two"),
            frame(role, FIRST_BINARY, "th"),
            frame(role, LAST, "ree"),
            frame(role, TEXT, "four"),
        ]
        .concat();
        let outcome = feed(role, bytes);
        let binary = |text: &str| Received::Binary(text.into());
        assert_eq!(outcome.received, [text("one"), binary("two"), binary("three"), text("four")]);
        assert_eq!((outcome.error, outcome.output), (None, vec![]));
    }
}

/// Each is wrong at its last byte, and could still become right before it.
const INVALID: [&[u8]; 19] = [
    b"\x80",             // a continuation byte first
    b"\xbf",             //
    b"\xc0",             // overlong
    b"\xc1",             //
    b"\xe0\x80",         //
    b"\xe0\x9f",         //
    b"\xf0\x80",         //
    b"\xf0\x8f",         //
    b"\xed\xa0",         // a surrogate
    b"\xed\xbf",         //
    b"\xf4\x90",         // beyond U+10FFFF
    b"\xf5",             //
    b"\xff",             //
    b"\xfe",             //
    b"\xc3\x28",         // no continuation byte where one is due
    b"\xe2\x82\x28",     //
    b"\xf0\x9f\x98\x28", //
    b"\xe2\x82\xc3",     //
    b"\xf0\x9f\xff",     //
];

#[test]
fn section_8_1_text_that_is_not_utf8_fails_the_connection() {
    for role in ROLES {
        for invalid in INVALID {
            for prefix in ["", "a", "é😀", &"x".repeat(200)] {
                let payload = [prefix.as_bytes(), invalid].concat();
                assert_fails(role, frame(role, TEXT, &payload), FrameError::InvalidUtf8, 1007);
                let and_more = [&payload[..], b"abc"].concat();
                assert_fails(role, frame(role, TEXT, and_more), FrameError::InvalidUtf8, 1007);
            }
        }
    }
}

#[test]
fn section_8_1_it_fails_at_the_first_wrong_byte_of_an_unfinished_frame() {
    for role in ROLES {
        for invalid in INVALID {
            let whole = frame(role, TEXT, [b"ab", invalid, &[b'c'; 1000]].concat());
            let header_len = if role == Role::Server { 8 } else { 4 };
            let wrong = header_len + 2 + invalid.len();
            assert_fails(role, &whole[..wrong], FrameError::InvalidUtf8, 1007);
            let before = feed(role, &whole[..wrong - 1]);
            assert_eq!((before.error, before.output), (None, vec![]), "{invalid:x?}");
        }
    }
}

#[test]
fn section_8_1_it_fails_at_the_first_wrong_byte_across_fragments() {
    for role in ROLES {
        for invalid in INVALID {
            let mut bytes = frame(role, FIRST_TEXT, "a");
            for byte in invalid {
                let before = feed(role, &bytes);
                assert_eq!((before.error, before.output), (None, vec![]), "{invalid:x?}");
                bytes.extend(frame(role, MIDDLE, [*byte]));
            }
            assert_fails(role, &bytes, FrameError::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn section_8_1_text_may_not_end_inside_a_character() {
    for role in ROLES {
        for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"abc\xf0"] {
            assert_fails(role, frame(role, TEXT, cut), FrameError::InvalidUtf8, 1007);
            let bytes = [frame(role, FIRST_TEXT, cut), frame(role, LAST, "")].concat();
            assert_fails(role, bytes, FrameError::InvalidUtf8, 1007);
        }
    }
}

#[test]
fn section_8_1_every_character_is_text() {
    let every: String = (1..=0x0010_ffff_u32).step_by(61).filter_map(char::from_u32).chain(['\0']).collect();
    for role in ROLES {
        for style in STYLES {
            let bytes = frame(role, TEXT, &every);
            let outcome = outcome(role, &Config::default(), style, &bytes, 1024);
            assert_eq!(outcome.received, [text(&every)], "{style:?}");
        }
    }
}
