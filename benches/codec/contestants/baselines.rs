//! Parts of the work alone: copying, copying and masking, checking UTF-8. Once a message,
//! into a buffer that is used again.

use std::hint::black_box;

use super::Running;
use crate::wire::Setup;
use crate::workload::{Direction, Row, next_index};

struct Baseline<F> {
    setup: Setup,
    next: usize,
    out: Vec<u8>,
    work: F,
}

impl<F: Fn(&mut [u8], &[u8])> Running for Baseline<F> {
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            let messages = &self.setup.workload.messages;
            let message = &messages[self.next];
            (self.work)(&mut self.out, message);
            black_box(&mut self.out);
            self.setup.inbox.deliver(message);
            self.next = next_index(self.next, messages.len());
        }
    }
}

fn open<F: Fn(&mut [u8], &[u8]) + 'static>(row: Row, setup: Setup, work: F) -> Option<Box<dyn Running>> {
    Some(Box::new(Baseline { setup, next: 0, out: vec![0; row.len], work }))
}

pub fn open_copy(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    open(row, setup, |out, message| out.copy_from_slice(message))
}

pub fn open_mask(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    if row.direction == Direction::Send {
        return None;
    }
    open(row, setup, |out, message| super::limit::copy_masked(out, message, black_box([1, 2, 3, 4])))
}

pub fn open_check(row: Row, setup: Setup) -> Option<Box<dyn Running>> {
    if row.direction != Direction::Receive || !row.is_text() {
        return None;
    }
    open(row, setup, |_, message| {
        black_box(simdutf8::basic::from_utf8(message).is_ok());
    })
}
