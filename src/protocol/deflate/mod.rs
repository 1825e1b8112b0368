//! permessage-deflate: RFC 7692.

#[cfg_attr(not(feature = "deflate"), path = "absent.rs")]
mod codec;

pub(super) use codec::{Compressor, Decompressor};

use crate::handshake::DeflateParameters;

/// Whether and how a connection compresses messages: see
/// [`Config::deflate`](super::Config#structfield.deflate).
///
/// Two choices matter. *Private* states ([`private`](Self::private)) keep what was sent, so
/// that a message can refer to earlier ones: small messages that are alike shrink most. Once
/// used, they cost a connection some 420 KiB, most of it to compress. *Shared* states
/// ([`shared`](Self::shared)) are lent to a message by the thread that handles it: a connection
/// costs nothing while it is idle, and each message is compressed by itself.
///
/// | heap of a connection, windows of 32 KiB | shared | private |
/// |---|---|---|
/// | compression agreed on, not used yet | as without | as without |
/// | after one message of 1 KiB each way | 2 KB | 430 KB |
///
/// Smaller windows make private states smaller. The package `benches` in the repository measures
/// time and bytes a message at each level.
///
/// ```
/// use talkback::protocol::{Config, Deflate};
///
/// let config = Config::default().deflate(Some(Deflate::shared().level(3).min_len(Some(512))));
/// assert_eq!(config.deflate.map(|deflate| deflate.level), Some(3));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deflate {
    /// What to ask the peer for, or to grant it at most.
    pub parameters: DeflateParameters,
    /// 1 (fast) to 9 (small); others count as the nearest. Default 6 if private, 1 if shared.
    pub level: u8,
    /// Bytes of a message from which on it is compressed. Default `None`: 64 where it can
    /// refer to earlier messages, else 1,024. Fragments are always compressed.
    pub min_len: Option<usize>,
}

impl Deflate {
    /// States of its own for each connection, once used. The default of a client.
    #[must_use]
    pub fn private() -> Self {
        Self { parameters: DeflateParameters::default(), level: 6, min_len: None }
    }

    /// States lent by the thread, no context takeover in either direction. The default of a server.
    #[must_use]
    pub fn shared() -> Self {
        let parameters =
            DeflateParameters::default().server_no_context_takeover(true).client_no_context_takeover(true);
        Self { parameters, level: 1, min_len: None }
    }

    /// Sets what to ask the peer for, or to grant it at most.
    #[must_use]
    pub const fn parameters(mut self, parameters: DeflateParameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Sets the level, 1 to 9.
    #[must_use]
    pub const fn level(mut self, level: u8) -> Self {
        self.level = level;
        self
    }

    /// Sets the length from which on a message is compressed.
    #[must_use]
    pub const fn min_len(mut self, min_len: Option<usize>) -> Self {
        self.min_len = min_len;
        self
    }
}
