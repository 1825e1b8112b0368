//! Something between client and server that cuts connections, at any byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::net::*;

/// Connections are cut after less than so many bytes, both ways together.
const MAX_LIFE: usize = 12_000;

pub(crate) struct Proxy {
    pub(crate) address: String,
    ended: Arc<AtomicBool>,
    cut_count: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(server: &str) -> Self {
        let (listener, address) = listen();
        let (ended, cut_count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (proxy, server) =
            (Self { address, ended: ended.clone(), cut_count: cut_count.clone() }, server.to_owned());
        thread::spawn(move || {
            let mut random = Random(0x5eed);
            while let Ok((client, _)) = listener.accept() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                // Some don't even get to the end of the request.
                let most = if random.below(8) == 0 { 200 } else { MAX_LIFE };
                let life = random.below(most);
                let Ok(server) = TcpStream::connect(&server) else { continue };
                join(client, server, life, &cut_count);
            }
        });
        proxy
    }

    /// How many connections it has cut.
    pub(crate) fn cut_count(&self) -> usize {
        self.cut_count.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(&self.address)); // so that it looks
    }
}

/// Hands on what comes from either side, until so many bytes have.
fn join(client: TcpStream, server: TcpStream, life: usize, cut_count: &Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(life));
    let (client, server) = (Arc::new(client), Arc::new(server));
    for (from, to) in [(&client, &server), (&server, &client)] {
        patient(from);
        let (from, to, left, cut_count) = (from.clone(), to.clone(), left.clone(), cut_count.clone());
        thread::spawn(move || {
            if hand_on(&from, &to, &left) {
                cut_count.fetch_add(1, Ordering::Relaxed);
            }
            for stream in [&from, &to] {
                stream.shutdown(Shutdown::Both).unwrap_or_default();
            }
        });
    }
}

/// Whether it ended because it was to be cut.
fn hand_on(mut from: &TcpStream, mut to: &TcpStream, left: &AtomicUsize) -> bool {
    let mut buffer = [0; 1000];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let before =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(len)));
        let before = before.unwrap_or_default();
        if to.write_all(&buffer[..len.min(before)]).is_err() {
            return false;
        }
        if before <= len {
            return true;
        }
    }
    false
}
