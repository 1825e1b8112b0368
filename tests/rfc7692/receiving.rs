//! RFC 7692 §6.2 and §7.2.2: what compressed messages become, and what is refused.

use super::*;
use talkback::protocol::{Part, ProtocolError};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// "Hello" again, as a copy of the one before.
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];
/// With BFINAL, and the end of the deflate stream its own.
const HELLO_FINAL: [u8; 7] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn all_of(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

#[test]
fn s6_2_rsv1_means_nothing_where_it_was_not_agreed_on() {
    for role in ROLES {
        for first in [DEFLATED_TEXT, DEFLATED_BINARY, FIRST_TEXT | RSV1, PING | RSV1, MIDDLE | RSV1] {
            assert_fails(role, frame(role, first, HELLO), ProtocolError::UnexpectedRsv1, 1002);
        }
    }
}

#[test]
fn s6_1_rsv1_is_on_the_first_frame_of_a_message_alone() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for control in [PING, PONG, CLOSE] {
                assert_refused(role, &agreed, frame(role, control | RSV1, HELLO), 1002);
            }
            for next in [MIDDLE | RSV1, LAST | RSV1] {
                for (first, payload) in [(FIRST_TEXT, &b"plain"[..]), (FIRST_TEXT | RSV1, &HELLO[..3])] {
                    let bytes = [frame(role, first, payload), frame(role, next, &HELLO[3..])].concat();
                    assert_refused(role, &agreed, bytes, 1002);
                }
            }
            // The other reserved bits mean nothing still.
            for bits in [0x20, 0x10, 0x60, 0x50] {
                assert_refused(role, &agreed, frame(role, TEXT | bits, HELLO), 1002);
            }
            // Nor may a compressed message begin inside another, or a continuation stand alone.
            let inside = [frame(role, FIRST_TEXT | RSV1, HELLO), frame(role, DEFLATED_TEXT, HELLO)].concat();
            assert_refused(role, &agreed, inside, 1002);
            assert_refused(role, &agreed, frame(role, LAST, HELLO), 1002);
        }
    }
}

#[test]
fn s7_2_3_1_one_compressed_block() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover(), windows(8), windows(9)] {
            assert_received(role, &agreed, frame(role, DEFLATED_TEXT, HELLO), &[text("Hello")]);
            assert_received(role, &agreed, frame(role, DEFLATED_BINARY, HELLO), &[binary("Hello")]);
            let fragments = [
                frame(role, FIRST_TEXT | RSV1, [0xf2, 0x48, 0xcd]),
                frame(role, LAST, [0xc9, 0xc9, 0x07, 0x00]),
            ];
            assert_received(role, &agreed, all_of(&fragments), &[text("Hello")]);
        }
    }
}

#[test]
fn s7_2_3_2_sharing_the_window() {
    for role in ROLES {
        let [first, again] = [&HELLO[..], &HELLO_AGAIN].map(|payload| frame(role, DEFLATED_TEXT, payload));
        let bytes = [&first[..], &again, &again, &first].concat();
        for agreed in [takeover(), windows(8), windows(9)] {
            assert_received(role, &agreed, &bytes, &[(); 4].map(|()| text("Hello")));
        }
        // Without takeover, there is nothing to copy from: for the receiver it counts what the sender does.
        let peer_keeps = match role {
            Role::Client => no_takeover().server_no_context_takeover(false),
            Role::Server => no_takeover().client_no_context_takeover(false),
        };
        assert_received(role, &peer_keeps, &bytes, &[(); 4].map(|()| text("Hello")));
        for agreed in [no_takeover(), swapped(&peer_keeps)] {
            let came = feed_deflated(role, &Config::default(), &agreed, &bytes);
            assert_eq!(came, Came { received: vec![text("Hello")], code: Some(1007) });
        }
    }
}

fn swapped(agreed: &DeflateParameters) -> DeflateParameters {
    agreed
        .server_no_context_takeover(agreed.client_no_context_takeover)
        .client_no_context_takeover(agreed.server_no_context_takeover)
}

#[test]
fn s7_2_3_3_a_block_without_compression() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            assert_received(role, &agreed, frame(role, DEFLATED_TEXT, stored), &[text("Hello")]);
        }
        // It is in the window like any other.
        let bytes = [frame(role, DEFLATED_TEXT, stored), frame(role, DEFLATED_TEXT, HELLO_AGAIN)].concat();
        assert_received(role, &takeover(), bytes, &[text("Hello"), text("Hello")]);
    }
}

