//! The room: one bounded log, which every member and every reader follows at a cursor of its own.
//!
//! Nothing is queued for anybody. Whoever is slow falls behind in the log, delays nobody else, and is told when
//! what it still had to read is no longer kept.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How many entries are kept for cursors to catch up with.
const KEPT_ENTRIES: usize = 1_000;
/// How many messages somebody who joins is shown.
const SHOWN_MESSAGES: usize = 100;
/// In characters.
const LONGEST_NAME: usize = 24;
/// In characters.
const LONGEST_MESSAGE: usize = 4_000;

/// One thing that the room says. As text it is its kind, its number if it is in the log, and its fields, one a
/// line. Times are milliseconds since 1970, and the last field of a message may have several lines.
///
/// | kind | number | fields | |
/// |---|---|---|---|
/// | welcome | | epoch, your name | at first |
/// | message | yes | time, name, text | |
/// | join, leave | yes | time, name | |
/// | here | | all names | after what is in the log already, and when somebody has come or gone |
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) kind: &'static str,
    pub(crate) number: Option<u64>,
    pub(crate) fields: String,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}\n{number}\n{}", self.kind, self.fields),
            None => write!(f, "{}\n{}", self.kind, self.fields),
        }
    }
}

/// Where somebody is in the room's log.
#[derive(Debug)]
pub(crate) struct Cursor {
    next: u64,
    changes: u64,
}

/// What a cursor pointed at is no longer kept.
#[derive(Debug)]
pub(crate) struct FellBehind;

/// What was said has more than [`LONGEST_MESSAGE`] characters.
#[derive(Debug)]
pub(crate) struct TooLong;

#[derive(Debug)]
pub(crate) struct Room {
    /// Which log this is: numbers of another epoch mean nothing here.
    epoch: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    log: VecDeque<Arc<Update>>,
    /// The number that the next entry gets; the first is 1.
    next: u64,
    present: Vec<Presence>,
    here: Arc<Update>,
    /// How often `here` was made: the cursors tell from it whether they have seen it.
    changes: u64,
    seats: u64,
}

#[derive(Debug)]
struct Presence {
    name: String,
    /// What only this member knows, if it said anything.
    key: Option<String>,
    /// Which connection keeps the member here.
    seat: u64,
}

impl Room {
    pub(crate) fn new() -> Self {
        let epoch = format!("{:016x}", RandomState::new().hash_one(SystemTime::now()));
        let state = State {
            log: VecDeque::new(),
            next: 1,
            present: Vec::new(),
            here: here(&[]),
            changes: 1,
            seats: 0,
        };
        Self { epoch, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// What everybody is told first: the epoch, and the name under which the others see them.
    pub(crate) fn welcome(&self, name: &str) -> Update {
        Update { kind: "welcome", number: None, fields: format!("{}\n{name}", self.epoch) }
    }

    /// Lets somebody in under the name that was asked for, or one like it when that is taken.
    ///
    /// With the key of somebody who is here it is the same member on a new connection, while the old one has not
    /// been found dead yet: nobody joins, and nobody leaves when the old connection ends.
    pub(crate) fn join(&self, wanted: &str, key: Option<String>) -> Member<'_> {
        let mut state = self.lock();
        state.seats += 1;
        let seat = state.seats;
        if let Some(known) = state.present.iter_mut().find(|known| key.is_some() && known.key == key) {
            known.seat = seat;
            return Member { room: self, name: known.name.clone(), seat };
        }
        let name = free_name(&state.present, &tidy_name(wanted));
        state.present.push(Presence { name: name.clone(), key, seat });
        self.publish(&mut state, "join", &name);
        Member { room: self, name, seat }
    }

    /// A cursor at the last [`SHOWN_MESSAGES`] messages, or at the oldest entry when there are fewer.
    pub(crate) fn cursor(&self) -> Cursor {
        let state = self.lock();
        let mut messages = state.log.iter().rev().filter(|entry| entry.kind == "message");
        let oldest = messages.nth(SHOWN_MESSAGES - 1).or(state.log.front());
        Cursor { next: oldest.and_then(|entry| entry.number).unwrap_or(state.next), changes: 0 }
    }

    /// Waits for what is new to this cursor, and moves it on. The entries of the log come first, then who is
    /// here. Empty if nothing came within `patience`.
    pub(crate) fn news(
        &self,
        cursor: &mut Cursor,
        patience: Duration,
    ) -> Result<Vec<Arc<Update>>, FellBehind> {
        let nothing_new = |state: &mut State| state.next == cursor.next && state.changes == cursor.changes;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, nothing_new);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let unread = usize::try_from(state.next - cursor.next).map_err(|_| FellBehind)?;
        let read = state.log.len().checked_sub(unread).ok_or(FellBehind)?;
        let mut news: Vec<_> = state.log.iter().skip(read).cloned().collect();
        if state.changes != cursor.changes {
            news.push(Arc::clone(&state.here));
        }
        *cursor = Cursor { next: state.next, changes: state.changes };
        Ok(news)
    }

