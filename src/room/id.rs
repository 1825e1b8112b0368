//! Who published, and which of its messages it was.

use std::fmt;
use std::sync::Arc;

/// The longest id of a client or a message, in bytes.
pub const MAX_ID_LEN: usize = 64;

/// Makes a type for an id: two of them, so that one is never taken for the other.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks an id, and copies it.
            ///
            /// # Errors
            /// - [`IdError::Empty`] if it has no byte.
            /// - [`IdError::TooLong`] if it has more than [`MAX_ID_LEN`].
            /// - [`IdError::InvalidByte`] if one is not visible ASCII, 0x21 to 0x7e.
            pub fn new(id: &str) -> Result<Self, IdError> {
                check(id)?;
                Ok(Self(id.into()))
            }

            /// The id as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

ids! {
    /// Which client: chosen by itself or by whoever let it in, and the same on all of its connections.
    ///
    /// Nothing here proves it. Where clients must not speak for each other, draw the id from what
    /// authenticated them. Cloning shares the text.
    ///
    /// ```
    /// use talkback::room::{ClientId, IdError};
    ///
    /// assert_eq!(ClientId::new("ada")?.as_str(), "ada");
    /// assert_eq!(ClientId::new("ada l"), Err(IdError::InvalidByte { byte: b' ', position: 3 }));
    /// # Ok::<(), IdError>(())
    /// ```
    ClientId;

    /// Which message of a client: chosen by it, a new one for each message and the same when it sends that
    /// again. Cloning shares the text.
    ///
    /// ```
    /// use talkback::room::{IdError, MessageId};
    ///
    /// assert_eq!(MessageId::new("1")?.to_string(), "1");
    /// assert_eq!(MessageId::new(""), Err(IdError::Empty));
    /// # Ok::<(), IdError>(())
    /// ```
    MessageId;
}

impl MessageId {
    /// A message of a series: an id whatever the numbers, as it is short and visible ASCII.
    pub(super) fn of_series(series: u64, number: u64) -> Self {
        Self(format!("{series:016x}-{number}").into())
    }
}

fn check(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > MAX_ID_LEN {
        return Err(IdError::TooLong { len: id.len(), max: MAX_ID_LEN });
    }
    match id.bytes().enumerate().find(|(_, byte)| !byte.is_ascii_graphic()) {
        Some((position, byte)) => Err(IdError::InvalidByte { byte, position }),
        None => Ok(()),
    }
}

/// Why a text is no id: the fault of the client that chose it.
///
/// ```
/// use talkback::room::{ClientId, IdError};
///
/// assert_eq!(ClientId::new(&"x".repeat(65)), Err(IdError::TooLong { len: 65, max: 64 }));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdError {
    /// It is empty.
    Empty,
    /// It is too long to be kept and sent along.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is allowed, [`MAX_ID_LEN`].
        max: usize,
    },
    /// It holds something other than visible ASCII.
    InvalidByte {
        /// The byte that may not stand there.
        byte: u8,
        /// Its offset in the id.
        position: usize,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an id is empty"),
            Self::TooLong { len, max } => write!(f, "an id of {len} bytes is over the limit of {max}"),
            Self::InvalidByte { byte, position } => write!(f, "an id has byte {byte:#04x} at {position}"),
        }
    }
}

impl std::error::Error for IdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_visible_ascii_up_to_the_limit_is_an_id() {
        let all: String = (0x21..=0x7e_u8).map(char::from).collect();
        assert!(ClientId::new(&all[..MAX_ID_LEN]).is_ok() && ClientId::new(&all[30..]).is_ok());
        assert_eq!(ClientId::new(&all[..65]), Err(IdError::TooLong { len: 65, max: 64 }));
    }

    #[test]
    fn any_number_of_a_series_is_an_id() {
        for number in [0, 1, u64::MAX] {
            let id = MessageId::of_series(number, number);
            assert_eq!(MessageId::new(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for (id, byte) in [("a\n", b'\n'), ("a\u{7f}", 0x7f), ("a\u{e9}", 0xc3), ("a\0", 0)] {
            assert_eq!(MessageId::new(id), Err(IdError::InvalidByte { byte, position: 1 }));
        }
    }
}
