//! How long to wait before connecting again: WHATWG HTML §9.2.3.

use std::time::Duration;

/// The least wait, whatever the server asked for: by `retry: 0` and streams that end at once it would have
/// its clients do nothing but connect. Only a maximum below it, the caller's own, goes below it.
const MIN_WAIT: Duration = Duration::from_millis(100);

/// The wait before the next attempt, after `failed_count` in a row that failed.
///
/// "Wait a delay equal to the reconnection time of the event source. Optionally, wait some more. In
/// particular, if the previous attempt failed, then user agents might introduce an exponential backoff
/// delay" -- WHATWG HTML §9.2.3. What is waited more is a part, `random` of 2^32, of a time that doubles:
/// full jitter, so that clients who lost their server at once don't come back at once. The whole is at most
/// `max`; so that there is jitter also where the reconnection time comes near to that, the least wait is
/// half of `max` at most.
pub(crate) fn wait(reconnection_time: Duration, failed_count: u32, max: Duration, random: u32) -> Duration {
    let unbounded = reconnection_time.max(MIN_WAIT);
    let least = unbounded.min(max / 2);
    let backoff = unbounded.saturating_mul(2_u32.checked_pow(failed_count).unwrap_or(u32::MAX));
    least.saturating_add(part(backoff.min(max.saturating_sub(least)), random))
}

/// How long a stream without an event has to live, so as not to be an attempt that failed.
pub(crate) fn min_life(reconnection_time: Duration, max: Duration) -> Duration {
    reconnection_time.min(max).max(MIN_WAIT)
}

/// A part of `whole`, in milliseconds.
fn part(whole: Duration, random: u32) -> Duration {
    // Of 96 bits: there is room for 32 more.
    let millis = (whole.as_millis() * u128::from(random)) >> 32;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// The least, the middle and the greatest wait.
    fn waits(reconnection_time: Duration, failed_count: u32, max: Duration) -> [u128; 3] {
        [0, 1 << 31, u32::MAX].map(|random| wait(reconnection_time, failed_count, max, random).as_millis())
    }

    #[test]
    fn what_the_server_asked_for_is_waited_at_least() {
        assert_eq!(waits(3 * SECOND, 0, MINUTE), [3000, 4500, 5999]);
        assert_eq!(waits(3 * SECOND, 1, MINUTE), [3000, 6000, 8999]);
        assert_eq!(waits(3 * SECOND, 2, MINUTE), [3000, 9000, 14_999]);
    }

    #[test]
    fn the_limit_is_never_passed() {
        for failed_count in [4, 5, 31, 32, u32::MAX] {
            assert_eq!(waits(4 * SECOND, failed_count, MINUTE)[2], 59_999);
        }
        assert_eq!(waits(SECOND, 3, Duration::ZERO), [0; 3]);
        assert_eq!(waits(SECOND, 3, Duration::from_millis(20)), [10, 15, 19]);
    }

    #[test]
    fn there_is_jitter_where_the_limit_binds() {
        for reconnection_time in [31 * SECOND, 59 * SECOND, MINUTE, 2 * MINUTE, Duration::MAX] {
            for failed_count in [0, 9, u32::MAX] {
                assert_eq!(waits(reconnection_time, failed_count, MINUTE), [30_000, 45_000, 59_999]);
            }
        }
    }

    #[test]
    fn no_time_at_all_is_a_short_one_and_grows_once_attempts_fail() {
        for short in [Duration::ZERO, Duration::from_millis(1), MIN_WAIT] {
            assert_eq!(waits(short, 0, MINUTE), [100, 150, 199]);
            assert_eq!(waits(short, 1, MINUTE), [100, 200, 299]);
            assert_eq!(waits(short, 5, MINUTE), [100, 1700, 3299]);
        }
    }

    #[test]
    fn a_stream_has_to_live_for_the_reconnection_time() {
        assert_eq!(min_life(3 * SECOND, MINUTE), 3 * SECOND);
        assert_eq!(min_life(2 * MINUTE, MINUTE), MINUTE);
        assert_eq!(min_life(Duration::ZERO, MINUTE), MIN_WAIT);
        assert_eq!(min_life(SECOND, Duration::ZERO), MIN_WAIT);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let half = Duration::MAX / 2;
        let (least, most) =
            (half.as_millis(), half.saturating_add(Duration::from_millis(u64::MAX)).as_millis());
        assert_eq!(waits(Duration::MAX, u32::MAX, Duration::MAX), [least, most, most]);
        assert_eq!(part(Duration::MAX, u32::MAX), Duration::from_millis(u64::MAX));
        assert_eq!(wait(Duration::from_micros(150_500), 0, MINUTE, 0), Duration::from_micros(150_500));
    }
}
