//! RFC 7692 §6.1 and §7.2.1: what is sent, read by an inflater of our own with a window of exactly the length
//! agreed on.

use super::inflater::Inflater;
use super::*;
use talkback::protocol::{Message, Prepared};

/// The messages in these frames, with the RSV1 of each, inflated where it is set.
fn messages(bytes: &[u8], inflater: &mut Inflater) -> Vec<(bool, Vec<u8>)> {
    let (mut messages, mut gathered, mut rsv1) = (Vec::new(), Vec::new(), false);
    for Wire { first, payload, .. } in wire(bytes) {
        assert_eq!(first & 0x30, 0);
        match first & 0x0f {
            0x8.. => {
                assert_eq!(first & RSV1, 0, "a control frame");
                continue;
            }
            0 => assert_eq!(first & RSV1, 0, "a continuation"),
            _ => rsv1 = first & RSV1 != 0,
        }
        gathered.extend(payload);
        if first & 0x80 != 0 {
            let payload = std::mem::take(&mut gathered);
            messages.push((
                rsv1,
                if rsv1 { inflater.message(&payload).expect("sound deflate") } else { payload },
            ));
        }
    }
    messages
}

fn inflater(role: Role, agreed: &DeflateParameters) -> Inflater {
    let (no_takeover, bits) = match role {
        Role::Client => (agreed.client_no_context_takeover, agreed.client_max_window_bits),
        Role::Server => (agreed.server_no_context_takeover, agreed.server_max_window_bits),
    };
    Inflater::new(bits.value(), !no_takeover)
}

fn sender(role: Role, agreed: &DeflateParameters, options: &Deflate) -> Endpoint {
    let config = Config::default().max_output_len(None);
    Endpoint::of(protocol(role, &config, agreed, options), Style::Window)
}

fn any_len() -> Deflate {
    Deflate::private().min_len(Some(0))
}

/// Whether RSV1 is set on each message that `work` sends; and that it holds what it should.
#[track_caller]
fn assert_sent(
    role: Role,
    agreed: &DeflateParameters,
    options: &Deflate,
    expected: &[(bool, &[u8])],
    work: impl FnOnce(&mut Endpoint),
) {
    let mut endpoint = sender(role, agreed, options);
    work(&mut endpoint);
    let sent = messages(&endpoint.write(usize::MAX), &mut inflater(role, agreed));
    let sent: Vec<(bool, &[u8])> = sent.iter().map(|(rsv1, message)| (*rsv1, &message[..])).collect();
    assert!(
        sent == expected,
        "{role:?} {agreed:?}: {:?}",
        sent.iter().map(|(rsv1, message)| (rsv1, message.len())).collect::<Vec<_>>()
    );
}

#[test]
fn s7_2_1_the_examples() {
    let mut server = sender(Role::Server, &takeover(), &any_len());
    server.outbound().send("Hello").unwrap();
    server.outbound().send("Hello").unwrap();
    server.outbound().send("").unwrap();
    let frames = wire(&server.write(usize::MAX));
    assert_eq!(frames.iter().map(|frame| frame.first).collect::<Vec<_>>(), [DEFLATED_TEXT; 3]);
    assert_eq!(frames[0].payload, [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
    // "An empty message is the one byte 00": §7.2.3.6
    assert_eq!(frames[2].payload, [0x00]);
    for frame in frames {
        assert!(!frame.payload.ends_with(&[0x00, 0x00, 0xff, 0xff]), "the tail is cut");
    }
}

#[test]
fn s6_1_rsv1_is_on_the_first_fragment_alone() {
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let mut endpoint = sender(role, &agreed, &any_len());
            let outbound = endpoint.outbound();
            outbound.send_fragment("one ", false).unwrap();
            outbound.ping(b"ping").unwrap();
            outbound.send_fragment("two ", false).unwrap();
            outbound.send_fragment("", false).unwrap();
            outbound.send_fragment("three", true).unwrap();
            outbound.close(None).unwrap();
            let bytes = endpoint.write(usize::MAX);
            let firsts: Vec<u8> = wire(&bytes).iter().map(|frame| frame.first).collect();
            assert_eq!(firsts, [FIRST_TEXT | RSV1, PING, MIDDLE, MIDDLE, LAST, CLOSE]);
            assert!(wire(&bytes).iter().all(|frame| frame.key.is_some() == (role == Role::Client)));
            let sent = messages(&bytes, &mut inflater(role, &agreed));
            assert_eq!(sent, [(true, b"one two three".to_vec())]);
        }
    }
}

