//! What a room keeps, and how much of it is read at once.

use std::time::Duration;

/// How deeply arrays and objects may be nested in the data of a publication and in the state of a client:
/// `[]` is one level deep. With the three levels of a page around it, it stays within the 64 that careful
/// readers allow.
pub const MAX_JSON_DEPTH: usize = 60;

/// Makes the method that sets a field, with the field's name.
macro_rules! setters {
    ($($field:ident: $type:ty, $what:literal;)*) => { $(
        #[doc = concat!("Sets ", $what, ": see [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
        #[must_use]
        pub const fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )* };
}

/// What a log keeps. The oldest publication is given up as soon as one of these is stepped over.
///
/// `None` means "without this limit". Each field has a method of its name to set it.
///
/// ```
/// use std::time::Duration;
/// use talkback::room::Limits;
///
/// let limits = Limits::default().max_count(Some(50)).max_age(Some(Duration::from_secs(60)));
/// assert_eq!((limits.max_count, limits.max_len), (Some(50), Some(1 << 20)));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Publications kept. Default 1,000. The last one is always kept, until it is too old: 0 counts as 1.
    pub max_count: Option<usize>,
    /// Bytes of all publications kept, each as its JSON object; so also of a single one, which is refused
    /// past it. Default 1 MiB. The memory taken is up to three times that, and some 650 bytes a publication.
    pub max_len: Option<usize>,
    /// Bytes of a single publication, as its JSON object; it is refused past it, so that one can't drive the
    /// whole history out. Default 64 KiB.
    pub max_publication_len: Option<usize>,
    /// How old a publication gets, and how long it is remembered, so that it is recognised when it is sent
    /// again. Default an hour. Kept by the calls that are told the time; reading isn't.
    pub max_age: Option<Duration>,
    /// Publications remembered, those kept and those given up for their number or their bytes. Default
    /// 10,000. What is kept is remembered anyhow. One that isn't kept any more takes 200 to 300 bytes.
    pub max_remembered_count: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_count: Some(1_000),
            max_len: Some(1 << 20),
            max_publication_len: Some(64 * 1024),
            max_age: Some(Duration::from_secs(60 * 60)),
            max_remembered_count: Some(10_000),
        }
    }
}

impl Limits {
    setters! {
        max_count: Option<usize>, "how many publications are kept";
        max_len: Option<usize>, "how many bytes of publications are kept";
        max_publication_len: Option<usize>, "how long a publication may be";
        max_age: Option<Duration>, "how long a publication is kept";
        max_remembered_count: Option<usize>, "how many publications are remembered";
    }
}

/// How much of a log is read at once. At least one publication is, if there is one.
///
/// `None` means "without this limit". Each field has a method of its name to set it.
///
/// ```
/// use talkback::room::PageLimits;
///
/// assert_eq!(PageLimits::default().max_count(Some(10)).max_len, Some(256 * 1024));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// Publications in a page. Default 100.
    pub max_count: Option<usize>,
    /// Bytes of the publications in a page, each as its JSON object. Default 256 KiB.
    pub max_len: Option<usize>,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { max_count: Some(100), max_len: Some(256 * 1024) }
    }
}

impl PageLimits {
    setters! {
        max_count: Option<usize>, "how many publications a page has";
        max_len: Option<usize>, "how many bytes of publications a page has";
    }
}

/// Who may be in a room, and what they may say of themselves.
///
/// `None` means "without this limit"; 0 is a limit of nothing. Each field has a method of its name to set it.
///
/// ```
/// use talkback::room::PresenceLimits;
///
/// assert_eq!(PresenceLimits::default().max_client_count(Some(50)).max_state_len, Some(1024));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceLimits {
    /// Clients in the room, those that are awaited back among them. Default 10,000.
    pub max_client_count: Option<usize>,
    /// Bytes of a client's state. Default 1 KiB.
    pub max_state_len: Option<usize>,
}

impl Default for PresenceLimits {
    fn default() -> Self {
        Self { max_client_count: Some(10_000), max_state_len: Some(1024) }
    }
}

impl PresenceLimits {
    setters! {
        max_client_count: Option<usize>, "how many clients may be in the room";
        max_state_len: Option<usize>, "how long a client's state may be";
    }
}
