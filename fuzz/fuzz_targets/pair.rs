//! Two peers and a wire: whatever they do, each message arrives once and in order, pings are answered, nothing
//! comes behind a close, and both come to an end.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::protocol::Role;
use talkback_fuzz::peer::{Action, Peer};

#[derive(Debug, Arbitrary)]
struct Input {
    max_output_len: Option<u16>,
    /// Who reads in parts, and of what length less one; the server comes second.
    part_lens: [Option<u8>; 2],
    /// Who acts, the server or the client, and how.
    actions: Vec<(bool, Action)>,
}

fuzz_target!(|input: Input| {
    let max_output_len = input.max_output_len.map(usize::from);
    let [client_part_len, server_part_len] = input.part_lens.map(|len| len.map(|len| usize::from(len) + 1));
    let mut client = Peer::new(Role::Client, max_output_len, client_part_len);
    let mut server = Peer::new(Role::Server, max_output_len, server_part_len);
    for (by_server, action) in &input.actions {
        let (peer, other) = if *by_server { (&mut server, &mut client) } else { (&mut client, &mut server) };
        peer.act(action, other);
    }

    client.close(None);
    server.close(None);
    // Twice: reading the last of it may have queued an answer.
    for _ in 0..2 {
        client.write(usize::MAX);
        server.write(usize::MAX);
        client.read(&mut server, usize::MAX, false);
        server.read(&mut client, usize::MAX, true);
    }
    client.check_end(&server);
    server.check_end(&client);
});
