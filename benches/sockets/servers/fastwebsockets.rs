//! fastwebsockets. What it writes is on the wire: nothing can be held back for one write. To broadcast, each
//! connection has a channel, and a task that writes what comes from it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Mode, asynchronous};

type Room = Rc<RefCell<Vec<UnboundedSender<Rc<[u8]>>>>>;

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Binary => ws.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn broadcast(upgraded: UpgradeFut, room: Room) -> Result<(), WebSocketError> {
    let (reader, mut writer) = upgraded.await?.split(tokio::io::split);
    let (sender, mut receiver) = unbounded_channel::<Rc<[u8]>>();
    room.borrow_mut().push(sender);
    tokio::task::spawn_local(async move {
        while let Some(message) = receiver.recv().await {
            let frame = Frame::new(true, OpCode::Binary, None, Payload::Borrowed(&message));
            writer.write_frame(frame).await?;
        }
        Ok::<(), WebSocketError>(())
    });
    let mut reader = FragmentCollectorRead::new(reader);
    loop {
        // It wants to send pongs by this; no pings come.
        let frame = reader.read_frame(&mut |_| async { Ok::<(), Infallible>(()) }).await?;
        if frame.opcode == OpCode::Binary {
            let message: Rc<[u8]> = Rc::from(&frame.payload[..]);
            room.borrow_mut().retain(|sender| sender.send(message.clone()).is_ok());
        }
    }
}

async fn answer(
    mut request: Request<Incoming>,
    mode: Mode,
    room: Room,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade(&mut request)?;
    tokio::task::spawn_local(tokio::task::unconstrained(async move {
        drop(match mode {
            Mode::Echo => echo(upgraded).await,
            Mode::Broadcast => broadcast(upgraded, room).await,
        });
    }));
    Ok(response)
}

pub fn serve(mode: Mode, listener: TcpListener) -> io::Result<()> {
    let room = Room::default();
    asynchronous::serve(listener, |stream| {
        let room = room.clone();
        async move {
            let service = service_fn(|request| answer(request, mode, room.clone()));
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await);
        }
    })
}
