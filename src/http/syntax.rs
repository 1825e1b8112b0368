//! Which bytes may stand where.

/// The octets of a token: header names, methods, subprotocols (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// The octets of a field value: visible ASCII, space, tab, and 0x80 to 0xff, which is "obs-text" (RFC 9110
/// §5.5).
pub(crate) const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Whether a value can be handed out as text: no "obs-text" in it.
pub(crate) fn is_ascii_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte.is_ascii() && is_value_byte(byte))
}

/// The octets of a target. Wider than RFC 3986, for browsers send `|` and the like as they are; `#` begins a
/// fragment, which is never sent.
pub(crate) const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

/// Cuts the optional white space, spaces and tabs, off both ends (RFC 9110 §5.6.3).
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    while let [front @ .., b' ' | b'\t'] = rest {
        rest = front;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_no_delimiters() {
        assert!(is_token(b"Sec-WebSocket-Key"));
        for delimiter in b"\"(),/:;<=>?@[\\]{} \t\x00\x7f\x80" {
            assert!(!is_token_byte(*delimiter), "{delimiter:#04x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
        assert_eq!(trim(b" \t "), b"");
    }
}
