//! The common case in one go: a message in one frame, all of which is there.

use super::decoder::Decoder;
use super::{MessageKind, MessageRef, ProtocolError, Role};
use crate::frame::{FrameHeader, apply_mask, check_utf8};

/// Where a message lies in the input, unmasked. Its text is not checked yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WholeMessage {
    pub(super) kind: MessageKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Decoder {
    /// A message that is not compressed, in one frame, all of which lies at `at`, its mask taken
    /// off. `None`: anything else, also what is wrong, and nothing
    /// has happened; [`advance`](Self::advance) sees to it. To be called
    /// [between messages](Self::is_between_messages) only.
    #[inline(always)]
    pub(super) fn whole_message(&mut self, input: &mut [u8], at: &mut usize) -> Option<WholeMessage> {
        let rest = input.get_mut(*at..)?;
        let (header, header_len) = FrameHeader::decode_message(rest)?;
        let kind = MessageKind::of(header.opcode)?;
        let masked_as_due = header.mask.is_some() == (self.role == Role::Server);
        if !masked_as_due || !self.limits.allow_whole(header.payload_len) {
            return None;
        }
        let end = header_len.checked_add(usize::try_from(header.payload_len).ok()?)?;
        let payload = rest.get_mut(header_len..end)?;
        if let Some(key) = header.mask {
            apply_mask(payload, key, 0);
        }
        let start = *at + header_len;
        *at += end;
        self.frame_len = end;
        Some(WholeMessage { kind, start, end: *at })
    }

    /// A whole message, its text checked.
    #[inline]
    pub(super) fn message<'a>(
        &mut self,
        input: &'a [u8],
        whole: WholeMessage,
    ) -> Result<MessageRef<'a>, ProtocolError> {
        let payload = input.get(whole.start..whole.end).unwrap_or_default();
        match whole.kind {
            MessageKind::Binary => Ok(MessageRef::Binary(payload)),
            MessageKind::Text => match check_utf8(payload) {
                Ok(text) => Ok(MessageRef::Text(text)),
                Err(error) => Err(self.fail(error.into())),
            },
        }
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.error.insert(error).clone()
    }
}
