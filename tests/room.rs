//! The log of a room and its table of members: against plain models, and each limit exactly at and one past.
#![cfg(feature = "rooms")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that tests share"
)]

#[path = "room/driver.rs"]
mod driver;
#[path = "room/limits.rs"]
mod limits;
#[path = "room/properties.rs"]
mod properties;
#[path = "room/reading.rs"]
mod reading;
#[path = "room/table.rs"]
mod table;

use std::time::Instant;

use serde_json::value::RawValue;
use talkback::room::{ClientId, Log, MessageId, PublishError, Published};

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Publishes data of one client, whose message id is `message`.
fn publish(log: &mut Log, now: Instant, message: usize, data: &str) -> Result<Published, PublishError> {
    let message = MessageId::new(&message.to_string()).unwrap();
    log.publish(now, 0, &ClientId::new("ada").unwrap(), &message, &raw(data))
}