#[test]
fn s7_2_3_4_a_block_with_bfinal() {
    let with_0x00 = [&HELLO_FINAL[..], &[0x00]].concat();
    for role in ROLES {
        for agreed in [takeover(), no_takeover(), windows(8), windows(9)] {
            let [ends, goes_on, plain] =
                [&HELLO_FINAL[..], &with_0x00, &HELLO].map(|payload| frame(role, DEFLATED_TEXT, payload));
            // In any order, any number of them.
            for mix in [
                vec![&ends],
                vec![&goes_on],
                vec![&ends, &ends],
                vec![&goes_on, &goes_on],
                vec![&plain, &ends, &plain, &goes_on, &ends, &plain, &plain],
            ] {
                let bytes: Vec<u8> = mix.iter().copied().flatten().copied().collect();
                assert_received(role, &agreed, bytes, &vec![text("Hello"); mix.len()]);
            }
            // Two deflate streams in one message; an end and a block that is open; in fragments.
            let two = [HELLO_FINAL, HELLO_FINAL].concat();
            assert_received(role, &agreed, frame(role, DEFLATED_TEXT, two), &[text("HelloHello")]);
            let more = [HELLO_FINAL, HELLO].concat();
            for len in [1, 6, 7, 8] {
                let bytes = all_of(&fragments(role, DEFLATED_TEXT, &more, len));
                assert_received(role, &agreed, bytes, &[text("HelloHello")]);
            }
            // The stream's end in one fragment, and nothing in the last.
            let bytes = [frame(role, FIRST_TEXT | RSV1, HELLO_FINAL), frame(role, LAST, "")].concat();
            assert_received(role, &agreed, [bytes, plain].concat(), &[text("Hello"), text("Hello")]);
        }
    }
}

#[test]
fn s7_2_3_4_the_end_of_a_stream_forgets_the_window() {
    for role in ROLES {
        let bytes =
            [frame(role, DEFLATED_TEXT, HELLO_FINAL), frame(role, DEFLATED_TEXT, HELLO_AGAIN)].concat();
        let came = feed_deflated(role, &Config::default(), &takeover(), &bytes);
        assert_eq!(came, Came { received: vec![text("Hello")], code: Some(1007) });
    }
}

/// Zlib's own streams, of lengths around the steps in which they are read.
#[test]
fn s7_2_3_4_whole_streams_of_every_length() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for len in [0, 1, 4095, 4096, 4097, 8192, 40_000] {
                let message = prose(len);
                let frame = frame(role, DEFLATED_TEXT, Deflater::stream(message.as_bytes()));
                assert_received(role, &agreed, frame.repeat(2), &[text(&message), text(&message)]);
            }
        }
    }
}

#[test]
fn a_stream_of_an_ended_window_of_512_bytes_leaves_a_wide_one_to_others() {
    for role in ROLES {
        let small = no_takeover()
            .client_max_window_bits(WindowBits::MIN_COMPRESSED)
            .server_max_window_bits(WindowBits::MIN_COMPRESSED);
        for _ in 0..8 {
            assert_received(role, &small, frame(role, DEFLATED_TEXT, HELLO_FINAL), &[text("Hello")]);
        }
        // Copies from 30,000 bytes back.
        let far = noise(30_000).repeat(2);
        let payload = Deflater::new(6, 15).message(&far);
        assert!(payload.len() < 31_000);
        assert_received(role, &no_takeover(), frame(role, DEFLATED_BINARY, payload), &[binary(far)]);
    }
}

#[test]
fn s7_2_3_5_two_blocks_in_one_message() {
    let blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for len in 1..=blocks.len() {
                let bytes = all_of(&fragments(role, DEFLATED_TEXT, &blocks, len));
                assert_received(role, &agreed, bytes, &[text("Hello")]);
            }
        }
    }
}

#[test]
fn s7_2_3_6_an_empty_message_is_0x00() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let empty = [frame(role, DEFLATED_TEXT, [0]), frame(role, DEFLATED_BINARY, [0])].concat();
            assert_received(role, &agreed, empty, &[text(""), binary("")]);
            // As the last fragment: of a message of which all is flushed, and of an empty one.
            let flushed = [&HELLO[..], &[0x00, 0x00, 0xff, 0xff]].concat();
            let last = [frame(role, FIRST_TEXT | RSV1, flushed), frame(role, LAST, [0])].concat();
            assert_received(role, &agreed, last, &[text("Hello")]);
            let late = [frame(role, FIRST_TEXT | RSV1, ""), frame(role, MIDDLE, ""), frame(role, LAST, [0])]
                .concat();
            assert_received(role, &agreed, late, &[text("")]);
            let late = [frame(role, FIRST_TEXT | RSV1, ""), frame(role, LAST, HELLO)].concat();
            assert_received(role, &agreed, late, &[text("Hello")]);
            let early = [frame(role, FIRST_TEXT | RSV1, HELLO), frame(role, LAST, "")].concat();
            assert_received(role, &agreed, early, &[text("Hello")]);
            // Empty blocks of the other kinds.
            for payload in [&[0x02, 0x00][..], &[0x03, 0x00], &[0x00, 0x00, 0x00, 0xff, 0xff, 0x00]] {
                let empty = frame(role, DEFLATED_TEXT, payload);
                let hello = frame(role, DEFLATED_TEXT, HELLO);
                assert_received(role, &agreed, [empty, hello].concat(), &[text(""), text("Hello")]);
            }
        }
    }
}

