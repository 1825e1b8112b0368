//! Sections 5.1 to 5.3, 5.5, 5.7, 5.8 and 10.3: frames by themselves.

use std::collections::HashSet;

use talkback::frame::FrameError;
use talkback::protocol::{Config, Prepared, Protocol, ProtocolError, Role};

use crate::pair::*;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn section_5_1_a_client_masks_all_frames() {
    let bytes = sent_by(Role::Client, |outbound| {
        outbound.send("text").unwrap();
        outbound.send(b"binary").unwrap();
        outbound.send("").unwrap();
        outbound.send_owned(vec![1; 5000]).unwrap();
        outbound.send_prepared(&Prepared::new("prepared")).unwrap();
        outbound.send_prepared(&Prepared::new(&vec![2; 5000])).unwrap();
        send_with(outbound, &vec![3; 5000], &[]).unwrap();
        outbound.ping(b"ping").unwrap();
        outbound.pong(b"pong").unwrap();
        outbound.send_fragment("frag", false).unwrap();
        outbound.send_fragment("ment", true).unwrap();
        outbound.close(close_frame(1000, "bye")).unwrap();
    });
    let frames = wire(&bytes);
    assert!(frames.iter().all(|frame| frame.key.is_some()));
    let payloads: Vec<&[u8]> = frames.iter().map(|frame| frame.payload.as_slice()).collect();
    let expected: [&[u8]; 12] = [
        b"text",
        b"binary",
        b"",
        &[1; 5000],
        b"prepared",
        &[2; 5000],
        &[3; 5000],
        b"ping",
        b"pong",
        b"frag",
        b"ment",
        b"\x03\xe8bye",
    ];
    assert_eq!(payloads, expected);
}

#[test]
fn section_5_1_a_server_masks_no_frame() {
    let bytes = sent_by(Role::Server, |outbound| {
        outbound.send("text").unwrap();
        outbound.send_owned(vec![1; 5000]).unwrap();
        outbound.send_prepared(&Prepared::new("prepared")).unwrap();
        send_with(outbound, &vec![3; 5000], &[]).unwrap();
        outbound.ping(b"ping").unwrap();
        outbound.pong(b"pong").unwrap();
        outbound.send_fragment("fragment", true).unwrap();
        outbound.close(None).unwrap();
    });
    let frames = wire(&bytes);
    assert_eq!(frames.len(), 8);
    assert!(frames.iter().all(|frame| frame.key.is_none()));
}

#[test]
fn section_5_1_a_server_closes_upon_a_frame_that_is_not_masked() {
    for first in [TEXT, BINARY, CLOSE, PING, PONG, FIRST_TEXT, LAST] {
        assert_fails(Role::Server, frame(Role::Client, first, ""), ProtocolError::Unmasked, 1002);
        assert_fails(Role::Server, header(Role::Client, first, 5), ProtocolError::Unmasked, 1002);
    }
}

#[test]
fn section_5_1_a_client_closes_upon_a_masked_frame() {
    for first in [TEXT, BINARY, CLOSE, PING, PONG, FIRST_TEXT, LAST] {
        assert_fails(Role::Client, frame(Role::Server, first, ""), ProtocolError::Masked, 1002);
        assert_fails(Role::Client, header(Role::Server, first, 5), ProtocolError::Masked, 1002);
    }
}

#[test]
fn section_5_1_a_key_of_zeros_is_a_mask() {
    assert_eq!(feed(Role::Server, b"\x81\x82\0\0\0\0hi").received, [Received::Text("hi".to_owned())]);
    assert_fails(Role::Client, b"\x81\x82\0\0\0\0hi", ProtocolError::Masked, 1002);
}

#[test]
fn section_5_2_a_reserved_bit_without_its_extension_fails_the_connection() {
    for role in ROLES {
        for first in [TEXT, BINARY, CLOSE, PING, PONG, FIRST_TEXT] {
            for bits in 1..8 {
                let rsv1_alone = bits == 4;
                let error =
                    if rsv1_alone { ProtocolError::UnexpectedRsv1 } else { FrameError::ReservedBits.into() };
                assert_fails(role, frame(role, first | bits << 4, ""), error, 1002);
            }
        }
    }
}

