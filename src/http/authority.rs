//! `host[:port]`, as in Host, in an absolute target and in an Origin.

// The address type of core, which parses and does nothing else: no socket is named here.
use core::net::Ipv6Addr;

/// A host with an optional port, checked: what a Host header says.
///
/// Borrows the text; neither allocates nor resolves anything.
///
/// RFC 9110 §7.2, RFC 3986 §3.2
///
/// ```
/// use talkback::http::Authority;
///
/// let host = Authority::decode("Chat.example:8080").expect("a valid authority");
/// let other = Authority::decode("chat.example:8080").expect("a valid authority");
/// assert_eq!((host.host(), host.port()), ("Chat.example", Some(8080)));
/// assert!(host.is_same(other, 80));
/// assert_eq!(Authority::decode("user@chat.example"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Checks and splits `host[:port]`, where the host is a name, an IPv4 address, or an IPv6 address in
    /// brackets.
    ///
    /// `None` if it is anything else: an empty host, a user, a port that is not a number up to 65535.
    #[must_use]
    pub fn decode(text: &'a str) -> Option<Self> {
        let (host, port) = if text.starts_with('[') {
            let (host, rest) = text.split_at_checked(text.find(']')? + 1)?;
            let address = host.strip_prefix('[')?.strip_suffix(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        } else {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (is_registered_name(host).then_some(host)?, port)
        };
        let port = match port {
            // "port = *DIGIT" -- RFC 3986 §3.2.3: it may be empty.
            None | Some("") => None,
            Some(digits) => Some(decode_port(digits)?),
        };
        Some(Self { host, port })
    }

    /// Puts together again what was decoded once.
    pub(super) const fn from_parts(host: &'a str, port: Option<u16>) -> Self {
        Self { host, port }
    }

    /// The host as it was written, an IPv6 address with its brackets.
    #[must_use]
    pub const fn host(self) -> &'a str {
        self.host
    }

    /// The port; `None` if it was left out or empty.
    #[must_use]
    pub const fn port(self) -> Option<u16> {
        self.port
    }

    /// Whether both name the same host, in any case, and the same port, where a missing port is
    /// `default_port`.
    #[must_use]
    pub fn is_same(self, other: Authority<'_>, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// `parse` alone would take a plus sign.
fn decode_port(digits: &str) -> Option<u16> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// `reg-name = *( unreserved / pct-encoded / sub-delims )` (RFC 3986 §3.2.2), but not empty.
fn is_registered_name(host: &str) -> bool {
    let mut rest = host.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => tail,
            (b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')', _)
            | (b'*' | b'+' | b',' | b';' | b'=' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', _) => tail,
            _ => return false,
        };
    }
    !host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_split() {
        let cases = [
            ("a", "a", None),
            ("a:", "a", None),
            ("a:0", "a", Some(0)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
            ("[::ffff:1.2.3.4]:8", "[::ffff:1.2.3.4]", Some(8)),
            ("x_y-z.%41!$&'()*+,;=~", "x_y-z.%41!$&'()*+,;=~", None),
        ];
        for (text, host, port) in cases {
            assert_eq!(Authority::decode(text), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            ":80",
            "a:65536",
            "a:+1",
            "a:8 0",
            "a:b",
            "a:1:2",
            "a b",
            "a/b",
            "a?b",
            "a@b",
            "a,\u{e4}",
            "%4",
            "%zz",
            "::1",
            "[]",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]80",
            "[x]",
            "[::1%25eth0]",
            "a\\b",
            "<a>",
        ] {
            assert_eq!(Authority::decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_missing_port_is_the_default_one() {
        let host = |text| Authority::decode(text).unwrap();
        assert!(host("A.example").is_same(host("a.EXAMPLE:80"), 80));
        assert!(!host("a.example").is_same(host("a.example:80"), 443));
        assert!(!host("a.example").is_same(host("b.example"), 80));
    }
}
