//! The room: one bounded log, and who is here. What changes them is told to all under the same lock, so that
//! everybody hears the same in the same order, and whoever comes misses nothing and hears nothing twice.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use talkback::protocol::{Deflate, Prepared};
use talkback::server::{self, Connection, EventPeer};
use talkback::sse::{EncodeError, Event};

/// How many messages somebody who joins is shown.
const SHOWN_MESSAGES: usize = 100;
/// How many entries of the log, with the comings and goings.
const SHOWN_ENTRIES: usize = 1_000;
/// In characters.
const LONGEST_NAME: usize = 24;
/// In characters.
const LONGEST_MESSAGE: usize = 4_000;
/// How many messages a member may say at once, and in what time one more: nobody pushes the others' words out of
/// the log in no time.
const BURST: u32 = 200;
const PACE: Duration = Duration::from_millis(100);

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
struct Update {
    kind: &'static str,
    number: Option<String>,
    fields: String,
    /// The text as members get it: framed and compressed once for all.
    frame: Prepared,
}

impl Update {
    fn new(kind: &'static str, number: Option<u64>, fields: String) -> Arc<Self> {
        let number = number.map(|number| number.to_string());
        let parts: Vec<&str> = [kind].into_iter().chain(number.as_deref()).chain([&*fields]).collect();
        let frame = Prepared::compressed(&*parts.join("\n"), &Deflate::shared());
        Arc::new(Self { kind, number, fields, frame })
    }

    fn event(&self) -> Result<Event<'_>, EncodeError> {
        let event = Event::new(&self.fields).name(self.kind)?;
        self.number.as_deref().map_or(Ok(event), |number| event.id(number))
    }
}

/// Why something is not said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has more than [`LONGEST_MESSAGE`] characters.
    TooLong,
    /// The member has said more than [`BURST`] messages at once.
    TooFast,
}

pub(crate) struct Room {
    /// Members hear what is published here.
    members: server::Room,
    state: Mutex<State>,
}

struct State {
    book: Book,
    /// Those who only read, as server-sent events.
    readers: Vec<EventPeer>,
}

impl Room {
    pub(crate) fn new() -> Self {
        let state = State { book: Book::new(), readers: Vec::new() };
        Self { members: server::Room::new(), state: Mutex::new(state) }
    }

    /// Lets somebody in under the name that was asked for, or one like it when that is taken.
    ///
    /// With the key of somebody who is here it is the same member on a new connection, while the old one has not
    /// been found dead yet: nobody joins, and nobody leaves when the old connection ends.
    pub(crate) fn join(&self, connection: &mut Connection<'_>, wanted: &str, key: Option<String>) -> Member {
        let mut state = self.lock();
        let (member, news) = state.book.join(wanted, key);
        self.tell(&mut state, &news);
        for update in state.book.so_far(&member.name) {
            // It fails only if the connection has failed, which shows soon.
            connection.send_prepared(&update.frame).unwrap_or_default();
        }
        // What was published up to here doesn't come again.
        connection.join(&self.members);
        member
    }

    /// Lets somebody read along.
    pub(crate) fn read_along(&self, reader: EventPeer) {
        let mut state = self.lock();
        state.readers.retain(|reader| !reader.is_closed());
        if state.book.so_far("").iter().all(|update| show(&reader, update)) {
            state.readers.push(reader);
        }
    }

    /// Says something to everybody, this member included. What is blank is not said.
    pub(crate) fn say(&self, member: &mut Member, text: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        let news = state.book.say(member, text, Instant::now())?;
        self.tell(&mut state, &news);
        Ok(())
    }

    pub(crate) fn leave(&self, member: &Member) {
        let mut state = self.lock();
        let news = state.book.leave(member);
        self.tell(&mut state, &news);
    }