/// Nothing with the tail appended is the begin of a block and no end: RFC 7692 §7.2.2 has no way to read it.
#[test]
fn s7_2_2_no_payload_at_all_is_incomplete() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            assert_refused(role, &agreed, frame(role, DEFLATED_TEXT, ""), 1007);
            assert_refused(role, &agreed, frame(role, DEFLATED_BINARY, ""), 1007);
            let fragments = [frame(role, FIRST_TEXT | RSV1, ""), frame(role, LAST, "")].concat();
            assert_refused(role, &agreed, fragments, 1007);
        }
    }
}

#[test]
fn s6_2_plain_messages_among_compressed_ones_leave_the_window_alone() {
    for role in ROLES {
        let bytes = [
            frame(role, DEFLATED_TEXT, HELLO),
            frame(role, TEXT, "plain"),
            frame(role, DEFLATED_TEXT, HELLO_AGAIN),
            frame(role, FIRST_BINARY, "pl"),
            frame(role, LAST, "ain"),
            frame(role, TEXT, ""),
            frame(role, DEFLATED_TEXT, HELLO_AGAIN),
        ]
        .concat();
        let messages =
            [text("Hello"), text("plain"), text("Hello"), binary("plain"), text(""), text("Hello")];
        assert_received(role, &takeover(), bytes, &messages);
    }
}

#[test]
fn s6_1_control_frames_stand_between_compressed_fragments() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let pieces = fragments(role, DEFLATED_TEXT, &HELLO, 1);
            let mut bytes = Vec::new();
            let mut came = Vec::new();
            for (index, piece) in (b'0'..).zip(&pieces) {
                bytes.extend_from_slice(piece);
                if index < b'6' {
                    bytes.extend(frame(role, if index % 2 == 0 { PING } else { PONG }, [index]));
                    came.push(if index % 2 == 0 {
                        Received::Ping(vec![index])
                    } else {
                        Received::Pong(vec![index])
                    });
                }
            }
            came.push(text("Hello"));
            assert_received(role, &agreed, bytes, &came);
            // A close inside a message ends the connection.
            let bytes = [pieces[0].clone(), frame(role, CLOSE, ""), pieces[1].clone()].concat();
            assert_received(role, &agreed, bytes, &[Received::Close(None)]);
        }
    }
}

#[test]
fn s6_2_fragments_may_be_cut_anywhere() {
    let messages = [prose(700), prose(3000), String::new(), prose(100)];
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for len in [1, 2, 3, 5, 100, 10_000] {
                let mut deflater = Deflater::new(6, 15);
                let mut bytes = Vec::new();
                for message in &messages {
                    let payload = deflater.message(message.as_bytes());
                    bytes.extend(all_of(&fragments(role, DEFLATED_TEXT, &payload, len)));
                    if agreed == no_takeover() {
                        deflater = Deflater::new(6, 15);
                    }
                }
                assert_received(role, &agreed, bytes, &messages.each_ref().map(|message| text(message)));
            }
        }
    }
}

#[test]
fn s7_1_2_each_window_is_read() {
    let parts = [noise(200), prose(1000).into_bytes(), noise(4000), noise(200)];
    let message = parts.concat();
    for role in ROLES {
        for bits in 9..=15 {
            for takeover in [true, false] {
                let agreed =
                    windows(bits).server_no_context_takeover(!takeover).client_no_context_takeover(!takeover);
                let mut deflater = Deflater::new(9, bits);
                let mut bytes = Vec::new();
                for _ in 0..3 {
                    bytes.extend(frame(role, DEFLATED_BINARY, deflater.message(&message)));
                    if !takeover {
                        deflater = Deflater::new(9, bits);
                    }
                }
                assert_received(role, &agreed, bytes, &[(); 3].map(|()| binary(&message)));
            }
        }
    }
}

