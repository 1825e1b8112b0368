//! A coarse clock, and a wheel of what is due when: eight bytes an entry, no scan over all.

use std::time::{Duration, Instant};

/// The length of a tick: deadlines are kept this exactly.
const TICK: Duration = Duration::from_millis(50);
/// How many ticks the wheel turns through; what is due later is looked at once a turn.
const SPOKE_COUNT: u32 = 1024;

/// A moment, in ticks since the clock was made. It lasts for six years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u32);

impl Tick {
    pub(super) const NEVER: Self = Self(u32::MAX);

    /// The moment `timeout` later; never, if there is none.
    pub(super) fn after(self, timeout: Ticks) -> Self {
        Self(self.0.saturating_add(timeout.0))
    }
}

/// A timeout in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks(u32);

impl Ticks {
    /// Rounded up, and one more for the tick that has begun already, so that nobody is given up too early; `None`
    /// is never.
    pub(super) fn of(timeout: Option<Duration>) -> Self {
        let ticks = timeout.map_or(u128::MAX, |timeout| timeout.as_nanos().div_ceil(TICK.as_nanos()) + 1);
        Self(u32::try_from(ticks).unwrap_or(u32::MAX))
    }
}

/// Tells the tick of an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) const fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(super) fn tick(&self, now: Instant) -> Tick {
        let ticks = now.saturating_duration_since(self.start).as_nanos() / TICK.as_nanos();
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX - 1))
    }

    /// How long until `tick` begins.
    pub(super) fn until(&self, tick: Tick, now: Instant) -> Duration {
        (self.start + TICK * tick.0).saturating_duration_since(now)
    }
}

/// What is due when. An entry is a number of the caller's; nothing is ever taken out but by time, so that a
/// deadline that moves costs nothing: whoever is told looks whether it is still due, and comes again if not.
#[derive(Debug)]
pub(super) struct Wheel {
    spokes: Vec<Vec<(u32, Tick)>>,
    /// All up to here was told.
    turned: Tick,
    /// Nothing is due before; never: there is nothing in it.
    next: Tick,
    count: usize,
}

impl Wheel {
    pub(super) fn new(now: Tick) -> Self {
        Self {
            spokes: (0..SPOKE_COUNT).map(|_| Vec::new()).collect(),
            turned: now,
            next: Tick::NEVER,
            count: 0,
        }
    }

    /// Has `entry` told at `due`, at the next tick if that is past.
    pub(super) fn insert(&mut self, entry: u32, due: Tick) {
        if due == Tick::NEVER {
            return;
        }
        let at = due.0.max(self.turned.0.saturating_add(1));
        if let Some(spoke) = self.spokes.get_mut(spoke(at)) {
            spoke.push((entry, due));
            self.next = self.next.min(Tick(at));
            self.count += 1;
        }
    }

    /// When to turn next, at the latest; `None`: there is nothing in it.
    pub(super) fn next(&self) -> Option<Tick> {
        (self.next != Tick::NEVER).then_some(self.next)
    }

    fn find_next(&self) -> Tick {
        if self.count == 0 {
            return Tick::NEVER;
        }
        let ahead = (1..=SPOKE_COUNT).find(|ahead| {
            let at = self.turned.0.saturating_add(*ahead);
            self.spokes.get(spoke(at)).is_some_and(|spoke| !spoke.is_empty())
        });
        Tick(self.turned.0.saturating_add(ahead.unwrap_or(SPOKE_COUNT)))
    }

    /// Puts into `due` what is due up to `now`.
    pub(super) fn turn(&mut self, now: Tick, due: &mut Vec<u32>) {
        if now < self.next {
            return;
        }
        let last = now.0.min(self.turned.0.saturating_add(SPOKE_COUNT));
        for at in self.turned.0 + 1..=last {
            let Some(spoke) = self.spokes.get_mut(spoke(at)) else { continue };
            let before = spoke.len();
            spoke.retain(|(entry, tick)| {
                let told = *tick <= now;
                if told {
                    due.push(*entry);
                }
                !told
            });
            self.count -= before - spoke.len();
            if spoke.is_empty() && spoke.capacity() > 1024 {
                *spoke = Vec::new();
            }
        }
        self.turned = self.turned.max(now);
        self.next = self.find_next();
    }
}

