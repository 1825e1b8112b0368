//! What two sides agree on for permessage-deflate: RFC 7692 §5 and §7.1.

use core::fmt::{self, Write as _};

use super::Offer;

/// How far back compressed data may refer: 2^bits bytes, 8 to 15.
///
/// ```
/// use talkback::handshake::WindowBits;
///
/// assert_eq!(WindowBits::new(12).map(WindowBits::len), Some(4096));
/// assert_eq!(WindowBits::new(16), None);
/// assert_eq!(WindowBits::MAX.value(), 15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: 256 bytes. Valid on the wire; nothing can be compressed with it here.
    pub const MIN: Self = Self(8);
    /// 9: 512 bytes, the smallest that data is compressed with here.
    pub const MIN_COMPRESSED: Self = Self(9);
    /// 15: 32 KiB.
    pub const MAX: Self = Self(15);

    /// The window of 2^`value` bytes; `None` outside 8 to 15.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match value {
            8..=15 => Some(Self(value)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// The window in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no window is empty")]
    pub const fn len(self) -> usize {
        1 << self.0
    }

    /// "A value [...] MUST be a decimal integer without leading zeroes between 8 to 15,
    /// inclusive" -- RFC 7692 §7.1.2.1
    fn decode(text: &str) -> Option<Self> {
        let leading_zero = text.starts_with('0');
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if leading_zero || !digits { None } else { Self::new(text.parse().ok()?) }
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The four parameters of permessage-deflate, under their names in RFC 7692 §7.1: what one
/// side wants, or what both have agreed on.
///
/// ```
/// use talkback::handshake::{DeflateParameters, WindowBits};
///
/// let wanted = DeflateParameters::default().server_no_context_takeover(true);
/// assert_eq!(wanted.offer(), "permessage-deflate; server_no_context_takeover; client_max_window_bits");
/// # drop(WindowBits::MAX);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeflateParameters {
    /// Whether the server begins each message with an empty window.
    pub server_no_context_takeover: bool,
    /// Whether the client does.
    pub client_no_context_takeover: bool,
    /// How far back the server's messages may refer.
    pub server_max_window_bits: WindowBits,
    /// How far back the client's may.
    pub client_max_window_bits: WindowBits,
}

impl Default for DeflateParameters {
    /// Context takeover both ways, windows of 32 KiB: the best ratio.
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
        }
    }
}

/// Parameters as they stand in one offer or response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Written {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// Without a value it only says that the client knows the parameter.
    client_max_window_bits: Option<Option<WindowBits>>,
}

const NAME: &str = "permessage-deflate";

impl DeflateParameters {
    /// Sets whether the server begins each message with an empty window.
    #[must_use]
    pub const fn server_no_context_takeover(mut self, server_no_context_takeover: bool) -> Self {
        self.server_no_context_takeover = server_no_context_takeover;
        self
    }

    /// Sets whether the client begins each message with an empty window.
    #[must_use]
    pub const fn client_no_context_takeover(mut self, client_no_context_takeover: bool) -> Self {
        self.client_no_context_takeover = client_no_context_takeover;
        self
    }

    /// Sets how far back the server's messages may refer.
    #[must_use]
    pub const fn server_max_window_bits(mut self, server_max_window_bits: WindowBits) -> Self {
        self.server_max_window_bits = server_max_window_bits;
        self
    }

    /// Sets how far back the client's messages may refer.
    #[must_use]
    pub const fn client_max_window_bits(mut self, client_max_window_bits: WindowBits) -> Self {
        self.client_max_window_bits = client_max_window_bits;
        self
    }

    /// A client's offer of these, as an element of `Sec-WebSocket-Extensions`. It always says
    /// that the server may ask for a smaller window of the client.
    #[must_use]
    pub fn offer(&self) -> String {
        let mut offer = self.encode();
        if self.client_max_window_bits == WindowBits::MAX {
            offer.push_str("; client_max_window_bits");
        }
        offer
    }

