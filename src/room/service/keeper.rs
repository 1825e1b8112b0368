//! The one thread that rooms have: it tells who is here, and looks at the time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::rooms::Shared;
use super::served::Served;
use crate::server::lock;

/// How often it is told who is here at most.
const PAUSE: Duration = Duration::from_millis(100);
/// How often rooms are looked through for what is too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    notes: Mutex<Notes>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Notes {
    /// Rooms in which who is here has changed.
    changed: Vec<Arc<Served>>,
    /// Whether there are rooms that time passes in.
    has_rooms: bool,
    ended: bool,
}

impl Keeper {
    /// Who is here has changed.
    pub(super) fn note(&self, room: &Arc<Served>) {
        let mut notes = self.lock();
        if !notes.ended {
            notes.changed.push(Arc::clone(room));
            self.wake.notify_one();
        }
    }

    /// A room was made.
    pub(super) fn note_room(&self) {
        if !std::mem::replace(&mut self.lock().has_rooms, true) {
            self.wake.notify_one();
        }
    }

    pub(super) fn end(&self) {
        let mut notes = self.lock();
        // The rooms know the keeper as well, and would keep each other.
        (notes.ended, notes.changed) = (true, Vec::new());
        self.wake.notify_one();
    }

    /// Waits for a change or until then; `None`: it is over.
    fn wait(&self, until: Instant) -> Option<Vec<Arc<Served>>> {
        let mut notes = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if notes.ended {
                return None;
            }
            if !notes.changed.is_empty() || notes.has_rooms && left.is_zero() {
                return Some(std::mem::take(&mut notes.changed));
            }
            notes = if notes.has_rooms {
                self.wake.wait_timeout(notes, left).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.wake.wait(notes).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }
}

/// Starts the thread. It ends with the last of those that know the rooms.
pub(super) fn start(rooms: Weak<Shared>, keeper: Arc<Keeper>) -> io::Result<()> {
    let keep = move || {
        let mut sweep = Instant::now() + SWEEP_INTERVAL;
        let mut resting: Vec<Arc<Served>> = Vec::new();
        // While one rests, it is looked at after each pause.
        while let Some(changed) = keeper.wait(if resting.is_empty() { sweep } else { Instant::now() }) {
            let Some(rooms) = rooms.upgrade() else { return };
            let now = Instant::now();
            resting.extend(changed);
            resting.retain(|room| !room.tell_who_is_here(rooms.config.max_listed_count, now));
            if sweep <= now {
                // Before it is looked: one that is made meanwhile is noted behind this.
                keeper.lock().has_rooms = false;
                if rooms.sweep(now) {
                    keeper.note_room();
                }
                sweep = now + SWEEP_INTERVAL;
            }
            drop(rooms);
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("talkback rooms".to_owned()).spawn(keep).map(drop)
}