#[test]
fn s7_2_2_garbage_is_1007() {
    let bad: [&[u8]; 9] = [
        &[0x07],                               // a block of the kind 3
        &[0xff; 20],                           // likewise
        &[0x06, 0xff, 0xff],                   // likewise
        b"\x00\x05\x00\xfa\xfeHello\x00",      // a length and not its complement
        &[0x02, 0x10, 0x11],                   // a copy from before the beginning
        &[0xf2, 0x00, 0x11, 0x00, 0x00],       // likewise
        &[0x04, 0xff, 0xff, 0xff, 0xff, 0xff], // lengths of codes that can't be
        b"Hello, this is no deflate",
        &[0xfc, 0xff, 0xff, 0xff],
    ];
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for payload in bad {
                assert_refused(role, &agreed, frame(role, DEFLATED_BINARY, payload), 1007);
                let pieces = all_of(&fragments(role, DEFLATED_BINARY, payload, 1));
                assert_refused(role, &agreed, pieces, 1007);
            }
        }
    }
}

#[test]
fn s7_2_2_every_truncation_is_1007() {
    let messages = ["Hello".to_owned(), prose(100), prose(300), prose(1500), "a".repeat(500)];
    for role in ROLES {
        for message in &messages {
            for level in [1, 2, 6, 9] {
                let payload = Deflater::new(level, 15).message(message.as_bytes());
                for len in 0..payload.len() {
                    for agreed in [takeover(), no_takeover()] {
                        let bytes = frame(role, DEFLATED_BINARY, &payload[..len]);
                        for style in [Style::Window, Style::Parts(1000)] {
                            let options = Deflate::private();
                            let endpoint =
                                Endpoint::of(protocol(role, &Config::default(), &agreed, &options), style);
                            let came = came(endpoint, &bytes, usize::MAX);
                            assert_eq!((came.received, came.code), (vec![], Some(1007)), "{len} {level}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn s7_2_2_every_truncation_of_a_stream_that_ends_is_1007() {
    for role in ROLES {
        for message in [prose(5), prose(300), prose(1500)] {
            let payload = Deflater::stream(message.as_bytes());
            for len in 0..payload.len() {
                let endpoint = endpoint(role, &takeover(), Style::Window);
                let came = came(endpoint, &frame(role, DEFLATED_TEXT, &payload[..len]), usize::MAX);
                assert_eq!((came.received, came.code), (vec![], Some(1007)), "{len}");
            }
        }
    }
}

#[test]
fn bad_utf8_is_1007_at_its_first_byte() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for bad in [&b"abc\xff"[..], b"\xed\xa0\x80", b"\xc0\x80", b"ab\xf4\x90\x80\x80", b"\xe2\x82"] {
                let payload = Deflater::new(6, 15).message(bad);
                assert_refused(role, &agreed, frame(role, DEFLATED_TEXT, &payload), 1007);
                assert_refused(role, &agreed, all_of(&fragments(role, DEFLATED_TEXT, &payload, 1)), 1007);
                // As binary it is fine.
                assert_received(role, &agreed, frame(role, DEFLATED_BINARY, payload), &[binary(bad)]);
            }
            // Before the end of the frame, of which the announced rest never comes.
            let mut deflater = Deflater::new(6, 15);
            let payload = deflater.flushed(b"good \xe2\x82 bad", DeflateFlush::SyncFlush);
            let whole = frame(role, FIRST_TEXT | RSV1, [&payload[..], &[0; 1000]].concat());
            assert_refused(role, &agreed, &whole[..whole.len() - 1000], 1007);
            // A character may be cut by fragments, and by blocks.
            let (first, second) = "€".as_bytes().split_at(1);
            let mut deflater = Deflater::new(6, 15);
            let first = deflater.flushed(first, DeflateFlush::SyncFlush);
            let bytes = [
                frame(role, FIRST_TEXT | RSV1, first),
                frame(role, LAST, deflater.message(second)),
                frame(role, TEXT, "x"),
            ];
            assert_received(role, &agreed, bytes.concat(), &[text("€"), text("x")]);
        }
    }
}

/// The limit is one of what a message inflates to, in each way that it may come.
#[test]
fn the_limit_holds_while_inflating() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for max in [0, 1, 1000, 4095, 4096, 4097, 10_000, 66_000] {
                let config = Config::default().max_message_len(Some(max));
                for (first, as_text) in [(DEFLATED_TEXT, true), (DEFLATED_BINARY, false)] {
                    for (message, piece_len) in [
                        (vec![b'a'; max], 7),
                        (prose(max).into_bytes(), 100),
                        (prose(max).into_bytes(), 1 << 20),
                    ] {
                        let frames = |message: &[u8]| {
                            let payload = Deflater::new(6, 15).message(message);
                            all_of(&fragments(role, first, &payload, piece_len))
                        };
                        // Twice: it is counted anew for each message.
                        let bytes = frames(&message).repeat(if agreed == no_takeover() { 2 } else { 1 });
                        let came = feed_deflated(role, &config, &agreed, &bytes);
                        assert_eq!(came.code, None, "{max}");
                        let expected =
                            if as_text { text(str::from_utf8(&message).unwrap()) } else { binary(&message) };
                        assert!(came.received.iter().all(|received| *received == expected), "{max}");
                        assert!(!came.received.is_empty());

                        let over = [&message[..], b"b"].concat();
                        let came = feed_deflated(role, &config, &agreed, &frames(&over));
                        assert_eq!(came, Came { received: vec![], code: Some(1009) }, "{max}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_limit_is_raised_before_the_end_of_the_message() {
    let config = Config::default().max_message_len(Some(5000));
    for role in ROLES {
        let payload = Deflater::new(6, 15).flushed(&[b'x'; 6000], DeflateFlush::SyncFlush);
        // Never ended.
        let came = feed_deflated(role, &config, &takeover(), &frame(role, FIRST_TEXT | RSV1, payload));
        assert_eq!(came.code, Some(1009));
        // From the header, where no message that fits is so long.
        for (len, code) in
            [(5000 + 5000 / 8 + 1024, None), (5000 + 5000 / 8 + 1025, Some(1009)), (1 << 40, Some(1009))]
        {
            let came = feed_deflated(role, &config, &takeover(), &header(role, DEFLATED_BINARY, len));
            assert_eq!(came.code, code, "{len}");
        }
        // A frame's own limit is one of its bytes on the wire.
        let config = Config::default().max_frame_len(Some(7));
        let fits = frame(role, DEFLATED_TEXT, HELLO);
        assert_eq!(feed_deflated(role, &config, &takeover(), &fits).received, [text("Hello")]);
        let config = Config::default().max_frame_len(Some(6));
        assert_eq!(feed_deflated(role, &config, &takeover(), &fits).code, Some(1009));
    }
}

#[test]
fn a_limit_of_half_the_budget_holds_too() {
    let config = Config::default().memory_budget(Some(20_000));
    for role in ROLES {
        let bytes = |len| frame(role, DEFLATED_BINARY, Deflater::new(6, 15).message(&vec![7; len]));
        assert_eq!(feed_deflated(role, &config, &takeover(), &bytes(10_000)).code, None);
        assert_eq!(feed_deflated(role, &config, &takeover(), &bytes(10_001)).code, Some(1009));
    }
}

#[test]
fn a_part_of_length_0_loses_nothing() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let mut protocol = protocol(role, &Config::default(), &agreed, &Deflate::private());
            let message = "a".repeat(50);
            let payload = Deflater::new(6, 15).message(message.as_bytes());
            for bytes in
                [frame(role, DEFLATED_TEXT, &payload), fragments(role, DEFLATED_TEXT, &payload, 3).concat()]
            {
                protocol.receive(&bytes);
                let mut came = Vec::new();
                loop {
                    if came.len() < message.len() {
                        while let Some(part) = protocol.next_part(0).unwrap() {
                            assert!(matches!(part, Part::Start(_)), "{part:?}");
                        }
                    }
                    match protocol.next_part(2).unwrap() {
                        Some(Part::Data(bytes)) => came.extend_from_slice(bytes),
                        Some(Part::Start(_)) => {}
                        Some(Part::End) => break,
                        part => panic!("{part:?}"),
                    }
                }
                assert_eq!(came, message.as_bytes());
            }
        }
    }
}

#[test]
fn a_message_that_is_not_read_to_its_end_is_skipped() {
    for role in ROLES {
        let mut deflater = Deflater::new(6, 15);
        let [long, second] =
            [prose(50_000), "second".to_owned()].map(|text| deflater.message(text.as_bytes()));
        for taken in [0, 1, 3, 40] {
            let mut protocol = protocol(role, &Config::default(), &takeover(), &Deflate::private());
            protocol.receive(&frame(role, DEFLATED_TEXT, &long));
            protocol.receive(&frame(role, DEFLATED_TEXT, &second));
            for index in 0..=taken {
                let part = protocol.next_part(1000).unwrap();
                assert_eq!(matches!(part, Some(Part::Start(_))), index == 0);
            }
            let event = protocol.next_event().unwrap().map(|(event, _)| Received::from(event));
            assert_eq!(event, Some(text("second")));
            assert!(protocol.next_part(10).unwrap().is_none());
        }
    }
}