#[test]
fn section_5_2_a_reserved_bit_on_a_continuation_fails_the_connection() {
    for role in ROLES {
        let bytes = [frame(role, FIRST_BINARY, "a"), frame(role, LAST | 0x40, "b")].concat();
        assert_fails(role, bytes, ProtocolError::UnexpectedRsv1, 1002);
    }
}

#[test]
fn section_5_2_no_reserved_bit_is_sent() {
    for role in ROLES {
        let bytes = sent_by(role, |outbound| {
            outbound.send("a").unwrap();
            outbound.send_fragment(b"b", false).unwrap();
            outbound.ping(b"").unwrap();
            outbound.send_fragment(b"c", true).unwrap();
            outbound.close(None).unwrap();
        });
        let firsts: Vec<u8> = wire(&bytes).iter().map(|frame| frame.first).collect();
        assert_eq!(firsts, [TEXT, FIRST_BINARY, PING, LAST, CLOSE]);
    }
}

#[test]
fn section_5_2_an_unknown_opcode_fails_the_connection() {
    for role in ROLES {
        for bits in (3..=7).chain(11..=15) {
            for fin in [0, 0x80] {
                let error = FrameError::ReservedOpCode { bits };
                assert_fails(role, frame(role, fin | bits, ""), error.clone(), 1002);
                assert_fails(role, header(role, fin | bits, 1000), error, 1002);
            }
        }
    }
}

#[test]
fn section_5_2_the_minimal_number_of_bytes_encodes_the_length() {
    for role in ROLES {
        let mask = if role == Role::Client { 0x80 } else { 0 };
        for (len, expected) in [
            (0, vec![mask]),
            (1, vec![mask | 1]),
            (125, vec![mask | 125]),
            (126, vec![mask | 126, 0, 126]),
            (127, vec![mask | 126, 0, 127]),
            (65_535, vec![mask | 126, 0xff, 0xff]),
            (65_536, vec![mask | 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (70_000, vec![mask | 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
        ] {
            let payload = vec![7; len];
            let sent = sent_by(role, |outbound| outbound.send(&payload).unwrap());
            assert_eq!(sent[0], BINARY);
            assert_eq!(sent[1..=expected.len()], expected, "{len}");
            let key_len = if role == Role::Client { 4 } else { 0 };
            assert_eq!(sent.len(), 1 + expected.len() + key_len + len);
            let owned = sent_by(role, |outbound| outbound.send_owned(payload.clone()).unwrap());
            let lent = sent_by(role, |outbound| drop(send_with(outbound, &payload, &[]).unwrap()));
            let prepared =
                sent_by(role, |outbound| outbound.send_prepared(&Prepared::new(&payload)).unwrap());
            assert!(owned == sent && lent == sent && prepared == sent, "{len}");
        }
    }
}

#[test]
fn section_5_2_each_form_of_the_length_is_read() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![7; len];
            let outcome = feed(role, frame(role, BINARY, &payload));
            assert_eq!(outcome.received, [Received::Binary(payload)]);
            assert_eq!(outcome.error, None);
        }
    }
}

#[test]
fn section_5_2_a_length_in_a_longer_form_than_needed_fails_the_connection() {
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        let key = if role == Role::Server { &KEY[..] } else { &[] };
        for len in [0, 5, 125] {
            let bytes = [&[BINARY, mask | 126, 0, len], key].concat();
            assert_fails(role, bytes, FrameError::LengthNotMinimal, 1002);
        }
        for len in [0_u64, 125, 126, 65_535] {
            let bytes = [&[BINARY, mask | 127], &len.to_be_bytes()[..], key].concat();
            assert_fails(role, bytes, FrameError::LengthNotMinimal, 1002);
        }
    }
}

#[test]
fn section_5_2_the_most_significant_bit_of_a_length_is_0() {
    for role in ROLES {
        for len in [1 << 63, u64::MAX] {
            assert_fails(role, header(role, BINARY, len), FrameError::LengthTopBit, 1002);
        }
        let (len, max) = (u64::MAX >> 1, 16 << 20);
        assert_fails(role, header(role, BINARY, len), ProtocolError::MessageTooBig { len, max }, 1009);
    }
}

