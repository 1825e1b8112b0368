//! Compressed messages: whatever the payloads, all ways of reading agree; and what one side compresses, with
//! any parameters, the other reads back.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::handshake::{DeflateParameters, WindowBits};
use talkback::protocol::{Config, Deflate, Message, Protocol, ProtocolError, Role};
use talkback_fuzz::{Log, Seen, pieces, read_lent, read_parts, read_spare};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    no_context_takeover: bool,
    window_bits: u8,
    level: u8,
    max_message_len: u16,
    max_part_len: u8,
    cuts: Vec<u8>,
    /// Payloads that a peer claims to have compressed.
    payloads: Vec<&'a [u8]>,
    /// Messages to compress: how often to repeat a text, and whether to send it in two fragments.
    messages: Vec<(&'a str, u8, bool)>,
}

fuzz_target!(|input: Input<'_>| {
    let wire = input.payloads.iter().fold(Vec::new(), |wire, payload| [wire, frame(payload)].concat());
    let expected = outcome(&input, &wire, &[], &read_spare);
    assert_all_agree(&input, &wire, &expected);

    let (wire, sent) = compressed(&input);
    let limit = usize::from(input.max_message_len);
    let fits = sent.iter().take_while(|message| message.as_bytes().len() <= limit).count();
    let expected = outcome(&input, &wire, &[], &read_spare);
    assert!(
        expected.0.iter().eq(sent.iter().take(fits).cloned().map(Seen::Message).collect::<Vec<_>>().iter())
    );
    assert_eq!(expected.1.is_some(), fits < sent.len());
    assert_all_agree(&input, &wire, &expected);
});

type Outcome = (Vec<Seen>, Option<ProtocolError>);
type Read<'r> = &'r dyn Fn(&mut Protocol, &[u8], &mut Log) -> Result<(), ProtocolError>;

fn assert_all_agree(input: &Input<'_>, wire: &[u8], expected: &Outcome) {
    let max_part_len = usize::from(input.max_part_len).max(1);
    let ways: [Read<'_>; 3] =
        [&read_spare, &read_lent, &|protocol, bytes, log| read_parts(protocol, bytes, max_part_len, log)];
    for (index, read) in ways.iter().enumerate() {
        for cuts in [&[][..], &input.cuts] {
            let (seen, error) = outcome(input, wire, cuts, read);
            assert_eq!(&seen, &expected.0, "way {index}");
            // Where a piece is wrong in two ways, either may be seen first.
            assert_eq!(error.is_some(), expected.1.is_some(), "way {index}");
        }
    }
}

fn outcome(input: &Input<'_>, wire: &[u8], cuts: &[u8], read: Read<'_>) -> Outcome {
    let config = Config::default().max_message_len(Some(usize::from(input.max_message_len)));
    let mut protocol = Protocol::new(Role::Client, config).with_deflate(&parameters(input), &options(input));
    let mut log = Log::default();
    let error = pieces(wire, cuts).find_map(|piece| read(&mut protocol, piece, &mut log).err());
    (log.seen, error)
}

fn parameters(input: &Input<'_>) -> DeflateParameters {
    let bits = WindowBits::new(9 + input.window_bits % 7).expect("9 to 15");
    DeflateParameters::default()
        .server_no_context_takeover(input.no_context_takeover)
        .server_max_window_bits(bits)
}

fn options(input: &Input<'_>) -> Deflate {
    Deflate::private().level(1 + input.level % 9).min_len(Some(0))
}

/// A binary message in one frame that says it is compressed.
fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0xc2];
    match u8::try_from(len) {
        Ok(len @ ..126) => frame.push(len),
        _ => frame.extend([&[126][..], &len.to_be_bytes()].concat()),
    }
    frame.extend_from_slice(&payload[..usize::from(len)]);
    frame
}

/// What a server makes of the messages.
fn compressed(input: &Input<'_>) -> (Vec<u8>, Vec<Message>) {
    let config = Config::default().max_output_len(None);
    let mut server = Protocol::new(Role::Server, config).with_deflate(&parameters(input), &options(input));
    let mut sent = Vec::new();
    for (text, times, fragmented) in &input.messages {
        let text = text.repeat(usize::from(*times));
        if *fragmented {
            server.outbound().send_fragment(&text, false).expect("open");
            server.outbound().send_fragment("", true).expect("open");
        } else {
            server.outbound().send(&text).expect("open");
        }
        sent.push(Message::from(text));
    }
    (server.output().flatten().copied().collect(), sent)
}
