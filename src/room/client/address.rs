//! Where to connect: the address of the socket, with what the server is to know.

use std::fmt::Write;

use super::place::Place;
use crate::room::ClientId;

/// Adds who the client is, where it is, and what it says of itself to the query of `url`.
pub(super) fn address(url: &str, client: &ClientId, place: Place, state: Option<&str>) -> String {
    let mut address = url.to_owned();
    let pairs =
        [("client", Some(client.to_string())), ("after", place.query()), ("state", state.map(str::to_owned))];
    for (name, value) in pairs {
        let Some(value) = value else { continue };
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        push_encoded(&mut address, &value);
    }
    address
}

/// Percent-encodes all but the unreserved characters: RFC 3986 §2.3.
fn push_encoded(to: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            // A `String` never fails.
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{After, Cursor};

    #[test]
    fn the_query_has_what_there_is_to_say() {
        let client = ClientId::new("a&b=c%d+#?/").unwrap();
        let address = |url, after, state| address(url, &client, Place::new(after), state);
        let who = "client=a%26b%3Dc%25d%2B%23%3F%2F";
        assert_eq!(address("ws://a/r", After::Start, None), format!("ws://a/r?{who}"));
        assert_eq!(
            address("ws://a/r?key=1", After::Cursor(Cursor::new(1, 2)), Some("{\"n\": \"\u{e4}\"}")),
            format!("ws://a/r?key=1&{who}&after=0000000000000001-2&state=%7B%22n%22%3A%20%22%C3%A4%22%7D")
        );
        assert_eq!(address("ws://a", After::End, None), format!("ws://a?{who}&after=end"));
    }
}