#[test]
fn section_5_2_headers_that_are_wrong_fail_before_their_payload() {
    for role in ROLES {
        for (bytes, error) in [
            (vec![0xb1, 0], FrameError::ReservedBits),
            (vec![0x83, 0], FrameError::ReservedOpCode { bits: 3 }),
            (vec![0x09, 0], FrameError::FragmentedControl),
            (vec![0x89, 0x7e], FrameError::ControlTooLong),
            (vec![0x82, 0x7e, 0, 125], FrameError::LengthNotMinimal),
            (vec![0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameError::LengthTopBit),
        ] {
            assert_fails(role, bytes, error, 1002);
        }
    }
}

#[test]
fn section_5_3_a_payload_is_the_octets_xored_with_the_key_by_turns() {
    let payload: Vec<u8> = (0..=255).collect();
    let masked: Vec<u8> = (0..256).map(|at| payload[at] ^ KEY[at % 4]).collect();
    let bytes = [&[0x82, 0xfe, 1, 0], &KEY[..], &masked].concat();
    assert_eq!(feed(Role::Server, bytes).received, [Received::Binary(payload)]);
}

#[test]
fn section_5_3_the_key_starts_anew_with_each_frame_and_does_not_change_the_length() {
    let message = b"an odd number of bytes, in odd fragments";
    for cut in 0..message.len() {
        let (first, last) = message.split_at(cut);
        let bytes = [frame(Role::Server, FIRST_BINARY, first), frame(Role::Server, LAST, last)].concat();
        assert_eq!(feed(Role::Server, bytes).received, [Received::Binary(message.to_vec())]);
        let sent = sent_by(Role::Client, |outbound| {
            outbound.send_fragment(first, false).unwrap();
            outbound.send_fragment(last, true).unwrap();
        });
        assert_eq!(sent.len(), message.len() + 2 * 6);
        let frames = wire(&sent);
        assert_eq!((frames[0].payload.as_slice(), frames[1].payload.as_slice()), (first, last));
    }
}

#[test]
fn section_5_3_and_10_3_each_frame_of_a_client_has_a_fresh_key() {
    let mut keys = HashSet::new();
    for _ in 0..4 {
        let mut client = Protocol::new(Role::Client, Config::default());
        for _ in 0..250 {
            let outbound = client.outbound();
            outbound.send("the same").unwrap();
            outbound.send_owned(vec![0; 4096]).unwrap();
            outbound.ping(b"").unwrap();
            outbound.send_fragment("the same", true).unwrap();
            let bytes: Vec<u8> = client.output().flatten().copied().collect();
            client.sent(bytes.len());
            keys.extend(wire(&bytes).into_iter().filter_map(|frame| frame.key));
        }
    }
    // Of 4,000 random keys, two are the same once in 540 runs; four such pairs never happen.
    assert!(keys.len() > 4_000 - 4, "{}", keys.len());
}

#[test]
fn section_10_3_keys_are_not_those_of_another_connection() {
    let first_key = || {
        wire(&{
            let mut client = Protocol::new(Role::Client, Config::default());
            client.outbound().send("the same").unwrap();
            client.output().flatten().copied().collect::<Vec<u8>>()
        })[0]
            .key
    };
    let keys: HashSet<_> = (0..100).map(|_| first_key()).collect();
    assert!(keys.len() > 98, "{}", keys.len());
}

#[test]
fn section_5_5_control_frames_are_at_most_125_bytes() {
    for role in ROLES {
        let most = [b'x'; 125];
        assert_eq!(feed(role, frame(role, PING, most)).received, [Received::Ping(most.to_vec())]);
        assert_eq!(feed(role, frame(role, PONG, most)).received, [Received::Pong(most.to_vec())]);
        let close = close_payload(1000, [b'x'; 123]);
        let expected = Received::Close(Some(close_frame(1000, &"x".repeat(123))));
        assert_eq!(feed(role, frame(role, CLOSE, &close)).received, [expected]);
        for first in [CLOSE, PING, PONG] {
            for len in [126, 65_535, 65_536, u64::MAX] {
                assert_fails(role, header(role, first, len), FrameError::ControlTooLong, 1002);
            }
        }
    }
}

#[test]
fn section_5_5_control_frames_of_more_than_125_bytes_are_not_sent() {
    use talkback::protocol::SendError::ControlTooLong;
    for role in ROLES {
        let sent = sent_by(role, |outbound| {
            assert_eq!(outbound.ping(&[0; 126]), Err(ControlTooLong { len: 126 }));
            assert_eq!(outbound.pong(&[0; 126]), Err(ControlTooLong { len: 126 }));
            outbound.ping(&[0; 125]).unwrap();
            outbound.pong(&[0; 125]).unwrap();
            outbound.close(close_frame(1000, &"é".repeat(100))).unwrap();
        });
        let lens: Vec<usize> = wire(&sent).iter().map(|frame| frame.payload.len()).collect();
        assert_eq!(lens, [125, 125, 124]);
    }
}

#[test]
fn section_5_5_control_frames_are_not_fragmented() {
    for role in ROLES {
        for first in [CLOSE, PING, PONG] {
            assert_fails(role, frame(role, first & 0x7f, ""), FrameError::FragmentedControl, 1002);
        }
    }
}

// Section 5.7, each example byte for byte.

#[test]
fn section_5_7_a_single_frame_unmasked_text_message() {
    let bytes = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(feed(Role::Client, bytes).received, [Received::Text("Hello".to_owned())]);
    assert_eq!(sent_by(Role::Server, |outbound| outbound.send("Hello").unwrap()), bytes);
}

#[test]
fn section_5_7_a_single_frame_masked_text_message() {
    let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(feed(Role::Server, bytes).received, [Received::Text("Hello".to_owned())]);
    let sent = sent_by(Role::Client, |outbound| outbound.send("Hello").unwrap());
    assert_eq!(sent[..2], bytes[..2]);
    let key = &sent[2..6];
    let expected: Vec<u8> = b"Hello".iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    assert_eq!(sent[6..], expected);
}

#[test]
fn section_5_7_a_fragmented_unmasked_text_message() {
    let bytes = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(feed(Role::Client, bytes).received, [Received::Text("Hello".to_owned())]);
    let sent = sent_by(Role::Server, |outbound| {
        outbound.send_fragment("Hel", false).unwrap();
        outbound.send_fragment("lo", true).unwrap();
    });
    assert_eq!(sent, bytes);
}

#[test]
fn section_5_7_unmasked_ping_request_and_masked_ping_response() {
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(sent_by(Role::Server, |outbound| outbound.ping(b"Hello").unwrap()), ping);
    let outcome = feed(Role::Client, ping);
    assert_eq!(outcome.received, [Received::Ping(b"Hello".to_vec())]);
    let answer = wire(&outcome.output);
    assert_eq!((answer[0].first, answer[0].payload.as_slice()), (0x8a, &b"Hello"[..]));
    assert_eq!(outcome.output[1], 0x85);

    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(feed(Role::Server, pong).received, [Received::Pong(b"Hello".to_vec())]);
}

#[test]
fn section_5_7_256_bytes_binary_message_in_a_single_unmasked_frame() {
    let payload: Vec<u8> = (0..=255).collect();
    let bytes = [&[0x82, 0x7e, 0x01, 0x00], &payload[..]].concat();
    assert_eq!(sent_by(Role::Server, |outbound| outbound.send(&payload).unwrap()), bytes);
    assert_eq!(feed(Role::Client, bytes).received, [Received::Binary(payload)]);
}

#[test]
fn section_5_7_64_kib_binary_message_in_a_single_unmasked_frame() {
    let payload: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let bytes = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0], &payload[..]].concat();
    assert_eq!(sent_by(Role::Server, |outbound| outbound.send(&payload).unwrap()), bytes);
    assert_eq!(feed(Role::Client, bytes).received, [Received::Binary(payload)]);
}
