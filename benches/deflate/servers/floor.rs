//! zlib-rs alone: inflates what is unmasked and in one piece already, and deflates it into a
//! buffer that is large enough. No frames, no UTF-8 check.

use std::cell::RefCell;
use std::rc::Rc;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use super::{Connection, Setting, States};
use crate::pipe::Pipe;

struct Codec {
    deflate: Deflate,
    inflate: Inflate,
    takeover: bool,
}

struct Floor {
    codec: Rc<RefCell<Codec>>,
    pipe: Pipe,
}

thread_local! {
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; 1 << 21], vec![0; 1 << 21]));
    static SHARED: RefCell<Vec<(u8, Rc<RefCell<Codec>>)>> = const { RefCell::new(Vec::new()) };
}

pub fn open(setting: Setting, pipe: Pipe) -> Option<Box<dyn Connection>> {
    let new = |takeover| {
        let deflate = Deflate::new(i32::from(setting.level), false, 15);
        Rc::new(RefCell::new(Codec { deflate, inflate: Inflate::new(false, 15), takeover }))
    };
    let codec = match setting.states {
        States::Private => new(true),
        States::Shared => SHARED.with_borrow_mut(|shared| {
            if let Some((_, codec)) = shared.iter().find(|(level, _)| *level == setting.level) {
                return codec.clone();
            }
            shared.push((setting.level, new(false)));
            shared.last().unwrap().1.clone()
        }),
    };
    Some(Box::new(Floor { codec, pipe }))
}

impl Connection for Floor {
    fn echo(&mut self) {
        let Codec { deflate, inflate, takeover } = &mut *self.codec.borrow_mut();
        BUFFERS.with_borrow_mut(|(text, out)| {
            self.pipe.with_payload(|payload, reply| {
                let before = inflate.total_out();
                inflate.decompress(payload, text, InflateFlush::SyncFlush).unwrap();
                let len = usize::try_from(inflate.total_out() - before).unwrap();
                let before = deflate.total_out();
                deflate.compress(&text[..len], out, DeflateFlush::SyncFlush).unwrap();
                let len = usize::try_from(deflate.total_out() - before).unwrap() - 4;
                let header = &[0xc1, len as u8, 0, 0, 0, 0, 0, 0, 0, 0];
                reply.extend_from_slice(&header[..header_len(len)]);
                reply.extend_from_slice(&out[..len]);
            });
        });
        if !*takeover {
            deflate.reset();
            inflate.reset(false);
        }
    }
}

/// The bytes of a header are counted, but not written.
const fn header_len(len: usize) -> usize {
    match len {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    }
}
