//! A message framed once, for many receivers.

use bytes::Bytes;

use super::deflate::Compressor;
use super::{Deflate, MessageKind, MessageRef, Role, as_u64};
use crate::frame::{FrameHeader, MAX_HEADER_LEN};
#[cfg(feature = "server")]
use crate::handshake::DeflateParameters;
use crate::handshake::WindowBits;

/// A message with its frame around it, as a server sends it. Cloning shares the bytes, and
/// [`Outbound::send_prepared`](super::Outbound::send_prepared) of a server shares large
/// ones: a thousand receivers cost one copy of the payload.
///
/// ```
/// use talkback::protocol::{Config, Prepared, Protocol, Role};
///
/// let prepared = Prepared::new("to everybody");
/// for _ in 0..3 {
///     let mut server = Protocol::new(Role::Server, Config::default());
///     server.outbound().send_prepared(&prepared)?;
///     assert_eq!(server.outbound().output().flatten().count(), 14);
/// }
/// # Ok::<(), talkback::protocol::SendError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prepared {
    kind: MessageKind,
    frame: Bytes,
    header_len: usize,
    /// The compressed frame, and the window that it needs.
    deflated: Option<(WindowBits, Bytes)>,
}

impl Prepared {
    /// Frames `message`: one allocation, one copy.
    #[must_use]
    pub fn new<'m>(message: impl Into<MessageRef<'m>>) -> Self {
        let message = message.into();
        let (frame, header_len) = encode(message.kind(), false, message.as_bytes());
        Self { kind: message.kind(), frame, header_len, deflated: None }
    }

    /// Frames `message`, and compresses it once, for all receivers that agreed on compression
    /// without context takeover of the server ([`Deflate::shared`]) and at least the window of
    /// `options`. The others get it as it is. Without the feature `deflate`, all do.
    #[must_use]
    pub fn compressed<'m>(message: impl Into<MessageRef<'m>>, options: &Deflate) -> Self {
        let message = message.into();
        let agreed = options.parameters.server_no_context_takeover(true);
        let bits = agreed.server_max_window_bits;
        let compressor = Compressor::new(Role::Server, &agreed, options);
        let deflated = compressor.and_then(|mut compressor| {
            let payload = message.as_bytes();
            let mut deflated = Vec::new();
            compressor.compress(payload, true, &mut deflated);
            let smaller = deflated.len() < payload.len();
            smaller.then(|| (bits, encode(message.kind(), true, &deflated).0))
        });
        Self { deflated, ..Self::new(message) }
    }

    /// Whether it is text or binary.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.get(self.header_len..).unwrap_or_default()
    }

    /// The frame for a receiver that agreed on this.
    #[cfg(feature = "server")]
    pub(crate) fn frame_for(&self, agreed: Option<&DeflateParameters>) -> &Bytes {
        self.frame(|bits| {
            agreed.is_some_and(|agreed| {
                agreed.server_no_context_takeover && bits <= agreed.server_max_window_bits
            })
        })
    }

    /// The frame for a receiver: the compressed one, if `takes` one that needs this window.
    pub(super) fn frame(&self, takes: impl FnOnce(WindowBits) -> bool) -> &Bytes {
        match &self.deflated {
            Some((bits, frame)) if takes(*bits) => frame,
            _ => &self.frame,
        }
    }
}

/// A frame, and how long its header is.
fn encode(kind: MessageKind, rsv1: bool, payload: &[u8]) -> (Bytes, usize) {
    let payload_len = as_u64(payload.len());
    let header = FrameHeader { fin: true, rsv1, opcode: kind.opcode(), mask: None, payload_len };
    let mut frame = Vec::with_capacity(payload.len() + MAX_HEADER_LEN);
    header.encode(&mut frame);
    let header_len = frame.len();
    frame.extend_from_slice(payload);
    (frame.into(), header_len)
}
