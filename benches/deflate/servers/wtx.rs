//! wtx. It keeps no context, whatever is asked for, and a pair of states a connection.

use wtx::collection::Vector;
use wtx::rng::Xorshift64;
use wtx::stream::{StreamReader, StreamWriter};
use wtx::web_socket::compression::{Flate2, NegotiatedFlate2, WindowBits};
use wtx::web_socket::{
    Compression, CompressionLevel, DeflateConfig, Frame, OpCode, WebSocket, WebSocketBuffer,
    WebSocketPayloadOrigin,
};

use super::{Connection, Setting, States, now};
use crate::pipe::Pipe;

impl StreamReader for Pipe {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(Self::read(self, bytes).unwrap_or_default())
    }
}

impl StreamWriter for Pipe {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.write(bytes);
        Ok(())
    }

    async fn write_all_vectored(&mut self, pieces: &[&[u8]]) -> wtx::Result<()> {
        pieces.iter().for_each(|piece| self.write(piece));
        Ok(())
    }
}

struct Wtx {
    web_socket: WebSocket<Option<NegotiatedFlate2>, Xorshift64, Pipe, WebSocketBuffer, false>,
    message: Vector<u8>,
}

pub fn open(setting: Setting, pipe: Pipe) -> Option<Box<dyn Connection>> {
    if setting.states == States::Private {
        return None;
    }
    let compression_level = CompressionLevel::try_from(setting.level).ok()?;
    let (client_max_window_bits, server_max_window_bits) = (WindowBits::Fifteen, WindowBits::Fifteen);
    let config = DeflateConfig { client_max_window_bits, compression_level, server_max_window_bits };
    let offer: [&[u8]; 2] = [b"sec-websocket-extensions", b"permessage-deflate"];
    let codec = Compression::<false>::negotiate(Flate2::from(config), [offer].into_iter()).ok()?;
    let web_socket = WebSocket::new(codec, false, Xorshift64::new(1), pipe, WebSocketBuffer::new());
    Some(Box::new(Wtx { web_socket, message: Vector::new() }))
}

impl Connection for Wtx {
    fn echo(&mut self) {
        let Self { web_socket, message } = self;
        message.clear();
        let (mut common, mut reader, mut writer) = web_socket.split_mut();
        now(async {
            let origin = WebSocketPayloadOrigin::Adaptive;
            let mut frame = reader.read_frame(message, &mut common, origin).await.unwrap();
            assert_eq!(frame.op_code(), OpCode::Text);
            let mut reply = Frame::new_fin(OpCode::Text, &mut **frame.payload_mut());
            writer.write_frame(&mut common, &mut reply).await.unwrap();
        });
    }
}
