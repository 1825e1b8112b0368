//! Chapters in prose, for those who have to decide something.

#[doc = include_str!("which_transport.md")]
pub mod which_transport {}
