//! Any messages, any parameters, any level, any cut: what is sent arrives.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use talkback::protocol::{Message, Prepared};

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![
        Just(Style::Window),
        Just(Style::Lend),
        Just(Style::Messages),
        prop_oneof![Just(1), 1..100_usize, Just(usize::MAX)].prop_map(Style::Parts),
        (1..5000_usize).prop_map(Style::Turns),
    ]
}

fn any_parameters() -> impl Strategy<Value = DeflateParameters> {
    (any::<bool>(), any::<bool>(), 9..=15_u8, 8..=15_u8).prop_map(
        |(server, client, server_bits, client_bits)| {
            DeflateParameters::default()
                .server_no_context_takeover(server)
                .client_no_context_takeover(client)
                .server_max_window_bits(WindowBits::new(server_bits).unwrap())
                .client_max_window_bits(WindowBits::new(client_bits).unwrap())
        },
    )
}

fn options() -> impl Strategy<Value = Deflate> {
    (0..=10_u8, prop_oneof![Just(None), (0..3000_usize).prop_map(Some)])
        .prop_map(|(level, min_len)| Deflate::private().level(level).min_len(min_len))
}

/// Text, words, noise, or one byte again and again.
fn message() -> impl Strategy<Value = Message> {
    let len = || prop_oneof![6 => 0..300_usize, 3 => 0..6000_usize, 1 => 0..150_000_usize];
    prop_oneof![
        any::<String>().prop_map(Message::from),
        len().prop_map(|len| Message::from(prose(len))),
        len().prop_map(|len| Message::from(noise(len))),
        (any::<u8>(), len()).prop_map(|(byte, len)| Message::from(vec![byte; len])),
        vec(any::<u8>(), 0..200).prop_map(Message::from),
    ]
}

#[derive(Debug, Clone)]
enum Way {
    Copied,
    Plain,
    Owned,
    Prepared,
    Lent(usize),
    Fragments(usize),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        2 => Just(Way::Copied),
        1 => Just(Way::Plain),
        1 => Just(Way::Owned),
        1 => Just(Way::Prepared),
        1 => (0..10_000_usize).prop_map(Way::Lent),
        2 => (1..3000_usize).prop_map(Way::Fragments),
    ]
}

/// What is written while sending.
fn send(endpoint: &mut Endpoint, message: &Message, way: &Way, options: &Deflate) -> Vec<u8> {
    let outbound = endpoint.outbound();
    match way {
        Way::Copied => outbound.send(message).unwrap(),
        Way::Plain => outbound.send_uncompressed(message).unwrap(),
        Way::Owned => outbound.send_owned(message.clone()).unwrap(),
        Way::Prepared => outbound.send_prepared(&Prepared::compressed(message, options)).unwrap(),
        Way::Lent(taken) => {
            return send_with(outbound, message, &[*taken]).unwrap();
        }
        Way::Fragments(len) => match message {
            Message::Text(text) => {
                let mut rest = text.as_str();
                while rest.len() > *len {
                    let (piece, after) =
                        rest.split_at((0..=*len).rev().find(|at| rest.is_char_boundary(*at)).unwrap());
                    outbound.send_fragment(piece, false).unwrap();
                    outbound.ping(b"between").unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    rest = after;
                }
                outbound.send_fragment(rest, true).unwrap();
            }
            Message::Binary(bytes) => {
                bytes.chunks(*len).for_each(|piece| outbound.send_fragment(piece, false).unwrap());
                outbound.send_fragment(b"", true).unwrap();
            }
        },
    }
    Vec::new()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives(
        agreed in any_parameters(),
        options in (options(), options()),
        styles in (style(), style()),
        work in vec((any::<bool>(), message(), way(), any::<bool>()), 1..12),
        cut in prop_oneof![Just(usize::MAX), 1..50_usize, 1000..5000_usize],
    ) {
        let config = Config::default().max_output_len(None);
        let new = |role, options: &Deflate, style| Endpoint::of(protocol(role, &config, &agreed, options), style);
        let mut sides =
            [new(Role::Client, &options.0, styles.0), new(Role::Server, &options.1, styles.1)];
        let mut expected = [Vec::new(), Vec::new()];
        for (by_server, message, way, release) in &work {
            let by = usize::from(*by_server);
            let options = if *by_server { &options.1 } else { &options.0 };
            let mut wire = send(&mut sides[by], message, way, options);
            wire.extend(sides[by].write(usize::MAX));
            // Few pieces of what is long: a byte at a time takes its while.
            let cut = if wire.len() > 20_000 { cut.max(500) } else { cut };
            wire.chunks(cut).for_each(|piece| sides[1 - by].read(piece));
            expected[1 - by].push(match message {
                Message::Text(text) => Received::Text(text.clone()),
                Message::Binary(bytes) => Received::Binary(bytes.clone()),
            });
            if *release {
                sides.iter_mut().for_each(Endpoint::release);
            }
        }
        for (side, expected) in sides.iter().zip(&expected) {
            prop_assert_eq!(&side.error, &None);
            let messages: Vec<&Received> = side
                .received
                .iter()
                .filter(|event| matches!(event, Received::Text(_) | Received::Binary(_)))
                .collect();
            prop_assert!(messages == expected.iter().collect::<Vec<_>>(), "{} of {}", messages.len(), expected.len());
        }
    }

    /// All ways of reading agree on what they make of anything.
    #[test]
    fn garbage_is_read_alike_in_all_ways(
        agreed in any_parameters(),
        payloads in vec((any::<bool>(), vec(any::<u8>(), 0..60), any::<bool>(), 0..8_usize), 1..5),
    ) {
        for role in ROLES {
            let mut bytes = Vec::new();
            for (as_text, garbage, sound, spoiled) in &payloads {
                let mut payload =
                    if *sound { Deflater::new(6, 9).message(garbage) } else { garbage.clone() };
                // Sound, but for one byte.
                if *spoiled > 4 && !payload.is_empty() {
                    let at = (spoiled * 7) % payload.len();
                    payload[at] ^= 1 << (spoiled % 8);
                }
                bytes.extend(frame(role, if *as_text { DEFLATED_TEXT } else { DEFLATED_BINARY }, payload));
            }
            let config = Config::default().max_message_len(Some(5000));
            feed_deflated(role, &config, &agreed, &bytes); // compares
        }
    }
}
