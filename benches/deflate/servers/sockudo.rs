//! sockudo-ws. Without context takeover it still keeps a pair of states a connection.

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{CompressedWebSocketStream, Config, DeflateConfig, Message};

use super::{Connection, Setting, States, now};
use crate::pipe::Pipe;

struct Sockudo(CompressedWebSocketStream<Pipe>);

pub fn open(setting: Setting, pipe: Pipe) -> Option<Box<dyn Connection>> {
    let no_takeover = setting.states == States::Shared;
    let deflate = DeflateConfig {
        server_no_context_takeover: no_takeover,
        client_no_context_takeover: no_takeover,
        compression_level: u32::from(setting.level),
        compression_threshold: 0,
        ..DeflateConfig::default()
    };
    // No timers: in memory nobody is late.
    let config = Config { idle_timeout: 0, auto_ping: false, ping_interval: 0, ..Config::default() };
    Some(Box::new(Sockudo(CompressedWebSocketStream::server(pipe, config, deflate))))
}

impl Connection for Sockudo {
    fn echo(&mut self) {
        now(async {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => self.0.send(Message::Text(text)).await.unwrap(),
                other => panic!("not the text: {other:?}"),
            }
        });
    }
}
