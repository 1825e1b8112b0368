//! yawc, with its default buffers.

use std::io;
use std::net::TcpListener;

use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::{Frame, OpCode, Options, UpgradeFut, WebSocket};

use super::{MAX_MESSAGE_LEN, Mode, asynchronous};

async fn echo(upgraded: UpgradeFut) -> yawc::Result<()> {
    // Its stream ends where others give an error.
    let ws = upgraded.await?.map(Ok);
    asynchronous::echo(ws, |frame: &Frame| frame.opcode() == OpCode::Binary).await
}

async fn answer(mut request: Request<Incoming>) -> yawc::Result<Response<Empty<Bytes>>> {
    let options = Options::default().with_utf8().with_limits(MAX_MESSAGE_LEN, 2 * MAX_MESSAGE_LEN);
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::task::spawn_local(tokio::task::unconstrained(async { drop(echo(upgraded).await) }));
    Ok(response)
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    asynchronous::serve(listener, async |stream| {
        let stream = TokioIo::new(stream);
        drop(http1::Builder::new().serve_connection(stream, service_fn(answer)).with_upgrades().await);
    })
}
