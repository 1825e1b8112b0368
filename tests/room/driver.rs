//! A log and a plain model beside it: everything ever published, and naive rules for what of it is left. What
//! both do is compared after each step. The properties and the fuzz target drive the same.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use talkback::room::{
    After, ClientId, Cursor, CursorError, Limits, Log, MAX_JSON_DEPTH, MessageId, Page, PageLimits,
    Publication, PublishError,
};

pub(crate) const EPOCH: u64 = 0x0123_4567_89ab_cdef;
/// When the model's clock began, in milliseconds since the Unix epoch.
const BEGIN: u64 = 1_700_000_000_000;

/// Something that was published. The place in the model is the sequence number less one.
struct Entry {
    name: (u8, u8),
    elapsed: Duration,
    json: String,
    is_kept: bool,
    is_remembered: bool,
}

/// A reader with what it has: a place, the numbers it got, and the ranges it was told are gone.
struct Reader {
    after: After,
    /// The next number it should hear of; unknown until it has read once.
    expected: Option<u64>,
}

/// From where to read, of all places that there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Start,
    End,
    Unreadable,
    /// This many publications before the last; negative: in the future.
    Back(i64),
    OtherEpoch(u64),
}

pub(crate) struct Driver {
    limits: Limits,
    log: Log,
    start: Instant,
    elapsed: Duration,
    entries: Vec<Entry>,
    readers: Vec<Reader>,
}

/// Any ids and data, of which some need escapes or have ends of line in them.
fn client(number: u8) -> String {
    format!("c{}\"{number}", "\\".repeat(usize::from(number % 3)))
}

/// Whether some reader would refuse it. All brackets there are in it are nested.
fn is_refused(data: &RawValue) -> bool {
    let depth = data.get().matches(['[', '{']).count();
    depth > MAX_JSON_DEPTH || serde_json::from_str::<serde_json::Value>(data.get()).is_err()
}

fn data(len: usize, number: u8) -> String {
    match number % 5 {
        0 => format!("\"{}\"", "x".repeat(len)),
        1 => format!("[\n{}\r\n]", " ".repeat(len)),
        2 => format!("{{\"text\":\"\\n\u{e4}\",\r\"n\":{len}}}"),
        3 => "[".repeat(len + 1) + &"]".repeat(len + 1),
        // A surrogate pair or half of one, and a number that may be out of range.
        _ => format!("{{\"\\ud83d\\u{:04x}\":1e{}}}", 0xdbf8 + len % 32, 2 * len),
    }
}

impl Driver {
    pub(crate) fn new(limits: Limits) -> Self {
        let (start, elapsed) = (Instant::now(), Duration::ZERO);
        Self { limits, log: Log::new(EPOCH, limits), start, elapsed, entries: vec![], readers: vec![] }
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The sequence number of the oldest that is kept; of the next, if none is.
    fn first(&self) -> u64 {
        1 + self.entries.iter().position(|entry| entry.is_kept).unwrap_or(self.entries.len()) as u64
    }

    fn kept(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_kept)
    }

    pub(crate) fn pass(&mut self, elapsed: Duration) {
        self.elapsed += elapsed;
    }

    pub(crate) fn publish(&mut self, (client_number, message_number): (u8, u8), len: usize) {
        self.age();
        let client_id = ClientId::new(&client(client_number)).unwrap();
        let message_id = MessageId::new(&format!("m{message_number}")).unwrap();
        let data = RawValue::from_string(data(len, message_number)).unwrap();
        let at = BEGIN + u64::try_from(self.elapsed.as_millis()).unwrap();
        let result = self.log.publish(self.now(), at, &client_id, &message_id, &data);

        let name = (client_number, message_number);
        let known = self.entries.iter().rposition(|entry| entry.is_remembered && entry.name == name);
        if let Some(index) = known {
            let published = result.unwrap();
            assert_eq!((published.cursor, published.is_new), (Cursor::new(EPOCH, index as u64 + 1), false));
            return self.check();
        }
        if is_refused(&data) {
            assert!(matches!(result, Err(PublishError::Data(_))));
            return self.check();
        }
        let cursor = Cursor::new(EPOCH, self.last() + 1);
        let quoted = serde_json::to_string(&client(client_number)).unwrap();
        let one_line = data.get().replace(['\r', '\n'], "");
        let json = format!(
            r#"{{"id":"{cursor}","at":{at},"client":{quoted},"message":"m{message_number}","data":{one_line}}}"#
        );
        let max = self.limits.max_len.unwrap_or(usize::MAX);
        let max = self.limits.max_publication_len.unwrap_or(usize::MAX).min(max);
        if json.len() > max {
            assert_eq!(result, Err(PublishError::TooBig { len: json.len(), max }));
            return self.check();
        }
        let published = result.unwrap();
        assert_eq!((published.cursor, published.is_new), (cursor, true));
        let elapsed = self.elapsed;
        self.entries.push(Entry { name, elapsed, json, is_kept: true, is_remembered: true });
        while !self.fits() {
            self.entries.iter_mut().find(|entry| entry.is_kept).unwrap().is_kept = false;
        }
        self.forget();
        self.check();
    }

