use std::{env, io};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use wtx::collection::Vector;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

async fn echo(stream: TcpStream) -> wtx::Result<()> {
    let mut buffer = Vector::new();
    let mut ws = WebSocketAcceptor::default().accept(stream).await?;
    let (mut common, mut reader, mut writer) = ws.split_mut();
    loop {
        let mut frame = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn serve() -> io::Result<()> {
    let port = env::args().nth(1).unwrap_or_else(|| "9001".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        tokio::spawn(echo(listener.accept().await?.0));
    }
}

fn main() -> io::Result<()> {
    Builder::new_current_thread().enable_io().build()?.block_on(serve())
}