#[test]
fn s7_2_1_fragments_of_every_kind() {
    let long = prose(40_000);
    let cases: [&[&str]; 8] = [
        &[""],
        &["a"],
        &["", ""],
        &["", "", "a"],
        &["a", ""],
        &["a", "", "", "b", ""],
        &[&long, "", &long],
        &[&long[..20_000], &long[20_000..]],
    ];
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            for fragments in cases {
                let mut endpoint = sender(role, &agreed, &any_len());
                for _ in 0..2 {
                    for (index, fragment) in fragments.iter().enumerate() {
                        endpoint.outbound().send_fragment(*fragment, index + 1 == fragments.len()).unwrap();
                    }
                    endpoint.outbound().send(&long).unwrap();
                }
                let sent = messages(&endpoint.write(usize::MAX), &mut inflater(role, &agreed));
                let sent: Vec<Vec<u8>> = sent.into_iter().map(|(_, message)| message).collect();
                let whole = fragments.concat().into_bytes();
                assert!(sent == [&whole[..], long.as_bytes(), &whole, long.as_bytes()], "{role:?}");
            }
        }
    }
}

/// Each way to send, with a window and takeover as agreed.
#[test]
fn s7_1_2_a_peer_with_exactly_the_window_agreed_on_reads_all() {
    // Repetitions at every distance, so that one too far would show.
    let mixed = [prose(3000).into_bytes(), noise(600), prose(500).into_bytes()].concat();
    for role in ROLES {
        for bits in 9..=15 {
            let window_len = 1 << bits;
            let distances =
                [window_len / 2 + 9, window_len - 300, window_len - 1, window_len, window_len + 1];
            let long: Vec<u8> = distances.iter().flat_map(|distance| noise(*distance).repeat(2)).collect();
            for keeps in [true, false] {
                for level in if bits > 12 { [1, 9].iter() } else { [1, 2, 3, 6, 9].iter() } {
                    let agreed =
                        windows(bits).server_no_context_takeover(!keeps).client_no_context_takeover(!keeps);
                    let mut endpoint = sender(role, &agreed, &any_len().level(*level));
                    let all = [&mixed[..], &long, b"", b"x", &mixed, &mixed[..700]];
                    for message in all {
                        endpoint.outbound().send(message).unwrap();
                    }
                    let mut inflater = inflater(role, &agreed);
                    let bytes = endpoint.write(usize::MAX);
                    let sent: Vec<_> =
                        messages(&bytes, &mut inflater).into_iter().map(|(_, sent)| sent).collect();
                    assert!(sent == all, "{role:?} {bits} {keeps} {level}");
                    assert!(inflater.farthest <= 1 << bits);
                    // It is made use of.
                    assert!(inflater.farthest > (1 << bits) / 3, "{} {bits} {level}", inflater.farthest);
                }
            }
        }
    }
}

#[test]
fn s7_1_1_takeover_is_per_direction() {
    let message = noise(3000);
    for role in ROLES {
        let mine = |keeps: bool| match role {
            Role::Client => no_takeover().client_no_context_takeover(!keeps),
            Role::Server => no_takeover().server_no_context_takeover(!keeps),
        };
        let lens = |agreed: &DeflateParameters| -> Vec<usize> {
            let mut endpoint = sender(role, agreed, &any_len());
            for _ in 0..3 {
                endpoint.outbound().send(&message).unwrap();
            }
            let bytes = endpoint.write(usize::MAX);
            assert_eq!(messages(&bytes, &mut inflater(role, agreed)).len(), 3);
            wire(&bytes).iter().map(|frame| frame.payload.len()).collect()
        };
        let kept = lens(&mine(true));
        assert!(kept[0] >= 3000 && kept[1] < 100 && kept[2] < 100, "{kept:?}");
        assert_eq!(lens(&mine(false)), [3000; 3]); // it doesn't shrink: sent as it is
    }
}

