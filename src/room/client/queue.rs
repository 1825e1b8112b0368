//! Messages that wait until the server has answered for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;

use super::QueueError;
use crate::room::MessageId;

/// How much may wait; `None`: without this limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) max_count: Option<usize>,
    /// Bytes of data.
    pub(super) max_len: Option<usize>,
}

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    number: u64,
    pub(super) message: MessageId,
    pub(super) data: Arc<str>,
    /// When it was sent last.
    sent_at: Option<Instant>,
}

impl Waiting {
    /// It as the server takes it. The id needs no escapes.
    pub(super) fn to_json(&self) -> String {
        format!(r#"{{"message":"{}","data":{}}}"#, self.message, self.data)
    }
}

/// The messages in the order in which they were published: first those that were sent over the connection
/// that is open, then those that were not.
#[derive(Debug)]
pub(super) struct Queue {
    /// What the ids of this client have in common, and those of no other have.
    series: u64,
    last_number: u64,
    /// In ascending order of their numbers.
    messages: VecDeque<Waiting>,
    /// How many of the first were sent.
    sent_count: usize,
    /// Bytes of data.
    len: usize,
    limits: QueueLimits,
}

impl Queue {
    pub(super) const fn new(series: u64, limits: QueueLimits) -> Self {
        Self { series, last_number: 0, messages: VecDeque::new(), sent_count: 0, len: 0, limits }
    }

    pub(super) fn count(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn push(&mut self, data: &RawValue) -> Result<MessageId, QueueError> {
        let data = data.get();
        let (count, len) = (self.count().saturating_add(1), self.len.saturating_add(data.len()));
        if let Some(max) = self.limits.max_count
            && count > max
        {
            return Err(QueueError::TooManyMessages { max });
        }
        if let Some(max) = self.limits.max_len
            && len > max
        {
            return Err(QueueError::TooLong { len, max });
        }
        let number = self.last_number.saturating_add(1);
        let message = MessageId::of_series(self.series, number);
        let data = data.into();
        self.messages.push_back(Waiting { number, message: message.clone(), data, sent_at: None });
        self.last_number = number;
        self.len = len;
        Ok(message)
    }

    /// The next one to send; it counts as sent from now on.
    pub(super) fn next_unsent(&mut self, now: Instant) -> Option<Waiting> {
        let waiting = self.messages.get_mut(self.sent_count)?;
        waiting.sent_at = Some(now);
        self.sent_count += 1;
        Some(waiting.clone())
    }

    /// Since when an answer is awaited. `None`: none is.
    pub(super) fn unanswered_since(&self) -> Option<Instant> {
        self.messages.front().filter(|_| self.sent_count > 0)?.sent_at
    }

    /// The connection was lost: whatever was not answered is to be sent again.
    pub(super) const fn rewind(&mut self) {
        self.sent_count = 0;
    }

    /// Takes out the message that the server answered for. `None`: it isn't here, or not sent.
    pub(super) fn settle(&mut self, message: &str) -> Option<MessageId> {
        let number = message.rsplit_once('-')?.1.parse().ok()?;
        let index = self.messages.binary_search_by_key(&number, |waiting| waiting.number).ok()?;
        let is_it = self.messages.get(index).is_some_and(|waiting| waiting.message.as_str() == message);
        if !is_it || index >= self.sent_count {
            return None;
        }
        let settled = self.messages.remove(index)?;
        self.sent_count -= 1;
        self.len = self.len.saturating_sub(settled.data.len());
        Some(settled.message)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue(max_count: Option<usize>, max_len: Option<usize>) -> Queue {
        Queue::new(0xfeed, QueueLimits { max_count, max_len })
    }

    fn push(queue: &mut Queue, json: &str) -> Result<String, QueueError> {
        let data = RawValue::from_string(json.to_owned()).unwrap();
        queue.push(&data).map(|message| message.to_string())
    }

    fn unsent(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.next_unsent(Instant::now()))
            .map(|waiting| waiting.data.to_string())
            .collect()
    }

    #[test]
    fn the_limits_are_exact_and_what_is_settled_makes_room() {
        let mut counted = queue(Some(2), None);
        let first = push(&mut counted, "1").unwrap();
        push(&mut counted, "2").unwrap();
        assert_eq!(push(&mut counted, "3"), Err(QueueError::TooManyMessages { max: 2 }));
        counted.next_unsent(Instant::now()).unwrap();
        counted.settle(&first).unwrap();
        assert!(push(&mut counted, "3").is_ok());
        let mut weighed = queue(None, Some(5));
        let first = push(&mut weighed, "123").unwrap();
        assert_eq!(push(&mut weighed, "456"), Err(QueueError::TooLong { len: 6, max: 5 }));
        assert!(push(&mut weighed, "45").is_ok());
        weighed.next_unsent(Instant::now()).unwrap();
        weighed.settle(&first).unwrap();
        assert!(push(&mut weighed, "678").is_ok());
        assert_eq!(push(&mut queue(Some(0), None), "1"), Err(QueueError::TooManyMessages { max: 0 }));
        assert_eq!(push(&mut queue(None, Some(0)), "1"), Err(QueueError::TooLong { len: 1, max: 0 }));
    }

    #[test]
    fn what_was_not_answered_is_sent_again_in_order() {
        let mut queue = queue(None, None);
        let ids: Vec<_> = (1..=4).map(|n| push(&mut queue, &n.to_string()).unwrap()).collect();
        assert_eq!(unsent(&mut queue), ["1", "2", "3", "4"]);
        assert_eq!(queue.settle(&ids[1]).unwrap().as_str(), ids[1]);
        push(&mut queue, "5").unwrap();
        assert_eq!(unsent(&mut queue), ["5"]);
        queue.rewind();
        assert_eq!(unsent(&mut queue), ["1", "3", "4", "5"]);
        assert!(unsent(&mut queue).is_empty());
    }

    #[test]
    fn the_oldest_that_was_sent_is_waited_for() {
        let (mut queue, begun) = (queue(None, None), Instant::now());
        let later = begun + Duration::from_secs(1);
        let ids: Vec<_> = (1..=3).map(|n| push(&mut queue, &n.to_string()).unwrap()).collect();
        assert_eq!(queue.unanswered_since(), None);
        queue.next_unsent(begun).unwrap();
        queue.next_unsent(later).unwrap();
        assert_eq!(queue.unanswered_since(), Some(begun));
        queue.settle(&ids[0]).unwrap();
        assert_eq!(queue.unanswered_since(), Some(later));
        queue.settle(&ids[1]).unwrap();
        assert_eq!(queue.unanswered_since(), None);
        queue.next_unsent(later).unwrap();
        queue.rewind();
        assert_eq!(queue.unanswered_since(), None);
    }

    #[test]
    fn only_what_was_sent_is_settled_and_once() {
        let mut queue = queue(None, None);
        let ids: Vec<_> = (1..=2).map(|n| push(&mut queue, &n.to_string()).unwrap()).collect();
        assert_eq!(queue.settle(&ids[0]), None);
        assert_eq!(
            queue.next_unsent(Instant::now()).unwrap().to_json(),
            format!(r#"{{"message":"{}","data":1}}"#, ids[0])
        );
        for message in [&*ids[1], "", "-", "1", "-1", "beef-1", "000000000000feed-01", "000000000000feed-9"] {
            assert_eq!(queue.settle(message), None, "{message}");
        }
        assert!(queue.settle(&ids[0]).is_some());
        assert_eq!((queue.settle(&ids[0]), queue.count()), (None, 1));
    }
}