    /// A server's choice: the first of the client's offers that can be met, as these are
    /// wanted here. The server keeps no context where either side asks for that, the client
    /// where the server does: that a client offers to keep none is a hint, which is not taken
    /// up (RFC 7692 §7.1.1.2). Of two windows the smaller one counts. `None`: no offer can be
    /// met; go on without compression.
    ///
    /// Declined are offers with unknown, repeated or malformed parameters, with
    /// `server_max_window_bits=8`, for which nothing can be compressed here, and those that
    /// leave the client a larger window than wanted.
    #[must_use]
    pub fn choose(&self, offers: &[Offer]) -> Option<Self> {
        offers.iter().find_map(|offer| self.meet(&Written::decode(offer)?))
    }

    fn meet(&self, offer: &Written) -> Option<Self> {
        let server_bits = offer
            .server_max_window_bits
            .map_or(self.server_max_window_bits, |offered| offered.min(self.server_max_window_bits));
        let client_bits = match offer.client_max_window_bits {
            Some(offered) => offered.unwrap_or(WindowBits::MAX).min(self.client_max_window_bits),
            // "a server MUST NOT include [it] in response" then -- RFC 7692 §7.1.2.2
            None if self.client_max_window_bits == WindowBits::MAX => WindowBits::MAX,
            None => return None,
        };
        (server_bits >= WindowBits::MIN_COMPRESSED).then_some(Self {
            server_no_context_takeover: self.server_no_context_takeover | offer.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits,
        })
    }

    /// A server's response that agrees on these, as the value of `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut written = NAME.to_owned();
        for (set, name) in [
            (self.server_no_context_takeover, "; server_no_context_takeover"),
            (self.client_no_context_takeover, "; client_no_context_takeover"),
        ] {
            written.push_str(if set { name } else { "" });
        }
        for (bits, name) in [
            (self.server_max_window_bits, "server_max_window_bits"),
            (self.client_max_window_bits, "client_max_window_bits"),
        ] {
            if bits < WindowBits::MAX {
                // Writing into a String can't fail.
                write!(written, "; {name}={bits}").unwrap_or_default();
            }
        }
        written
    }

    /// A client's check of the server's response to the offer of these: what was agreed on.
    /// `None`: the response doesn't follow from the offer, and the connection must fail.
    #[must_use]
    pub fn agree(&self, response: &Offer) -> Option<Self> {
        let written = Written::decode(response)?;
        // "A server accepts [...] with the same or smaller value as the offer" -- RFC 7692 §7.1.2.1
        let server_bits = written.server_max_window_bits.unwrap_or(WindowBits::MAX);
        // "If a received extension negotiation response has [...] no value, [it] MUST
        // _Fail the WebSocket Connection_" -- RFC 7692 §7.1
        let client_bits = written.client_max_window_bits.unwrap_or(Some(WindowBits::MAX))?;
        let asked = self.server_no_context_takeover;
        let met = server_bits <= self.server_max_window_bits
            && written.client_max_window_bits.is_none_or(|_| client_bits <= self.client_max_window_bits)
            && (written.server_no_context_takeover || !asked);
        met.then_some(Self {
            server_no_context_takeover: written.server_no_context_takeover,
            client_no_context_takeover: written.client_no_context_takeover | self.client_no_context_takeover,
            server_max_window_bits: server_bits,
            client_max_window_bits: client_bits.min(self.client_max_window_bits),
        })
    }
}

impl Written {
    /// `None` where the extension is another one, or a parameter is unknown, repeated, or
    /// has a bad value.
    fn decode(offer: &Offer) -> Option<Self> {
        let mut written = Self::default();
        if offer.name() != NAME {
            return None;
        }
        for (name, value) in offer.parameters() {
            let new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !core::mem::replace(&mut written.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !core::mem::replace(&mut written.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(value)) => {
                    written.server_max_window_bits.replace(WindowBits::decode(value)?).is_none()
                }
                ("client_max_window_bits", value) => {
                    let bits = match value {
                        Some(value) => Some(WindowBits::decode(value)?),
                        None => None,
                    };
                    written.client_max_window_bits.replace(bits).is_none()
                }
                _ => return None,
            };
            if !new {
                return None;
            }
        }
        Some(written)
    }
}