#[test]
fn s7_1_2_a_client_that_is_left_256_bytes_sends_everything_plain() {
    let agreed = takeover().client_max_window_bits(WindowBits::MIN);
    let message = prose(10_000);
    let mut endpoint = sender(Role::Client, &agreed, &any_len());
    let outbound = endpoint.outbound();
    outbound.send(&message).unwrap();
    outbound.send_owned(message.clone()).unwrap();
    outbound.send_prepared(&Prepared::compressed(&message, &Deflate::shared())).unwrap();
    send_with(outbound, &message, &[]).unwrap();
    outbound.send_fragment(&message, false).unwrap();
    outbound.send_fragment("", true).unwrap();
    let bytes = endpoint.write(usize::MAX);
    assert!(wire(&bytes).iter().all(|frame| frame.first & RSV1 == 0));
    let sent = messages(&bytes, &mut Inflater::new(8, true));
    assert!(sent.len() == 5 && sent.iter().all(|(_, sent)| sent == message.as_bytes()));
    // And it reads what the server compresses.
    endpoint.read(&frame(Role::Client, DEFLATED_TEXT, Deflater::new(6, 15).message(message.as_bytes())));
    assert_eq!(endpoint.received, [text(&message)]);
}

#[test]
fn short_messages_are_not_compressed() {
    for role in ROLES {
        for (agreed, min_len) in [(takeover(), 64), (no_takeover(), 1024)] {
            for (options, min_len) in [
                (Deflate::private(), min_len),
                (Deflate::shared(), min_len),
                (Deflate::private().min_len(Some(300)), 300),
                (Deflate::private().min_len(Some(usize::MAX)), usize::MAX),
            ] {
                let lens = [0, 1, min_len.min(5000) - 1, min_len.min(5000), 5001];
                let all: Vec<Vec<u8>> = lens.iter().map(|len| vec![b'a'; *len]).collect();
                let expected: Vec<_> =
                    all.iter().map(|message| (message.len() >= min_len, &message[..])).collect();
                assert_sent(role, &agreed, &options, &expected, |endpoint| {
                    all.iter().for_each(|message| endpoint.outbound().send(message).unwrap());
                });
                assert_sent(role, &agreed, &options, &expected, |endpoint| {
                    all.iter().for_each(|message| endpoint.outbound().send_owned(message.clone()).unwrap());
                });
                assert_sent(role, &agreed, &options, &expected, |endpoint| {
                    all.iter()
                        .for_each(|message| drop(send_with(endpoint.outbound(), message, &[]).unwrap()));
                });
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is_where_nothing_depends_on_it() {
    let (noise, prose) = (noise(5000), prose(5000));
    for role in ROLES {
        for (agreed, compressed) in [(takeover(), true), (no_takeover(), false)] {
            let expected: [(bool, &[u8]); 4] = [
                (compressed, &noise),
                (true, prose.as_bytes()),
                (compressed, b"x"),
                (true, prose.as_bytes()),
            ];
            assert_sent(role, &agreed, &any_len(), &expected, |endpoint| {
                let outbound = endpoint.outbound();
                outbound.send(&noise).unwrap();
                outbound.send(&prose).unwrap();
                outbound.send("x").unwrap();
                outbound.send(&prose).unwrap();
            });
            // One fragment alone is a message like any other.
            let expected: [(bool, &[u8]); 3] =
                [(compressed, b"x"), (compressed, &noise), (true, prose.as_bytes())];
            assert_sent(role, &agreed, &any_len(), &expected, |endpoint| {
                endpoint.outbound().send_fragment("x", true).unwrap();
                endpoint.outbound().send_fragment(&noise, true).unwrap();
                endpoint.outbound().send_fragment(&prose, true).unwrap();
            });
            assert_sent(role, &agreed, &any_len(), &[(compressed, b"")], |endpoint| {
                endpoint.outbound().send_fragment("", true).unwrap();
            });
        }
    }
}

#[test]
fn an_uncompressed_message_leaves_the_window_alone() {
    let (message, secret) = (prose(3000), noise(3000));
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let expected: [(bool, &[u8]); 5] = [
                (true, message.as_bytes()),
                (false, &secret),
                (true, message.as_bytes()),
                (false, message.as_bytes()),
                (true, message.as_bytes()),
            ];
            assert_sent(role, &agreed, &any_len(), &expected, |endpoint| {
                let outbound = endpoint.outbound();
                outbound.send(&message).unwrap();
                outbound.send_uncompressed(&secret).unwrap();
                outbound.send(&message).unwrap();
                outbound.send_uncompressed(&message).unwrap();
                outbound.send(&message).unwrap();
            });
        }
    }
}

#[test]
fn the_level_is_what_was_asked_for() {
    let message = prose(60_000);
    for role in ROLES {
        for agreed in [takeover(), no_takeover()] {
            let sent = |level| {
                let mut endpoint = sender(role, &agreed, &Deflate::private().level(level));
                endpoint.outbound().send(&message).unwrap();
                let bytes = endpoint.write(usize::MAX);
                assert_eq!(
                    messages(&bytes, &mut inflater(role, &agreed)),
                    [(true, message.clone().into_bytes())]
                );
                wire(&bytes).remove(0).payload
            };
            for level in 1..=9 {
                assert!(
                    sent(level) == Deflater::new(level.into(), 15).message(message.as_bytes()),
                    "{level}"
                );
            }
            assert!(sent(0) == sent(1) && sent(255) == sent(9) && sent(9).len() < sent(1).len());
        }
    }
}

#[test]
fn states_of_other_levels_and_windows_are_kept_apart() {
    let message = prose(20_000);
    for _ in 0..3 {
        for bits in 9..=15 {
            for level in [1, 6, 9] {
                let agreed = windows(bits).server_no_context_takeover(true);
                let mut endpoint = sender(Role::Server, &agreed, &Deflate::shared().level(level));
                endpoint.outbound().send(&message).unwrap();
                let payload = wire(&endpoint.write(usize::MAX)).remove(0).payload;
                assert!(
                    payload == Deflater::new(level.into(), bits).message(message.as_bytes()),
                    "{bits} {level}"
                );
            }
        }
    }
}

#[test]
fn messages_of_many_connections_do_not_mix() {
    // Two that send fragments by turns borrow two states.
    let message = prose(9000);
    let mut endpoints = [(); 6].map(|()| sender(Role::Server, &no_takeover(), &any_len()));
    for (index, piece) in message.as_bytes().chunks(1000).enumerate() {
        for endpoint in &mut endpoints {
            endpoint.outbound().send_fragment(piece, index == 8).unwrap();
        }
    }
    for mut endpoint in endpoints {
        let sent = messages(&endpoint.write(usize::MAX), &mut Inflater::new(15, false));
        assert_eq!(sent, [(true, message.clone().into_bytes())]);
    }
}

#[test]
fn a_prepared_message_is_compressed_for_those_who_can_read_it() {
    let message = prose(9000);
    let keeps = no_takeover().server_no_context_takeover(false);
    let narrow = |bits| windows(bits).server_no_context_takeover(true);
    let options = |bits| Deflate::shared().parameters(narrow(bits));
    for (prepared_bits, agreed, compressed) in [
        (15, no_takeover(), true),
        (15, takeover().server_no_context_takeover(true), true),
        (15, takeover(), false),
        (15, keeps, false),
        (15, narrow(14), false),
        (14, narrow(14), true),
        (9, narrow(9), true),
        (9, no_takeover(), true),
        (10, narrow(9), false),
        (8, narrow(9), false),
    ] {
        let prepared = Prepared::compressed(&message, &options(prepared_bits));
        assert_eq!(prepared.payload(), message.as_bytes());
        assert_sent(Role::Server, &agreed, &any_len(), &[(compressed, message.as_bytes()); 2], |endpoint| {
            endpoint.outbound().send_prepared(&prepared).unwrap();
            endpoint.outbound().send_prepared(&prepared.clone()).unwrap();
        });
    }
    // Nor for one that agreed on nothing.
    let mut endpoint = Endpoint::new(Role::Server, Config::default(), Style::Window);
    endpoint.outbound().send_prepared(&Prepared::compressed(&message, &Deflate::shared())).unwrap();
    let frames = wire(&endpoint.write(usize::MAX));
    assert_eq!((frames[0].first, &frames[0].payload[..]), (TEXT, message.as_bytes()));
}

#[test]
fn a_prepared_message_is_shared_and_leaves_the_window_alone() {
    let message = noise(30_000).repeat(2);
    let prepared = Prepared::compressed(&message, &Deflate::shared());
    let mut pointers = Vec::new();
    for _ in 0..3 {
        let mut endpoint = sender(Role::Server, &no_takeover(), &Deflate::shared());
        endpoint.outbound().send_prepared(&prepared).unwrap();
        pointers.extend(endpoint.outbound().output().map(<[u8]>::as_ptr));
    }
    assert!(pointers.len() == 3 && pointers.iter().all(|pointer| *pointer == pointers[0]));
    // Among others, for one who keeps a window.
    let expected: [(bool, &[u8]); 3] = [(true, &message), (false, &message), (true, &message)];
    assert_sent(Role::Server, &takeover(), &any_len(), &expected, |endpoint| {
        endpoint.outbound().send(&message).unwrap();
        endpoint.outbound().send_prepared(&prepared).unwrap();
        endpoint.outbound().send(&message).unwrap();
    });
    // What doesn't shrink is not compressed; a client compresses for itself.
    let noise = Prepared::compressed(&noise(5000), &Deflate::shared());
    assert_sent(Role::Server, &no_takeover(), &any_len(), &[(false, noise.payload())], |endpoint| {
        endpoint.outbound().send_prepared(&noise).unwrap();
    });
    for agreed in [takeover(), no_takeover()] {
        assert_sent(Role::Client, &agreed, &any_len(), &[(true, &message[..]); 2], |endpoint| {
            endpoint.outbound().send_prepared(&prepared).unwrap();
            endpoint.outbound().send_prepared(&Prepared::new(&message)).unwrap();
        });
    }
}

#[test]
fn a_refused_message_leaves_the_window_alone() {
    let message = prose(5000);
    for role in ROLES {
        let config = Config::default().max_output_len(Some(10));
        let protocol = protocol(role, &config, &takeover(), &any_len());
        let mut endpoint = Endpoint::of(protocol, Style::Window);
        let mut inflater = inflater(role, &takeover());
        for _ in 0..3 {
            endpoint.outbound().send(&message).unwrap();
            assert!(endpoint.outbound().send(&noise(500)).is_err());
            assert!(endpoint.outbound().send_owned(noise(9000)).is_err());
            assert!(endpoint.outbound().send_fragment(&noise(500), true).is_err());
            let sent = messages(&endpoint.write(usize::MAX), &mut inflater);
            assert_eq!(sent, [(true, message.clone().into_bytes())]);
        }
    }
}

/// Each length of output there may be, so that one also fills its room to the last byte.
#[test]
fn output_of_every_length_is_flushed_whole() {
    let noise = noise(600);
    for agreed in [takeover(), no_takeover()] {
        let mut endpoint = sender(Role::Server, &agreed, &any_len());
        let mut inflater = inflater(Role::Server, &agreed);
        for len in 0..noise.len() {
            let message = [&noise[noise.len() - len..], &[7; 100]].concat();
            endpoint.outbound().send_fragment(&message, false).unwrap();
            endpoint.outbound().send_fragment(&message, true).unwrap();
            let sent = messages(&endpoint.write(usize::MAX), &mut inflater);
            assert!(sent == [(true, message.repeat(2))], "{len}");
        }
    }
}

#[test]
fn both_ends_of_a_split_connection_compress() {
    let message = prose(5000);
    for agreed in [takeover(), no_takeover()] {
        let mut client = endpoint(Role::Client, &agreed, Style::Messages);
        let mut server = endpoint(Role::Server, &agreed, Style::Messages);
        for _ in 0..3 {
            client.outbound().send(&message).unwrap();
            server.outbound().send_owned(Message::from(message.clone())).unwrap();
            settle(&mut client, &mut server);
        }
        assert_eq!(client.received, [(); 3].map(|()| text(&message)));
        assert_eq!(server.received, client.received);
    }
}

#[test]
fn a_connection_may_move_between_threads_in_mid_message() {
    let message = prose(9000);
    for agreed in [takeover(), no_takeover()] {
        let mut protocol = protocol(Role::Server, &Config::default(), &agreed, &any_len());
        for index in 0..6 {
            let piece = message[index * 1500..(index + 1) * 1500].to_owned();
            protocol = std::thread::spawn(move || {
                protocol.outbound().send_fragment(&piece, index == 5).unwrap();
                protocol
            })
            .join()
            .unwrap();
        }
        let bytes: Vec<u8> = protocol.output().flatten().copied().collect();
        let sent = messages(&bytes, &mut inflater(Role::Server, &agreed));
        assert_eq!(sent, [(true, message.clone().into_bytes())]);
    }
}
