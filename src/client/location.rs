//! Where a redirect leads: RFC 3986 §5.2.

use super::{Url, UrlError};

/// The address that a Location means, seen from `base`.
///
/// "Location = URI-reference" -- RFC 9110 §10.2.2: it may be relative. Its fragment is never sent.
pub(super) fn resolve(base: &Url, location: &str) -> Result<Url, UrlError> {
    let reference = location.split('#').next().unwrap_or_default();
    if has_scheme(reference) {
        return Url::parse_http(reference);
    }
    if reference.starts_with("//") {
        return Url::parse_http(&format!("http:{reference}"));
    }
    let (base_path, _) = split_query(base.target());
    let (path, query) = split_query(reference);
    let target = if reference.is_empty() {
        base.target().to_owned()
    } else if path.is_empty() {
        format!("{base_path}{query}")
    } else if path.starts_with('/') {
        format!("{}{query}", without_dots(path))
    } else {
        let folder = base_path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}{query}", without_dots(&format!("{folder}/{path}")))
    };
    Url::parse_http(&format!("http://{}{target}", base.authority()))
}

/// `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`, and a colon behind it (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

/// The path, and the query with its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at_checked(target.find('?').unwrap_or(target.len())).unwrap_or((target, ""))
}

/// Takes `.` and `..` out of a path that begins with a slash (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_seen_from_the_base() {
        let base = Url::parse_http("http://a:81/b/c/d;p?q").unwrap();
        for (location, expected) in [
            ("http://g", "http://g/"),
            ("HTTP://g:80/h#i", "http://g/h"),
            ("//g/x", "http://g/x"),
            ("//g?y", "http://g/?y"),
            ("/g", "http://a:81/g"),
            ("/g/../h?x/../y", "http://a:81/h?x/../y"),
            ("?y", "http://a:81/b/c/d;p?y"),
            ("", "http://a:81/b/c/d;p?q"),
            ("#s", "http://a:81/b/c/d;p?q"),
            // RFC 3986 §5.4, those that have no other authority.
            ("g", "http://a:81/b/c/g"),
            ("./g", "http://a:81/b/c/g"),
            ("g/", "http://a:81/b/c/g/"),
            ("g?y", "http://a:81/b/c/g?y"),
            (";x", "http://a:81/b/c/;x"),
            (".", "http://a:81/b/c/"),
            ("..", "http://a:81/b/"),
            ("../g", "http://a:81/b/g"),
            ("../..", "http://a:81/"),
            ("../../../../g", "http://a:81/g"),
            ("/./g", "http://a:81/g"),
            ("g.", "http://a:81/b/c/g."),
            ("..g", "http://a:81/b/c/..g"),
            ("./g/.", "http://a:81/b/c/g/"),
            ("g/./h", "http://a:81/b/c/g/h"),
            ("g/../h", "http://a:81/b/c/h"),
        ] {
            assert_eq!(resolve(&base, location).unwrap().to_string(), expected, "{location}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let base = Url::parse_http("http://a/").unwrap();
        for (location, error) in [
            ("https://a/", UrlError::TlsNotBuiltIn),
            ("ftp://a/", UrlError::UnknownScheme),
            ("mailto:a", UrlError::MissingScheme),
            ("g:80", UrlError::MissingScheme),
            ("http://u@a/", UrlError::UserInfo),
            ("//", UrlError::InvalidHost),
            ("/a b", UrlError::InvalidCharacter),
            ("/\r\nX: y", UrlError::InvalidCharacter),
        ] {
            assert_eq!(resolve(&base, location), Err(error), "{location}");
        }
    }
}
