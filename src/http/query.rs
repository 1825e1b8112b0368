//! Looking up a value in a query, as `application/x-www-form-urlencoded` (WHATWG URL, "urlencoded parsing").

/// The decoded value of the first pair named `name`, empty if the pair has no `=`.
pub(super) fn value(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decode(key) == name)
        .map(|(_, value)| decode(value))
}

/// `+` is a space, `%` with two hex digits a byte, anything else itself; what is not UTF-8 becomes U+FFFD.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = if byte == b'%' { decode_escape(tail) } else { None };
        let (decoded, after) = match escaped {
            Some(escaped) => escaped,
            None if byte == b'+' => (b' ', tail),
            None => (byte, tail),
        };
        bytes.push(decoded);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn decode_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = text.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_are_decoded() {
        let query = "a=1&b=x+y%20z&c&=n&d=%C3%a4%F0%9F%8D%B5&a=2&e%3D=q=r&&f=%2B";
        assert_eq!(value(query, "a").unwrap(), "1");
        assert_eq!(value(query, "b").unwrap(), "x y z");
        assert_eq!(value(query, "c").unwrap(), "");
        assert_eq!(value(query, "").unwrap(), "n");
        assert_eq!(value(query, "d").unwrap(), "\u{e4}\u{1f375}");
        assert_eq!(value(query, "e=").unwrap(), "q=r");
        assert_eq!(value(query, "f").unwrap(), "+");
        assert_eq!(value(query, "g"), None);
        assert_eq!(value("", ""), None);
    }

    #[test]
    fn malformed_escapes_stay_as_they_are() {
        assert_eq!(value("a=%&b=%4&c=%zz&d=%+1&e=%ff", "a").unwrap(), "%");
        assert_eq!(value("a=%&b=%4&c=%zz&d=%+1&e=%ff", "b").unwrap(), "%4");
        assert_eq!(value("a=%&b=%4&c=%zz&d=%+1&e=%ff", "c").unwrap(), "%zz");
        assert_eq!(value("a=%&b=%4&c=%zz&d=%+1&e=%ff", "d").unwrap(), "% 1");
        assert_eq!(value("a=%&b=%4&c=%zz&d=%+1&e=%ff", "e").unwrap(), "\u{fffd}");
    }
}
