//! permessage-deflate: RFC 7692 §7.2.
//!
//! The raw deflate and inflate states of zlib-rs are driven directly. With context takeover
//! a connection keeps them, from the first use on; without, a message borrows them from a
//! few that each thread has, so that an idle connection holds none.

use core::cell::RefCell;

use zlib_rs::{Deflate as DeflateState, DeflateFlush, Inflate as InflateState, InflateFlush, Status};

use super::Deflate;
use crate::handshake::{DeflateParameters, WindowBits};
use crate::protocol::{ProtocolError, Role};

/// What ends a flushed block, and is cut off at the end of a message: RFC 7692 §7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// An empty block, and a byte of the next.
const PROBE: [u8; 6] = [0x00, 0x00, 0x00, 0xff, 0xff, 0x00];
/// How many bytes are inflated at a time.
const STEP_LEN: usize = 4 * 1024;
/// How many unused states of a kind a thread keeps.
const POOL_LEN: usize = 4;

/// Boxed, as connections hold them: lending moves a pointer.
type PooledDeflate = (u8, WindowBits, Box<DeflateState>);
type PooledInflate = Box<InflateState>;

thread_local! {
    static DEFLATE_POOL: RefCell<Vec<PooledDeflate>> = const { RefCell::new(Vec::new()) };
    static INFLATE_POOL: RefCell<Vec<PooledInflate>> = const { RefCell::new(Vec::new()) };
}

/// Compresses what one side sends.
pub(in crate::protocol) struct Compressor {
    level: u8,
    min_len: usize,
    bits: WindowBits,
    takeover: bool,
    /// Kept over messages with context takeover, else within one.
    state: Option<Box<DeflateState>>,
}

impl Compressor {
    /// `None` where the peer allows no window that can be compressed with: messages are then
    /// sent as they are.
    pub(in crate::protocol) fn new(
        role: Role,
        agreed: &DeflateParameters,
        options: &Deflate,
    ) -> Option<Self> {
        let (no_takeover, bits) = match role {
            Role::Client => (agreed.client_no_context_takeover, agreed.client_max_window_bits),
            Role::Server => (agreed.server_no_context_takeover, agreed.server_max_window_bits),
        };
        let min_len = options.min_len.unwrap_or(if no_takeover { 1024 } else { 64 });
        let level = options.level.clamp(1, 9);
        (bits >= WindowBits::MIN_COMPRESSED).then_some(Self {
            level,
            min_len,
            bits,
            takeover: !no_takeover,
            state: None,
        })
    }

    /// Whether a whole message of this length is worth it.
    pub(in crate::protocol) const fn is_worthwhile(&self, len: usize) -> bool {
        len >= self.min_len
    }

    /// Whether a message may be compressed and then sent uncompressed after all.
    pub(in crate::protocol) const fn may_change_its_mind(&self) -> bool {
        !self.takeover
    }

    /// What a message prepared for many must fit: no context, at least this window.
    pub(in crate::protocol) fn takes_prepared(&self, bits: WindowBits) -> bool {
        !self.takeover && bits <= self.bits
    }

    /// Appends `fragment` to `out`, compressed; with `last`, its message ends there.
    pub(in crate::protocol) fn compress(&mut self, fragment: &[u8], last: bool, out: &mut Vec<u8>) {
        if fragment.is_empty() {
            // An empty block without its end: "a single 0x00 octet" -- RFC 7692 §7.2.3.6
            out.extend(last.then_some(0x00));
        } else {
            let state = self.state.get_or_insert_with(|| borrow_deflate(self.level, self.bits));
            deflate(state, fragment, out);
            if last {
                out.truncate(out.len().saturating_sub(TAIL.len()));
            }
        }
        if last
            && !self.takeover
            && let Some(mut state) = self.state.take()
        {
            state.reset();
            DEFLATE_POOL.with_borrow_mut(|pool| give_back(pool, (self.level, self.bits, state)));
        }
    }
}

/// Feeds all of `input`, and has it flushed to the edge of a byte.
fn deflate(state: &mut DeflateState, mut input: &[u8], out: &mut Vec<u8>) {
    loop {
        let start = out.len();
        let room = (input.len() / 2).clamp(256, 64 * 1024);
        out.resize(start + room, 0);
        let (in_before, out_before) = (state.total_in(), state.total_out());
        let output = out.get_mut(start..).unwrap_or_default();
        // With valid arguments, and room to write to, it doesn't fail.
        state.compress(input, output, DeflateFlush::SyncFlush).unwrap_or(Status::BufError);
        let written = as_usize(state.total_out() - out_before);
        input = input.get(as_usize(state.total_in() - in_before)..).unwrap_or_default();
        out.truncate(start + written);
        // "If deflate returns with avail_out == 0, this function must be called again"
        if input.is_empty() && written < room {
            return;
        }
    }
}

