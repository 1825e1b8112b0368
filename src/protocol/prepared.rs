//! A message framed once, for many receivers.

use bytes::Bytes;

use super::{MessageKind, MessageRef};
use crate::frame::{FrameHeader, MAX_HEADER_LEN};

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
}

impl Prepared {
    /// Frames `message`: one allocation, one copy.
    #[must_use]
    pub fn new<'m>(message: impl Into<MessageRef<'m>>) -> Self {
        let message = message.into();
        let (kind, payload) = (message.kind(), message.as_bytes());
        let payload_len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let header = FrameHeader { fin: true, rsv1: false, opcode: kind.opcode(), mask: None, payload_len };
        let mut frame = Vec::with_capacity(payload.len() + MAX_HEADER_LEN);
        header.encode(&mut frame);
        let header_len = frame.len();
        frame.extend_from_slice(payload);
        Self { kind, frame: frame.into(), header_len }
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

    pub(super) const fn frame(&self) -> &Bytes {
        &self.frame
    }
}