    fn fits(&self) -> bool {
        let (count, len) = (self.kept().count(), self.kept().map(|entry| entry.json.len()).sum::<usize>());
        count <= self.limits.max_count.unwrap_or(usize::MAX).max(1)
            && len <= self.limits.max_len.unwrap_or(usize::MAX)
    }

    fn is_old(&self, entry: &Entry) -> bool {
        self.limits.max_age.is_some_and(|max| self.elapsed - entry.elapsed >= max)
    }

    /// Drops what is too old by now.
    fn age(&mut self) {
        for index in 0..self.entries.len() {
            self.entries[index].is_kept &= !self.is_old(&self.entries[index]);
        }
        self.forget();
    }

    fn forget(&mut self) {
        let max_remembered_count = self.limits.max_remembered_count.unwrap_or(usize::MAX);
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            let is_one_of_the_last = self.entries.len() - index <= max_remembered_count;
            let remains = entry.is_kept || (!self.is_old(entry) && is_one_of_the_last);
            self.entries[index].is_remembered &= remains;
        }
    }

    pub(crate) fn expire(&mut self) {
        let due = self.log.poll_timeout();
        let changes = due.is_some_and(|due| due <= self.now());
        let before = self.first();
        self.log.expire(self.now());
        self.age();
        assert!(changes || before == self.first(), "nothing expires before it is due");
        assert!(self.log.poll_timeout().is_none_or(|due| due > self.now()));
        self.check();
    }

    /// Reads once from a place, and compares what is read.
    pub(crate) fn read(&self, place: Place, limits: PageLimits) {
        let (first, last) = (self.first(), self.last());
        let cursor = |seq| (After::Cursor(Cursor::new(EPOCH, seq)), Some(seq));
        // Where the reader is, if it is anywhere.
        let (after, seq) = match place {
            Place::Start => (After::Start, Some(first - 1)),
            Place::End => (After::End, Some(last)),
            Place::Unreadable => (After::from("x".parse()), None),
            Place::Back(count) => cursor(last.saturating_add_signed(count.saturating_neg())),
            Place::OtherEpoch(seq) => (After::Cursor(Cursor::new(EPOCH ^ 1, seq)), None),
        };
        // Complete, if each that comes after it is kept.
        let complete = seq.filter(|seq| (first - 1..=last).contains(seq));
        let page = self.log.read(after, limits);
        assert_eq!(page.gap().is_some(), complete.is_none());
        self.check_page(&page, complete.unwrap_or(first - 1), limits);
    }

    /// Compares a page that begins behind `seq`.
    fn check_page(&self, page: &Page<'_>, seq: u64, limits: PageLimits) {
        if let Some(gap) = page.gap() {
            assert_eq!((gap.epoch, gap.first, gap.last), (EPOCH, self.first(), self.last()));
            let cursor = Cursor::new(EPOCH, seq);
            assert_eq!(gap.cursor(), cursor);
            let line: serde_json::Value = serde_json::from_slice(&gap.line()).unwrap();
            assert_eq!((&line["id"], &line["gap"]["last"]), (&cursor.to_string().into(), &gap.last.into()));
        }
        let mut expected: Vec<&Entry> = Vec::new();
        let mut len = 0;
        for entry in self.entries.iter().skip(usize::try_from(seq).unwrap()) {
            len += entry.json.len();
            let is_over = expected.len() >= limits.max_count.unwrap_or(usize::MAX)
                || len > limits.max_len.unwrap_or(usize::MAX);
            if is_over && !expected.is_empty() {
                break;
            }
            expected.push(entry);
        }
        let read: Vec<&Publication> = page.publications().collect();
        assert_eq!(read.len(), expected.len());
        for (index, (publication, entry)) in read.iter().zip(&expected).enumerate() {
            assert_eq!(publication.cursor(), Cursor::new(EPOCH, seq + 1 + index as u64));
            check_encodings(publication, &entry.json);
        }
        let end = seq + expected.len() as u64;
        assert_eq!(page.cursor(), Cursor::new(EPOCH, end));
        assert_eq!(page.has_more(), end < self.last());
        assert_eq!(page.is_empty(), page.gap().is_none() && expected.is_empty());
        let (first, last, gap, cursor) = (self.first(), self.last(), page.gap().is_some(), page.cursor());
        let messages = expected.iter().map(|entry| entry.json.as_str()).collect::<Vec<_>>().join(",");
        let head = format!(r#"{{"epoch":"{EPOCH:016x}","first":{first},"last":{last},"gap":{gap}"#);
        let body = format!(r#"{head},"cursor":"{cursor}","messages":[{messages}]}}"#);
        assert_eq!(page.to_json(), body.as_bytes());
    }

    /// A reader comes.
    pub(crate) fn join(&mut self, from_start: bool) {
        let after = if from_start { After::Start } else { After::End };
        self.readers.push(Reader { after, expected: None });
        self.step(self.readers.len() - 1, PageLimits::default().max_count(Some(1)));
    }

    /// A reader reads on. It hears of each publication once and in order, or that it missed it.
    pub(crate) fn step(&mut self, index: usize, limits: PageLimits) {
        let count = self.readers.len().max(1);
        let (first, last) = (self.first(), self.last());
        let Some(reader) = self.readers.get_mut(index % count) else { return };
        let page = self.log.read(reader.after, limits);
        let mut expected = match (reader.expected, reader.after) {
            (Some(expected), _) => expected,
            (None, After::End) => last + 1,
            (None, _) => first,
        };
        assert_eq!(page.gap().is_some(), expected < first, "a gap says that something is gone, and is told");
        if let Some(gap) = page.gap() {
            expected = gap.first;
        }
        for publication in page.publications() {
            assert_eq!(publication.cursor(), Cursor::new(EPOCH, expected));
            expected += 1;
        }
        assert!(page.has_more() || expected == last + 1, "who has read all has missed nothing");
        *reader = Reader { after: page.cursor().into(), expected: Some(expected) };
    }

    pub(crate) fn check(&self) {
        let kept_len = self.kept().map(|entry| entry.json.len()).sum::<usize>();
        assert_eq!((self.log.count(), self.log.kept_len()), (self.kept().count(), kept_len));
        assert_eq!(self.log.cursor(), Cursor::new(EPOCH, self.last()));
        let oldest = self.entries.iter().find(|entry| entry.is_remembered);
        let due = oldest.zip(self.limits.max_age).map(|(entry, max)| self.start + entry.elapsed + max);
        assert_eq!(self.log.poll_timeout(), due);
    }
}

fn check_encodings(publication: &Publication, json: &str) {
    assert_eq!(publication.json(), json.as_bytes());
    assert_eq!(publication.line(), format!("{json}\n").as_bytes());
    let cursor = publication.cursor();
    assert_eq!(publication.event(), format!("id: {cursor}\ndata: {json}\n\n").as_bytes());
    assert_eq!(publication.websocket().payload(), json.as_bytes());
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(value["id"], cursor.to_string());
    assert_eq!(value["at"], publication.at());
    assert_eq!(value["client"], publication.client().as_str());
    assert_eq!(value["message"], publication.message().as_str());
    assert_eq!(value["data"], serde_json::from_slice::<serde_json::Value>(publication.data()).unwrap());
}

/// A text is a cursor only if it is what that cursor is written as.
pub(crate) fn check_cursor(text: &str) {
    match text.parse::<Cursor>() {
        Ok(cursor) => assert_eq!(cursor.to_string(), text),
        Err(CursorError::TooLong { len, max }) => assert!(len == text.len() && len > max),
        Err(_) => assert_eq!(After::from(text.parse()), After::Unreadable),
    }
}
