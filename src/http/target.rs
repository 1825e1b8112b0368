//! The four forms of a request's target.

use std::ops::Range;

use super::Authority;

/// A target taken apart; its path and query are ranges, so that a request can own the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The authority with the port that its scheme has by default.
    pub(super) authority: Option<(Authority<'a>, u16)>,
    /// Empty where an absolute target has none.
    pub(super) path: Range<usize>,
    /// Without the question mark.
    pub(super) query: Option<Range<usize>>,
}

impl<'a> Target<'a> {
    /// `None` if the form is unknown or is not the method's. The bytes were checked by the scanner.
    ///
    /// RFC 9112 §3.2
    pub(super) fn decode(method: &str, target: &'a str) -> Option<Self> {
        if target.starts_with('/') {
            Some(Self::with_path_at(target, 0, None))
        } else if target == "*" {
            // "The "asterisk-form" of request-target is only used for a server-wide OPTIONS request" -- RFC
            // 9112 §3.2.4
            (method == "OPTIONS").then(|| Self::with_path_at(target, 0, None))
        } else if method == "CONNECT" {
            let authority = Authority::decode(target)?;
            // "a client MUST send only the host and port of the tunnel destination" -- RFC 9112 §3.2.3
            let port = authority.port()?;
            Some(Self::with_path_at(target, target.len(), Some((authority, port))))
        } else {
            Self::decode_absolute(target)
        }
    }

    fn decode_absolute(target: &'a str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            _ => return None,
        };
        let authority = rest.split(['/', '?']).next()?;
        let path_at = scheme.len() + "://".len() + authority.len();
        Some(Self::with_path_at(target, path_at, Some((Authority::decode(authority)?, default_port))))
    }

    fn with_path_at(target: &str, at: usize, authority: Option<(Authority<'a>, u16)>) -> Self {
        let question_mark = target.find('?');
        Self {
            authority,
            path: at..question_mark.unwrap_or(target.len()),
            query: question_mark.map(|mark| mark + 1..target.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (Option<&'a str>, &'a str, Option<&'a str>);

    fn parts<'a>(method: &str, target: &'a str) -> Option<Parts<'a>> {
        let parsed = Target::decode(method, target)?;
        let host = parsed.authority.map(|(authority, _)| authority.host());
        Some((host, &target[parsed.path], parsed.query.map(|query| &target[query])))
    }

    #[test]
    fn forms_are_taken_apart() {
        assert_eq!(parts("GET", "/"), Some((None, "/", None)));
        assert_eq!(parts("GET", "//a/b?c?d"), Some((None, "//a/b", Some("c?d"))));
        assert_eq!(parts("GET", "/a?"), Some((None, "/a", Some(""))));
        assert_eq!(parts("GET", "/?u=http://b/"), Some((None, "/", Some("u=http://b/"))));
        assert_eq!(parts("OPTIONS", "*"), Some((None, "*", None)));
        assert_eq!(parts("CONNECT", "a:443"), Some((Some("a"), "", None)));
        assert_eq!(parts("GET", "http://a"), Some((Some("a"), "", None)));
        assert_eq!(parts("GET", "WS://a?b"), Some((Some("a"), "", Some("b"))));
        assert_eq!(parts("GET", "https://[::1]:8/b?c"), Some((Some("[::1]"), "/b", Some("c"))));
    }

    #[test]
    fn forms_of_other_methods_are_none() {
        for (method, target) in [
            ("GET", "*"),
            ("GET", "a:443"),
            ("GET", "a"),
            ("GET", "ftp://a/"),
            ("GET", "http:///"),
            ("GET", "http:/a"),
            ("GET", "http://u@a/"),
            ("GET", "?a"),
            ("OPTIONS", "**"),
            ("CONNECT", "a"),
            ("CONNECT", "http://a/"),
        ] {
            assert_eq!(parts(method, target), None, "{method} {target}");
        }
    }
}