    fn publish(&self, state: &mut State, kind: &'static str, fields: &str) {
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let entry = Update { kind, number: Some(state.next), fields: format!("{time}\n{fields}") };
        state.next += 1;
        state.log.push_back(Arc::new(entry));
        if state.log.len() > KEPT_ENTRIES {
            state.log.pop_front();
        }
        if kind != "message" {
            state.here = here(&state.present);
            state.changes += 1;
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who is in the room until this is dropped.
#[derive(Debug)]
pub(crate) struct Member<'room> {
    room: &'room Room,
    name: String,
    seat: u64,
}

impl Member<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says something to everybody, this member included. What is blank is not said.
    pub(crate) fn say(&self, text: &str) -> Result<(), TooLong> {
        if text.chars().nth(LONGEST_MESSAGE).is_some() {
            return Err(TooLong);
        }
        if !text.trim().is_empty() {
            self.room.publish(&mut self.room.lock(), "message", &format!("{}\n{text}", self.name));
        }
        Ok(())
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        if let Some(index) = state.present.iter().position(|one| one.seat == self.seat) {
            state.present.remove(index);
            self.room.publish(&mut state, "leave", &self.name);
        }
    }
}

fn here(present: &[Presence]) -> Arc<Update> {
    let names: Vec<_> = present.iter().map(|one| one.name.as_str()).collect();
    Arc::new(Update { kind: "here", number: None, fields: names.join("\n") })
}

fn tidy_name(wanted: &str) -> String {
    let printable: String = wanted.chars().filter(|char| !char.is_control()).collect();
    let short: String = printable.trim().chars().take(LONGEST_NAME).collect();
    if short.is_empty() { "guest".to_owned() } else { short.trim_end().to_owned() }
}

/// "ann", or "ann 2" when somebody is called that, also when it is in other letters ("Ann").
fn free_name(present: &[Presence], wanted: &str) -> String {
    let taken = |name: &str| present.iter().any(|other| other.name.to_lowercase() == name.to_lowercase());
    let mut name = wanted.to_owned();
    let mut number = 2;
    while taken(&name) {
        let suffix = format!(" {number}");
        name = wanted.chars().take(LONGEST_NAME - suffix.len()).chain(suffix.chars()).collect();
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(room: &Room, cursor: &mut Cursor) -> Vec<String> {
        // The time, which is the first field of each entry, is left out.
        let line = |update: &Arc<Update>| match update.number {
            Some(number) => {
                let (_, fields) = update.fields.split_once('\n').unwrap();
                format!("{} {number} {fields}", update.kind)
            }
            None => format!("{} {}", update.kind, update.fields),
        };
        room.news(cursor, Duration::ZERO).unwrap().iter().map(line).collect()
    }

    #[test]
    fn everybody_reads_the_same_log_and_then_who_is_here() {
        let room = Room::new();
        let ann = room.join("ann", None);
        let mut early = room.cursor();
        assert_eq!(read(&room, &mut early), ["join 1 ann", "here ann"]);
        assert_eq!(read(&room, &mut early), [""; 0]);
        let bob = room.join("bob", None);
        ann.say("two\nlines").unwrap();
        drop(bob);
        let news = ["join 2 bob", "message 3 ann\ntwo\nlines", "leave 4 bob", "here ann"];
        assert_eq!(read(&room, &mut early), news);
        assert_eq!(read(&room, &mut room.cursor()), [&["join 1 ann"][..], &news[..]].concat());
    }

    #[test]
    fn an_empty_room_says_at_once_that_nobody_is_here() {
        let room = Room::new();
        assert_eq!(read(&room, &mut room.cursor()), ["here "]);
    }

    #[test]
    fn an_update_as_text_has_its_number_only_in_the_log() {
        let room = Room::new();
        let welcome = room.welcome("ann");
        assert_eq!(welcome.to_string(), format!("welcome\n{}\nann", room.epoch));
        let entry = Update { kind: "message", number: Some(7), fields: "1\nann\nhi".to_owned() };
        assert_eq!(entry.to_string(), "message\n7\n1\nann\nhi");
        assert_ne!(room.epoch, Room::new().epoch);
    }

    #[test]
    fn somebody_who_joins_sees_the_last_messages_and_no_more() {
        let room = Room::new();
        let ann = room.join("ann", None);
        for number in 0..SHOWN_MESSAGES {
            ann.say(&number.to_string()).unwrap();
        }
        let oldest = |room: &Room| read(room, &mut room.cursor()).remove(0);
        assert_eq!(oldest(&room), "message 2 ann\n0");
        drop(room.join("bob", None));
        assert_eq!(oldest(&room), "message 2 ann\n0");
        ann.say("one more").unwrap();
        assert_eq!(oldest(&room), "message 3 ann\n1");
    }

    #[test]
    fn a_cursor_falls_behind_exactly_when_its_next_entry_is_dropped() {
        let room = Room::new();
        let ann = room.join("ann", None);
        let mut slow = Cursor { next: 1, changes: 0 };
        for _ in 1..KEPT_ENTRIES {
            ann.say("hi").unwrap();
        }
        assert_eq!(read(&room, &mut slow).len(), KEPT_ENTRIES + 1);
        let mut slower = Cursor { next: 1, changes: 0 };
        ann.say("hi").unwrap();
        assert!(room.news(&mut slower, Duration::ZERO).is_err());
        assert_eq!(read(&room, &mut slow), ["message 1001 ann\nhi"]);
    }

    #[test]
    fn news_wakes_whoever_waits() {
        let room = Room::new();
        let mut cursor = room.cursor();
        read(&room, &mut cursor);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| room.news(&mut cursor, Duration::from_secs(30)).unwrap().len());
            room.join("ann", None).say("hi").unwrap();
            assert!(waiting.join().unwrap() > 0);
        });
    }

    #[test]
    fn with_its_key_a_member_takes_its_own_place_over() {
        let room = Room::new();
        let key = |key: &str| Some(key.to_owned());
        let old = room.join("ann", key("a"));
        let mut cursor = room.cursor();
        read(&room, &mut cursor);
        let new = room.join("ann", key("a"));
        let other = room.join("ann", key("b"));
        assert_eq!((new.name(), other.name()), ("ann", "ann 2"));
        drop(old);
        assert_eq!(read(&room, &mut cursor), ["join 2 ann 2", "here ann\nann 2"]);
        drop(new);
        assert_eq!(read(&room, &mut cursor), ["leave 3 ann", "here ann 2"]);
    }

    #[test]
    fn messages_have_a_bound_and_are_not_blank() {
        let room = Room::new();
        let ann = room.join("ann", None);
        let mut cursor = room.cursor();
        read(&room, &mut cursor);
        ann.say(" \n\t").unwrap();
        assert_eq!(read(&room, &mut cursor), [""; 0]);
        assert!(ann.say(&"é".repeat(LONGEST_MESSAGE + 1)).is_err());
        ann.say(&"é".repeat(LONGEST_MESSAGE)).unwrap();
        assert_eq!(read(&room, &mut cursor).len(), 1);
    }

    #[test]
    fn names_are_tidy_and_unique() {
        let room = Room::new();
        let members = ["  ann ", "ann", "ANN", "a\nnn\u{7}", "", " \t", &"x".repeat(25), &"x".repeat(24)];
        let members: Vec<_> = members.iter().map(|wanted| room.join(wanted, None)).collect();
        let names: Vec<_> = members.iter().map(Member::name).collect();
        let long = "x".repeat(24);
        let other = format!("{} 2", "x".repeat(22));
        assert_eq!(names, ["ann", "ann 2", "ANN 3", "ann 4", "guest", "guest 2", &long, &other]);
        drop(members);
        assert_eq!(room.join("ann", None).name(), "ann");
    }
}