    fn tell(&self, state: &mut State, news: &[Arc<Update>]) {
        for update in news {
            self.members.publish_prepared(&update.frame);
            state.readers.retain(|reader| show(reader, update));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a reader is still there and keeps up; if not, its stream ends, and the browser comes back.
fn show(reader: &EventPeer, update: &Update) -> bool {
    let shown = update.event().is_ok_and(|event| reader.send(&event).is_ok());
    if !shown {
        reader.close();
    }
    shown
}

/// Somebody who is in the room.
#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    /// Which connection keeps the member here.
    seat: u64,
    /// Until when the others are busy with what was said, at a [`PACE`] each.
    busy: Option<Instant>,
}

/// The log, and who is here. What changes it returns the news.
struct Book {
    /// Which log this is: numbers of another epoch mean nothing here.
    epoch: String,
    /// What somebody who joins is shown.
    log: VecDeque<Arc<Update>>,
    /// The number that the next entry gets; the first is 1.
    next: u64,
    present: Vec<Presence>,
    seats: u64,
}

struct Presence {
    name: String,
    /// What only this member knows, if it said anything.
    key: Option<String>,
    seat: u64,
}

impl Book {
    fn new() -> Self {
        let epoch = format!("{:016x}", RandomState::new().hash_one(SystemTime::now()));
        Self { epoch, log: VecDeque::new(), next: 1, present: Vec::new(), seats: 0 }
    }

    /// What somebody who comes is told: the epoch and the name under which the others see them, the log, and who is
    /// here.
    fn so_far(&self, name: &str) -> Vec<Arc<Update>> {
        let welcome = Update::new("welcome", None, format!("{}\n{name}", self.epoch));
        [welcome].into_iter().chain(self.log.iter().cloned()).chain([self.here()]).collect()
    }

    fn join(&mut self, wanted: &str, key: Option<String>) -> (Member, Vec<Arc<Update>>) {
        self.seats += 1;
        let seat = self.seats;
        if let Some(known) = self.present.iter_mut().find(|known| key.is_some() && known.key == key) {
            known.seat = seat;
            return (Member { name: known.name.clone(), seat, busy: None }, Vec::new());
        }
        let name = free_name(&self.present, &tidy_name(wanted));
        self.present.push(Presence { name: name.clone(), key, seat });
        let news = vec![self.log("join", &name), self.here()];
        (Member { name, seat, busy: None }, news)
    }

    fn leave(&mut self, member: &Member) -> Vec<Arc<Update>> {
        let Some(index) = self.present.iter().position(|one| one.seat == member.seat) else {
            return Vec::new(); // it is here on another connection
        };
        self.present.remove(index);
        vec![self.log("leave", &member.name), self.here()]
    }

    fn say(&mut self, member: &mut Member, text: &str, now: Instant) -> Result<Vec<Arc<Update>>, Refusal> {
        let busy = member.busy.map_or(now, |busy| busy.max(now)) + PACE;
        if busy > now + PACE * BURST {
            return Err(Refusal::TooFast);
        }
        member.busy = Some(busy);
        if text.chars().nth(LONGEST_MESSAGE).is_some() {
            return Err(Refusal::TooLong);
        }
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![self.log("message", &format!("{}\n{text}", member.name))])
    }

    fn log(&mut self, kind: &'static str, fields: &str) -> Arc<Update> {
        let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let entry = Update::new(kind, Some(self.next), format!("{time}\n{fields}"));
        self.next += 1;
        self.log.push_back(Arc::clone(&entry));
        let mut messages = self.log.iter().enumerate().rev().filter(|(_, entry)| entry.kind == "message");
        let oldest = messages.nth(SHOWN_MESSAGES - 1).map_or(0, |(index, _)| index);
        self.log.drain(..oldest.max(self.log.len().saturating_sub(SHOWN_ENTRIES)));
        entry
    }

    fn here(&self) -> Arc<Update> {
        let names: Vec<_> = self.present.iter().map(|one| one.name.as_str()).collect();
        Update::new("here", None, names.join("\n"))
    }
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

    /// Updates as lines; the time, which is the first field of each entry, is left out.
    fn lines(updates: &[Arc<Update>]) -> Vec<String> {
        let line = |update: &Arc<Update>| match &update.number {
            Some(number) => {
                let (_, fields) = update.fields.split_once('\n').unwrap();
                format!("{} {number} {fields}", update.kind)
            }
            None => format!("{} {}", update.kind, update.fields),
        };
        updates.iter().map(line).collect()
    }

    /// What somebody who comes is told, behind the welcome.
    fn shown(book: &Book) -> Vec<String> {
        lines(&book.so_far("")).split_off(1)
    }

    fn join(book: &mut Book, wanted: &str) -> Member {
        book.join(wanted, None).0
    }

    /// Says it after a pause long enough for any number of messages.
    fn say(book: &mut Book, member: &mut Member, text: &str) -> Result<Vec<String>, Refusal> {
        let later = member.busy.unwrap_or_else(Instant::now) + PACE;
        book.say(member, text, later).map(|news| lines(&news))
    }

    #[test]
    fn everybody_hears_the_same_and_whoever_comes_is_shown_it() {
        let mut book = Book::new();
        let (mut ann, news) = book.join("ann", None);
        assert_eq!(lines(&news), ["join 1 ann", "here ann"]);
        let (bob, news) = book.join("bob", None);
        assert_eq!(lines(&news), ["join 2 bob", "here ann\nbob"]);
        assert_eq!(say(&mut book, &mut ann, "two\nlines").unwrap(), ["message 3 ann\ntwo\nlines"]);
        assert_eq!(lines(&book.leave(&bob)), ["leave 4 bob", "here ann"]);
        let log = ["join 1 ann", "join 2 bob", "message 3 ann\ntwo\nlines", "leave 4 bob", "here ann"];
        assert_eq!(shown(&book), log);
    }

    #[test]
    fn an_empty_room_says_at_once_that_nobody_is_here() {
        assert_eq!(shown(&Book::new()), ["here "]);
    }

    #[test]
    fn an_update_as_text_has_its_number_only_in_the_log() {
        let book = Book::new();
        let text = |update: &Update| String::from_utf8(update.frame.payload().to_vec()).unwrap();
        assert_eq!(text(&book.so_far("ann")[0]), format!("welcome\n{}\nann", book.epoch));
        let entry = Update::new("message", Some(7), "1\nann\nhi".to_owned());
        assert_eq!(text(&entry), "message\n7\n1\nann\nhi");
        assert_ne!(book.epoch, Book::new().epoch);
    }

    #[test]
    fn an_update_as_event_has_its_number_as_its_id() {
        let entry = Update::new("message", Some(7), "1\nann\nhi".to_owned());
        let mut block = Vec::new();
        entry.event().unwrap().encode(&mut block);
        assert_eq!(block, b"event: message\nid: 7\ndata: 1\ndata: ann\ndata: hi\n\n");
        block.clear();
        Update::new("here", None, "ann".to_owned()).event().unwrap().encode(&mut block);
        assert_eq!(block, b"event: here\ndata: ann\n\n");
    }

    #[test]
    fn somebody_who_joins_sees_the_last_messages_and_no_more() {
        let mut book = Book::new();
        let mut ann = join(&mut book, "ann");
        for number in 0..SHOWN_MESSAGES {
            say(&mut book, &mut ann, &number.to_string()).unwrap();
        }
        assert_eq!(shown(&book)[0], "message 2 ann\n0");
        let bob = join(&mut book, "bob");
        book.leave(&bob);
        assert_eq!(shown(&book)[0], "message 2 ann\n0");
        say(&mut book, &mut ann, "one more").unwrap();
        assert_eq!(shown(&book)[0], "message 3 ann\n1");
        assert_eq!(shown(&book).len(), SHOWN_MESSAGES + 3, "with bob's two, and who is here");
    }

    #[test]
    fn comings_and_goings_alone_do_not_fill_the_log() {
        let mut book = Book::new();
        for _ in 0..SHOWN_ENTRIES {
            let ann = join(&mut book, "ann");
            book.leave(&ann);
        }
        assert_eq!(shown(&book).len(), SHOWN_ENTRIES + 1);
        assert_eq!(shown(&book)[0], format!("join {} ann", SHOWN_ENTRIES + 1));
    }

    #[test]
    fn what_is_shown_at_first_may_wait() {
        let here = 900 * (4 * LONGEST_NAME + "data: \n".len());
        for text in ["\u{1f600}".repeat(LONGEST_MESSAGE), format!("x{}", "\n".repeat(LONGEST_MESSAGE - 1))] {
            let mut book = Book::new();
            let mut member = join(&mut book, &"\u{1f600}".repeat(LONGEST_NAME));
            for _ in 0..SHOWN_MESSAGES {
                say(&mut book, &mut member, &text).unwrap();
            }
            while book.log.len() < SHOWN_ENTRIES {
                book.log("leave", &member.name);
            }
            let mut events = Vec::new();
            book.so_far("").iter().for_each(|update| update.event().unwrap().encode(&mut events));
            assert!(events.len() + here < crate::MAX_OUTPUT_LEN, "{} bytes", events.len());
        }
    }

    #[test]
    fn with_its_key_a_member_takes_its_own_place_over() {
        let mut book = Book::new();
        let key = |key: &str| Some(key.to_owned());
        let (old, _) = book.join("ann", key("a"));
        let (new, news) = book.join("ann", key("a"));
        assert_eq!(lines(&news), [""; 0]);
        let (other, news) = book.join("ann", key("b"));
        assert_eq!((&*new.name, &*other.name), ("ann", "ann 2"));
        assert_eq!(lines(&news), ["join 2 ann 2", "here ann\nann 2"]);
        assert_eq!(lines(&book.leave(&old)), [""; 0]);
        assert_eq!(lines(&book.leave(&new)), ["leave 3 ann", "here ann 2"]);
    }

    #[test]
    fn messages_have_a_bound_and_are_not_blank() {
        let mut book = Book::new();
        let mut ann = join(&mut book, "ann");
        assert_eq!(say(&mut book, &mut ann, " \n\t").unwrap(), [""; 0]);
        let long = "é".repeat(LONGEST_MESSAGE);
        assert_eq!(say(&mut book, &mut ann, &format!("{long}é")), Err(Refusal::TooLong));
        assert_eq!(say(&mut book, &mut ann, &long).unwrap().len(), 1);
    }

    #[test]
    fn a_member_says_so_many_messages_at_once_and_then_as_many_as_time_passes() {
        let mut book = Book::new();
        let mut ann = join(&mut book, "ann");
        let begin = Instant::now();
        for _ in 0..BURST {
            book.say(&mut ann, "hi", begin).unwrap();
        }
        assert_eq!(book.say(&mut ann, "hi", begin).unwrap_err(), Refusal::TooFast);
        book.say(&mut ann, "hi", begin + PACE).unwrap();
        assert_eq!(book.say(&mut ann, "hi", begin + PACE).unwrap_err(), Refusal::TooFast);
        let later = begin + PACE * BURST * 9; // time that passes in silence is not saved up
        for _ in 0..BURST {
            book.say(&mut ann, "hi", later).unwrap();
        }
        assert_eq!(book.say(&mut ann, "hi", later).unwrap_err(), Refusal::TooFast);
    }

    #[test]
    fn names_are_tidy_and_unique() {
        let mut book = Book::new();
        let wanted = ["  ann ", "ann", "ANN", "a\nnn\u{7}", "", " \t", &"x".repeat(25), &"x".repeat(24)];
        let members = wanted.map(|wanted| join(&mut book, wanted));
        let long = "x".repeat(24);
        let other = format!("{} 2", "x".repeat(22));
        let names = members.each_ref().map(|member| &*member.name);
        assert_eq!(names, ["ann", "ann 2", "ANN 3", "ann 4", "guest", "guest 2", &long, &other]);
        members.iter().for_each(|member| drop(book.leave(member)));
        assert_eq!(join(&mut book, "ann").name, "ann");
    }
}
