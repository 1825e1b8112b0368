//! yawc. Its shared states are in a pool, of as many as this one thread can use.

use futures_util::SinkExt;
use yawc::{CompressionLevel, DeflatePool, Frame, OpCode, Options, Role, WebSocket};

use super::{Connection, Setting, States, now};
use crate::pipe::Pipe;

thread_local! {
    static POOL: DeflatePool = DeflatePool::new(4);
}

struct Yawc(WebSocket<Pipe>);

pub fn open(setting: Setting, pipe: Pipe) -> Option<Box<dyn Connection>> {
    let level = CompressionLevel::new(u32::from(setting.level));
    let options = Options::default().with_compression_level(level).with_utf8();
    let options = options.with_limits(16 << 20, 32 << 20);
    let (options, agreed) = match setting.states {
        States::Private => (options, "permessage-deflate"),
        States::Shared => (
            options
                .server_no_context_takeover()
                .client_no_context_takeover()
                .with_deflate_pool(POOL.with(Clone::clone)),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
    };
    let web_socket =
        WebSocket::from_stream_with_extensions(pipe, Role::Server, Some(agreed), options).ok()?;
    Some(Box::new(Yawc(web_socket)))
}

impl Connection for Yawc {
    fn echo(&mut self) {
        now(async {
            let frame = self.0.next_frame().await.unwrap();
            assert_eq!(frame.opcode(), OpCode::Text);
            self.0.send(Frame::text(frame.into_payload())).await.unwrap();
        });
    }
}