fn spoke(at: u32) -> usize {
    usize::try_from(at % SPOKE_COUNT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(wheel: &mut Wheel, now: u32) -> Vec<u32> {
        let mut due = Vec::new();
        wheel.turn(Tick(now), &mut due);
        due
    }

    #[test]
    fn each_is_told_at_its_tick_and_once() {
        let mut wheel = Wheel::new(Tick(10));
        wheel.insert(1, Tick(12));
        wheel.insert(2, Tick(5)); // past: next
        wheel.insert(3, Tick(12 + SPOKE_COUNT)); // on the same spoke, a turn later
        wheel.insert(4, Tick::NEVER);
        assert_eq!(wheel.next(), Some(Tick(11)));
        assert!(told(&mut wheel, 10).is_empty());
        assert_eq!(told(&mut wheel, 11), [2]);
        assert_eq!(wheel.next(), Some(Tick(12)));
        assert_eq!(told(&mut wheel, 12), [1]);
        assert!(told(&mut wheel, 11 + SPOKE_COUNT).is_empty());
        assert_eq!(told(&mut wheel, 12 + SPOKE_COUNT), [3]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn timeouts_are_rounded_up() {
        assert_eq!(Ticks::of(Some(Duration::ZERO)), Ticks(1));
        assert_eq!(Ticks::of(Some(TICK)), Ticks(2));
        assert_eq!(Ticks::of(Some(TICK + Duration::from_nanos(1))), Ticks(3));
        let clock = Clock::new(Instant::now());
        for begun in [0, 1, 49, 50, 51, 99].map(|count| clock.start + Duration::from_millis(count)) {
            for timeout in [0, 1, 50, 51, 1000].map(Duration::from_millis) {
                let due = clock.tick(begun).after(Ticks::of(Some(timeout)));
                let waited = clock.until(due, begun);
                assert!(waited >= timeout && waited <= timeout + 2 * TICK, "{timeout:?} {waited:?}");
            }
        }
        assert_eq!(Tick(7).after(Ticks::of(None)), Tick::NEVER);
        assert_eq!(Tick(7).after(Ticks::of(Some(Duration::MAX))), Tick::NEVER);
    }

    #[test]
    fn a_clock_counts_whole_ticks() {
        let start = Instant::now();
        let clock = Clock::new(start);
        assert_eq!(clock.tick(start + TICK * 3 - Duration::from_nanos(1)), Tick(2));
        assert_eq!(clock.tick(start + TICK * 3), Tick(3));
        assert_eq!(clock.until(Tick(3), start + TICK), TICK * 2);
        assert_eq!(clock.until(Tick(3), start + TICK * 9), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn whatever_the_steps_each_is_told_once_and_never_early(
            entries in proptest::collection::vec(1..5000_u32, 0..100),
            steps in proptest::collection::vec(1..1500_u32, 1..20),
        ) {
            let mut wheel = Wheel::new(Tick(0));
            for (entry, due) in (0..).zip(&entries) {
                wheel.insert(entry, Tick(*due));
            }
            let (mut now, mut all) = (0, Vec::new());
            for step in steps.into_iter().chain([SPOKE_COUNT; 6]) {
                now += step;
                for entry in told(&mut wheel, now) {
                    let due = entries[usize::try_from(entry).unwrap()];
                    prop_assert!(due <= now && due + step > now);
                    all.push(entry);
                }
            }
            all.sort_unstable();
            prop_assert_eq!(all.len(), entries.len());
            all.dedup();
            prop_assert_eq!(all.len(), entries.len());
            prop_assert_eq!(wheel.next(), None);
        }
    }
}