/// Inflates what one side receives.
pub(in crate::protocol) struct Decompressor {
    bits: WindowBits,
    takeover: bool,
    /// Kept over messages with context takeover, else within one.
    state: Option<Box<InflateState>>,
    /// Whether the message so far ends with the end of a deflate stream (BFINAL).
    at_stream_end: bool,
}

/// Where inflated bytes go; an error ends the message.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), ProtocolError> + 'a;

impl Decompressor {
    pub(in crate::protocol) const fn new(role: Role, agreed: &DeflateParameters) -> Option<Self> {
        let (no_takeover, bits) = match role {
            Role::Client => (agreed.server_no_context_takeover, agreed.server_max_window_bits),
            Role::Server => (agreed.client_no_context_takeover, agreed.client_max_window_bits),
        };
        Some(Self { bits, takeover: !no_takeover, state: None, at_stream_end: false })
    }

    /// Inflates a piece of a message, some kilobytes at a time.
    pub(in crate::protocol) fn decompress(
        &mut self,
        mut input: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), ProtocolError> {
        let mut buffer = [0; STEP_LEN];
        let mut more = false;
        while !input.is_empty() || more {
            self.at_stream_end &= input.is_empty();
            let step = self.step(input, &mut buffer, InflateFlush::NoFlush)?;
            input = input.get(step.read..).unwrap_or_default();
            sink(buffer.get(..step.written).unwrap_or_default())?;
            if step.read == 0 && step.written == 0 {
                break;
            }
            more = step.written == buffer.len();
        }
        if input.is_empty() { Ok(()) } else { Err(ProtocolError::InvalidDeflate) }
    }

    /// Ends a message: gives what is left of it.
    pub(in crate::protocol) fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), ProtocolError> {
        // Where a deflate stream ended with the message, nothing was cut off.
        if !core::mem::take(&mut self.at_stream_end) {
            self.decompress(&TAIL, sink)?;
            self.at_stream_end = false;
            // Between two blocks an empty block, and nothing else, is read up to its end.
            // Inside of one, the message is incomplete.
            let step = self.step(&PROBE, &mut [0; 1], InflateFlush::Block)?;
            if step.read != PROBE.len() - 1 || step.written != 0 {
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        if !self.takeover
            && let Some(mut state) = self.state.take()
        {
            state.reset(false);
            INFLATE_POOL.with_borrow_mut(|pool| give_back(pool, state));
        }
        Ok(())
    }

    fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        flush: InflateFlush,
    ) -> Result<Progress, ProtocolError> {
        let (takeover, bits) = (self.takeover, self.bits);
        let state =
            self.state.get_or_insert_with(|| if takeover { new_inflate(bits) } else { borrow_inflate() });
        let (in_before, out_before) = (state.total_in(), state.total_out());
        let status = state.decompress(input, output, flush).map_err(|_| ProtocolError::InvalidDeflate)?;
        let read = as_usize(state.total_in() - in_before);
        let written = as_usize(state.total_out() - out_before);
        if status == Status::StreamEnd {
            // The deflate stream ends, the message and the connection go on.
            *state = new_inflate(bits);
            self.at_stream_end = read == input.len();
        }
        Ok(Progress { read, written })
    }
}

struct Progress {
    read: usize,
    written: usize,
}

fn borrow_deflate(level: u8, bits: WindowBits) -> Box<DeflateState> {
    DEFLATE_POOL.with_borrow_mut(|pool| {
        let found = pool.iter().position(|(its_level, its_bits, _)| (*its_level, *its_bits) == (level, bits));
        let new = || Box::new(DeflateState::new(i32::from(level), false, bits.value()));
        found.map_or_else(new, |index| pool.swap_remove(index).2)
    })
}

/// A borrowed one has the largest window: it reads what was compressed for any.
fn borrow_inflate() -> Box<InflateState> {
    INFLATE_POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| new_inflate(WindowBits::MAX))
}

fn new_inflate(bits: WindowBits) -> Box<InflateState> {
    Box::new(InflateState::new(false, bits.value()))
}

fn give_back<T>(pool: &mut Vec<T>, state: T) {
    pool.truncate(POOL_LEN - 1);
    pool.push(state);
}

fn as_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl core::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compressor")
            .field("level", &self.level)
            .field("bits", &self.bits)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decompressor").field("bits", &self.bits).finish_non_exhaustive()
    }
}
