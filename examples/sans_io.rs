//! The core driven by hand: a client and a server that talk over two byte vectors. No
//! socket, no thread, no clock: what to do with the bytes is up to you.
//!
//! ```text
//! cargo run --example sans_io
//! ```

use std::error::Error;

use talkback::entropy::Entropy;
use talkback::handshake::{ClientHandshake, Policy, Upgrade};
use talkback::http::{HeadLimits, RequestDecoder, ResponseDecoder};
use talkback::protocol::{Config, Event, Protocol, Role};
use talkback::{CloseCode, CloseFrame};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());

    // The handshake. A client writes a request ..
    let client_handshake = ClientHandshake::new("example.com", "/chat", Entropy::from_system().bytes())?;
    to_server.extend(client_handshake.request());

    // .. the server collects it until its head is complete, checks it, and answers ..
    let mut requests = RequestDecoder::new(HeadLimits::default());
    let (request, len) = requests.decode(&to_server)?.ok_or("more bytes are needed")?;
    to_server.drain(..len); // what is behind it belongs to the connection
    println!("server: {} {}", request.method(), request.target());
    Upgrade::new(&request, &Policy::default())?.accept().encode(&mut to_client);

    // .. and the client checks the answer.
    let mut responses = ResponseDecoder::new(HeadLimits::default());
    let (response, len) = responses.decode(&to_client)?.ok_or("more bytes are needed")?;
    to_client.drain(..len);
    client_handshake.finish(&response)?;
    println!("client: {}", response.status());

    // Now both are peers.
    let mut client = Protocol::new(Role::Client, Config::default());
    let mut server = Protocol::new(Role::Server, Config::default());
    client.outbound().send("hello")?;
    client.outbound().ping(b"are you there?")?;
    client.outbound().close(CloseFrame::new(CloseCode::NORMAL, "that is all"))?;

    while !(client.is_closed() && server.is_closed()) {
        write(&mut client, &mut to_server);
        read(&mut server, &mut to_server, "server")?;
        write(&mut server, &mut to_client);
        read(&mut client, &mut to_client, "client")?;
    }
    Ok(())
}

/// Moves what a peer has to say onto the wire.
fn write(peer: &mut Protocol, wire: &mut Vec<u8>) {
    let before = wire.len();
    peer.output().for_each(|slice| wire.extend_from_slice(slice));
    peer.sent(wire.len() - before);
}

/// Moves what is on the wire to a peer, three bytes at a time, and shows what it makes of it.
fn read(peer: &mut Protocol, wire: &mut Vec<u8>, name: &str) -> Result<(), Box<dyn Error>> {
    for piece in wire.chunks(3) {
        peer.receive(piece); // a socket would read straight into `spare`
        while let Some((event, outbound)) = peer.next_event()? {
            println!("{name}: {event:?}");
            if let Event::Text(text) = event
                && !outbound.is_closed()
            {
                outbound.send(&format!("{text} to you"))?;
            }
        }
    }
    wire.clear();
    Ok(())
}
