//! What may be said here, and how often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use talkback::http::{Request, Status};
use talkback::room::{Access, Admission, ClientId, Refusal};
use talkback::server::Cors;

/// The longest message with what is around it: 4,000 characters of at most 6 bytes each in JSON, and a name.
pub(crate) const MAX_MESSAGE_LEN: usize = 32 * 1024;
/// How much may be said at once (as much as a client keeps while it is offline), and in what time one more: nobody
/// pushes the others' words out of the room in no time.
const BURST: u32 = 1_000;
const PACE: Duration = Duration::from_millis(10);
/// How many speakers are remembered before those are looked for that have been silent.
const MAX_SPEAKERS: usize = 10_000;
/// The room that pages of other origins may read: the columns of the comparison are such.
const COMPARED: &str = "compare";

/// Until when each speaker's words keep the others busy, at a [`PACE`] each.
#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<HashMap<ClientId, Instant>>);

impl Access for Limits {
    fn admit(&self, room: &str, request: &Request) -> Result<Admission, Refusal> {
        if room == COMPARED || Cors::same_origin().allows(request) {
            Ok(Admission::new())
        } else {
            Err(Refusal::new(Status::FORBIDDEN, "pages of other origins may not be here"))
        }
    }

    fn publish(&self, _: &str, client: &ClientId, data: &RawValue) -> Result<Option<Box<RawValue>>, Refusal> {
        if data.get().len() > MAX_MESSAGE_LEN {
            return Err(Refusal::new(Status::CONTENT_TOO_LARGE, "this is too long"));
        }
        if self.is_too_fast(client, Instant::now()) {
            return Err(Refusal::new(Status::TOO_MANY_REQUESTS, "too much at once"));
        }
        Ok(None)
    }
}

impl Limits {
    fn is_too_fast(&self, client: &ClientId, now: Instant) -> bool {
        let mut speakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if speakers.len() >= MAX_SPEAKERS {
            speakers.retain(|_, busy| *busy > now);
        }
        let busy = speakers.get(client).map_or(now, |busy| now.max(*busy)) + PACE;
        let is_too_fast = busy > now + PACE * BURST;
        if !is_too_fast {
            speakers.insert(client.clone(), busy);
        }
        is_too_fast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_says_so_many_messages_at_once_and_then_as_many_as_time_passes() {
        let (limits, begin) = (Limits::default(), Instant::now());
        let [ann, bob] = ["ann", "bob"].map(|id| ClientId::new(id).unwrap());
        for _ in 0..BURST {
            assert!(!limits.is_too_fast(&ann, begin));
        }
        assert!(limits.is_too_fast(&ann, begin) && !limits.is_too_fast(&bob, begin));
        assert!(!limits.is_too_fast(&ann, begin + PACE) && limits.is_too_fast(&ann, begin + PACE));
        let later = begin + PACE * BURST * 9; // time that passes in silence is not saved up
        for _ in 0..BURST {
            assert!(!limits.is_too_fast(&ann, later));
        }
        assert!(limits.is_too_fast(&ann, later));
    }
}
