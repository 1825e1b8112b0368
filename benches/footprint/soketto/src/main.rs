use std::{env, io};

use soketto::handshake::Server;
use soketto::handshake::server::Response;
use soketto::{BoxedError, Data};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_util::compat::TokioAsyncReadCompatExt;

async fn echo(stream: TcpStream) -> Result<(), BoxedError> {
    let mut server = Server::new(stream.compat());
    let key = server.receive_request().await?.key();
    server.send_response(&Response::Accept { key, protocol: None }).await?;
    let (mut sender, mut receiver) = server.into_builder().finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Text(_) => sender.send_text(str::from_utf8(&message)?).await?,
            Data::Binary(_) => sender.send_binary(&message).await?,
        }
        sender.flush().await?;
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
