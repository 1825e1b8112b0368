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
/// The tail, and a byte that is not to be read.
const TAIL_AND_MORE: [u8; 5] = [0x00, 0x00, 0xff, 0xff, 0x00];
/// How many bytes are inflated or deflated at a time. Towards the end of the room there is for
/// them, zlib-rs inflates byte by byte; and it ends a block twice where the room ends first.
const STEP_LEN: usize = 32 * 1024;
/// How many unused states of a kind a thread keeps.
const POOL_LEN: usize = 4;

/// Boxed, as connections hold them: lending moves a pointer.
type PooledDeflate = (u8, WindowBits, Box<DeflateState>);
type PooledInflate = Box<InflateState>;

thread_local! {
    static DEFLATE_POOL: RefCell<Vec<PooledDeflate>> = const { RefCell::new(Vec::new()) };
    static INFLATE_POOL: RefCell<Vec<PooledInflate>> = const { RefCell::new(Vec::new()) };
    /// Where a step writes to: filled with zeros once, not for each step.
    static STEP: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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

    /// Whether it holds no state.
    #[cfg(feature = "server")]
    pub(in crate::protocol) const fn is_stateless(&self) -> bool {
        self.state.is_none()
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
            with_step_buffer(|buffer| deflate(state, fragment, buffer, out));
            if last {
                out.truncate(out.len().saturating_sub(TAIL.len()));
            }
        }
        if last
            && !self.takeover
            && let Some(mut state) = self.state.take()
        {
            state.reset();
            let state = (self.level, self.bits, state);
            DEFLATE_POOL.try_with(|pool| give_back(pool, state)).unwrap_or_default();
        }
    }
}

/// Feeds all of `input`, and has it flushed to the edge of a byte.
fn deflate(state: &mut DeflateState, mut input: &[u8], buffer: &mut [u8], out: &mut Vec<u8>) {
    loop {
        let (in_before, out_before) = (state.total_in(), state.total_out());
        // With valid arguments, and room to write to, it doesn't fail.
        state.compress(input, buffer, DeflateFlush::SyncFlush).unwrap_or(Status::BufError);
        let written = as_usize(state.total_out() - out_before);
        input = input.get(as_usize(state.total_in() - in_before)..).unwrap_or_default();
        out.extend_from_slice(buffer.get(..written).unwrap_or_default());
        // "If deflate returns with avail_out == 0, this function must be called again"
        if input.is_empty() && written < buffer.len() {
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

    /// Whether it holds no state.
    #[cfg(feature = "server")]
    pub(in crate::protocol) const fn is_stateless(&self) -> bool {
        self.state.is_none()
    }

    /// Inflates a piece of a message, some kilobytes at a time.
    pub(in crate::protocol) fn decompress(
        &mut self,
        input: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), ProtocolError> {
        with_step_buffer(|buffer| self.inflate(input, buffer, sink))
    }

    fn inflate(
        &mut self,
        mut input: &[u8],
        buffer: &mut [u8],
        sink: &mut Sink<'_>,
    ) -> Result<(), ProtocolError> {
        let mut more = false;
        while !input.is_empty() || more {
            self.at_stream_end &= input.is_empty();
            let step = self.step(input, buffer, InflateFlush::NoFlush)?;
            input = input.get(step.read..).unwrap_or_default();
            sink(buffer.get(..step.written).unwrap_or_default())?;
            if step.read == 0 && step.written == 0 {
                break;
            }
            more = step.written == buffer.len();
        }
        if input.is_empty() { Ok(()) } else { Err(ProtocolError::InvalidDeflate) }
    }

    /// Ends a message; an error if it is incomplete.
    pub(in crate::protocol) fn finish(&mut self) -> Result<(), ProtocolError> {
        // Where a deflate stream ended with the message, nothing was cut off.
        if !core::mem::take(&mut self.at_stream_end) {
            // The empty block that the message ends with (RFC 7692 §7.2.1) is complete with the
            // tail, and reading stops there. Inside of any other the tail is data, or some
            // other block ends in it or goes on behind it: the message is incomplete.
            let step = self.step(&TAIL_AND_MORE, &mut [0; 1], InflateFlush::Block)?;
            if step.read != TAIL.len() || step.written != 0 {
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        if !self.takeover
            && let Some(mut state) = self.state.take()
        {
            state.reset(false);
            INFLATE_POOL.try_with(|pool| give_back(pool, state)).unwrap_or_default();
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
            // The deflate stream ends, the message and the connection go on. With a state
            // made anew, two bytes would cost an allocation.
            state.reset(false);
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
    let found = DEFLATE_POOL.try_with(|pool| {
        let mut pool = pool.try_borrow_mut().ok()?;
        let found = pool.iter().position(|(its_level, its_bits, _)| (*its_level, *its_bits) == (level, bits));
        Some(pool.swap_remove(found?).2)
    });
    // An error: the thread ends, and its pool is gone.
    let found = found.ok().flatten();
    found.unwrap_or_else(|| Box::new(DeflateState::new(i32::from(level), false, bits.value())))
}

/// A borrowed one has the largest window: it reads what was compressed for any.
fn borrow_inflate() -> Box<InflateState> {
    let found = INFLATE_POOL.try_with(|pool| pool.try_borrow_mut().ok()?.pop());
    found.ok().flatten().unwrap_or_else(|| new_inflate(WindowBits::MAX))
}

fn new_inflate(bits: WindowBits) -> Box<InflateState> {
    Box::new(InflateState::new(false, bits.value()))
}

/// Where the thread ends, its pool is gone, and so is the state.
fn give_back<T>(pool: &RefCell<Vec<T>>, state: T) {
    if let Ok(mut pool) = pool.try_borrow_mut() {
        pool.truncate(POOL_LEN - 1);
        pool.push(state);
    }
}

/// Lends the thread's buffer; where the thread ends, one of its own.
fn with_step_buffer<T>(step: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = STEP.try_with(RefCell::take).unwrap_or_default();
    buffer.resize(STEP_LEN, 0);
    let result = step(&mut buffer);
    STEP.try_with(|kept| kept.replace(buffer)).unwrap_or_default();
    result
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
