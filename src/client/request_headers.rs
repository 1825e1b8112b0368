//! The headers that the caller adds to a request.

use std::fmt;

/// Names and values as they were given; not looked at yet.
#[derive(Clone, Default)]
pub(super) struct RequestHeaders(Vec<(String, String)>);

impl RequestHeaders {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for RequestHeaders {
    /// The names alone: a value such as a token or a cookie stays a secret in logs, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::client::{Connect, Subscribe};

    #[test]
    fn values_of_headers_are_not_shown() {
        let connect = Connect::new("ws://localhost/").header("Authorization", "secret");
        let subscribe = Subscribe::new("http://localhost/").header("Authorization", "secret");
        let source = subscribe.unconnected().unwrap();
        for shown in [format!("{connect:?}"), format!("{subscribe:?}"), format!("{source:?}")] {
            assert!(shown.contains(r#"headers: ["Authorization"]"#), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
