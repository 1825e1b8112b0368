//! How long to wait before connecting again: WHATWG HTML §9.2.3.

use std::time::Duration;

/// What doubles with each failed attempt where the server's reconnection time is less, such as 0.
const MIN_BACKOFF: Duration = Duration::from_millis(100);

/// The wait before the next attempt, after `failed_count` in a row that failed.
///
/// "Wait a delay equal to the reconnection time of the event source. Optionally, wait some more. In
/// particular, if the previous attempt failed, then user agents might introduce an exponential backoff
/// delay" -- WHATWG HTML §9.2.3. What is waited more is a part, `random` of 2^32, of a time that doubles:
/// full jitter, so that clients who lost their server at once don't come back at once. The whole is at most
/// `max`.
pub(super) fn wait(reconnection_time: Duration, failed_count: u32, max: Duration, random: u32) -> Duration {
    let least = reconnection_time.min(max);
    let backoff = match failed_count {
        0 => least,
        _ => reconnection_time
            .max(MIN_BACKOFF)
            .saturating_mul(2_u32.checked_pow(failed_count).unwrap_or(u32::MAX)),
    };
    least.saturating_add(part(backoff.min(max.saturating_sub(least)), random))
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
        assert_eq!(waits(MINUTE, 0, MINUTE), [60_000; 3]);
        assert_eq!(waits(2 * MINUTE, 9, MINUTE), [60_000; 3]);
        assert_eq!(waits(SECOND, 3, Duration::ZERO), [0; 3]);
    }

    #[test]
    fn no_time_at_all_grows_once_attempts_fail() {
        assert_eq!(waits(Duration::ZERO, 0, MINUTE), [0; 3]);
        assert_eq!(waits(Duration::ZERO, 1, MINUTE), [0, 100, 199]);
        assert_eq!(waits(Duration::ZERO, 5, MINUTE), [0, 1600, 3199]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let most = waits(Duration::MAX, u32::MAX, Duration::MAX);
        assert_eq!(most, [Duration::MAX.as_millis(); 3]);
        assert_eq!(part(Duration::MAX, u32::MAX), Duration::from_millis(u64::MAX));
        assert_eq!(wait(Duration::from_micros(1500), 0, MINUTE, 0), Duration::from_micros(1500));
    }
}
