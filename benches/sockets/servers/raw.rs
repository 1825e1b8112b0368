//! Not WebSocket: the bytes go back as they came. What the system calls alone cost.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use super::Mode;
use super::floor::{Connections, LOOP_BUFFER_LEN, Progress};
use crate::sys;

/// What couldn't be sent, and how much of it was since.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    sent: usize,
}

impl Rest {
    fn flush(&mut self, fd: i32) -> io::Result<Progress> {
        while self.sent < self.bytes.len() {
            match sys::send(fd, &self.bytes[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(error) if sys::would_block(&error) => return Ok(Progress::Blocked),
                Err(error) => return Err(error),
            }
        }
        *self = Self::default();
        Ok(Progress::Done)
    }
}

pub fn serve(_mode: Mode, listener: TcpListener) -> io::Result<()> {
    let mut buffer = vec![0; LOOP_BUFFER_LEN];
    let mut connections: Connections<Rest> = Connections::new(listener)?;
    loop {
        connections.turn(|stream, rest| {
            let fd = stream.as_raw_fd();
            loop {
                if rest.flush(fd)? == Progress::Blocked {
                    return Ok(());
                }
                let len = match sys::recv(fd, &mut buffer) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(len) => len,
                    Err(error) if sys::would_block(&error) => return Ok(()),
                    Err(error) => return Err(error),
                };
                rest.bytes = match sys::send(fd, &buffer[..len]) {
                    Ok(sent) if sent == len => Vec::new(),
                    Ok(sent) => buffer[sent..len].to_vec(),
                    Err(error) if sys::would_block(&error) => buffer[..len].to_vec(),
                    Err(error) => return Err(error),
                };
                if rest.bytes.is_empty() && len < buffer.len() {
                    return Ok(());
                }
            }
        })?;
    }
}
