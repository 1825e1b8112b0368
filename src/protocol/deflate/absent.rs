//! Without the feature `deflate`: codecs that can't be made.

use super::Deflate;
use crate::handshake::{DeflateParameters, WindowBits};
use crate::protocol::{ProtocolError, Role};

#[derive(Debug)]
pub(in crate::protocol) enum Compressor {}

impl Compressor {
    pub(in crate::protocol) const fn new(_: Role, _: &DeflateParameters, _: &Deflate) -> Option<Self> {
        None
    }

    pub(in crate::protocol) const fn is_worthwhile(&self, _: usize) -> bool {
        match *self {}
    }

    #[cfg(feature = "server")]
    pub(in crate::protocol) const fn is_stateless(&self) -> bool {
        match *self {}
    }

    pub(in crate::protocol) const fn may_change_its_mind(&self) -> bool {
        match *self {}
    }

    pub(in crate::protocol) const fn takes_prepared(&self, _: WindowBits) -> bool {
        match *self {}
    }

    pub(in crate::protocol) const fn compress(&mut self, _: &[u8], _: bool, _: &mut Vec<u8>) {
        match *self {}
    }
}

#[derive(Debug)]
pub(in crate::protocol) enum Decompressor {}

/// Where inflated bytes go; an error ends the message.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), ProtocolError> + 'a;

impl Decompressor {
    pub(in crate::protocol) const fn new(_: Role, _: &DeflateParameters) -> Option<Self> {
        None
    }

    pub(in crate::protocol) const fn decompress(
        &mut self,
        _: &[u8],
        _: &mut Sink<'_>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(in crate::protocol) const fn finish(&mut self) -> Result<(), ProtocolError> {
        match *self {}
    }

    #[cfg(feature = "server")]
    pub(in crate::protocol) const fn is_stateless(&self) -> bool {
        match *self {}
    }
}
