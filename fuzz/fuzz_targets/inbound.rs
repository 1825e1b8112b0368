//! Bytes from a peer: however they are cut and read, for both roles, the events, the error and the answers are
//! the same.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::entropy::Entropy;
use talkback::protocol::{Config, MessageKind, Part, Protocol, ProtocolError, Role};
use talkback_fuzz::{Log, Seen, fill, pieces, read_lent, read_parts, read_spare};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max_message_len: Option<u16>,
    max_frame_len: Option<u16>,
    max_fragment_count: Option<u8>,
    memory_budget: Option<u16>,
    max_part_len: u8,
    /// Above 224, the end of `wire` comes again and again: long messages from short inputs.
    stretch: u8,
    cuts: Vec<u8>,
    wire: &'a [u8],
}

/// All that can be seen from outside.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    error: Option<ProtocolError>,
    output: Vec<u8>,
}

type Read<'r> = &'r dyn Fn(&mut Protocol, &[u8], &mut Log) -> Result<(), ProtocolError>;

fuzz_target!(|input: Input<'_>| {
    let end = &input.wire[input.wire.len().saturating_sub(13)..];
    let wire = [input.wire, &end.repeat(usize::from(input.stretch.saturating_sub(224)) * 512)].concat();
    let max_part_len = usize::from(input.max_part_len).max(1);
    let ways: [(&[u8], Read<'_>); 5] = [
        (&input.cuts, &read_spare),
        (&[], &read_lent),
        (&input.cuts, &read_lent),
        (&[], &|protocol, bytes, log| read_parts(protocol, bytes, max_part_len, log)),
        (&input.cuts, &|protocol, bytes, log| read_parts(protocol, bytes, max_part_len, log)),
    ];
    for role in [Role::Client, Role::Server] {
        let expected = outcome(&input, role, pieces(&wire, &[]), &read_spare);
        for (index, (cuts, read)) in ways.iter().enumerate() {
            assert_eq!(outcome(&input, role, pieces(&wire, cuts), read), expected, "way {index}, {role:?}");
        }
        assert_eq!(outcome_of_halves(&input, role, pieces(&wire, &input.cuts)), expected, "halves, {role:?}");
    }
});

fn protocol(input: &Input<'_>, role: Role) -> Protocol {
    let config = Config::default()
        .max_message_len(input.max_message_len.map(usize::from))
        .max_frame_len(input.max_frame_len.map(usize::from))
        .max_fragment_count(input.max_fragment_count.map(u32::from))
        .memory_budget(input.memory_budget.map(usize::from));
    Protocol::new(role, config).with_entropy(Entropy::from_seed([7; 32]))
}

fn outcome<'p>(
    input: &Input<'_>,
    role: Role,
    mut pieces: impl Iterator<Item = &'p [u8]>,
    read: Read<'_>,
) -> Outcome {
    let (mut protocol, mut log) = (protocol(input, role), Log::default());
    let error = pieces.find_map(|piece| read(&mut protocol, piece, &mut log).err());
    // Nothing follows, but the same error. Of a frame that waits to be whole, parts may be taken after all.
    assert_eq!(protocol.next_event().map(|event| event.is_some()), error.clone().map_or(Ok(false), Err));
    match (protocol.next_part(1), &error) {
        (Err(again), Some(error)) => assert_eq!(again, *error),
        (Ok(None | Some(Part::Start(MessageKind::Binary))), None) => {}
        other => panic!("not the end: {other:?}"),
    }
    let output = protocol.output().flatten().copied().collect();
    Outcome { seen: log.seen, error, output }
}

/// The same as two threads would do it, with messages owned.
fn outcome_of_halves<'p>(
    input: &Input<'_>,
    role: Role,
    mut pieces: impl Iterator<Item = &'p [u8]>,
) -> Outcome {
    let ((mut inbound, mut outbound), mut log) = (protocol(input, role).split(), Log::default());
    let mut read = |mut bytes| {
        while !<[u8]>::is_empty(bytes) {
            let (len, later) = fill(inbound.spare(), bytes);
            inbound.received(len);
            bytes = later;
            loop {
                let mut controls = Log::default();
                let message = inbound.next_message(|event| {
                    outbound.answer(event);
                    controls.event(event);
                });
                log.seen.append(&mut controls.seen);
                let Some(message) = message.inspect_err(|error| outbound.fail(error))? else { break };
                log.seen.push(Seen::Message(message));
            }
        }
        Ok(())
    };
    let error = pieces.find_map(|piece| read(piece).err());
    assert_eq!(inbound.error(), error.as_ref());
    Outcome { seen: log.seen, error, output: outbound.output().flatten().copied().collect() }
}
