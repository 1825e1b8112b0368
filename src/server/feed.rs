//! What is published to many: kept once, and read by each from where it is.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::peer::{Command, Mailbox, lock};
use crate::handshake::DeflateParameters;

/// Publications in order, numbered from 1, of which the last ones are kept.
pub(crate) trait Source: fmt::Debug + Send {
    /// How many publications there were: the number of the last one.
    fn last(&self) -> u64;

    /// The number of the publication before the first that is kept.
    fn before_kept(&self) -> u64;

    /// What is kept, oldest first, but for the first `skip`.
    fn pieces(&self, skip: usize, form: &Form) -> Box<dyn Iterator<Item = Bytes> + '_>;

    /// All who read have had this one, and those before it.
    fn forget(&mut self, done: u64) {
        let _ = done;
    }

    /// Whether what is kept no longer was dropped for who has not had it: that is counted, and it is told so or
    /// closed.
    fn drops(&self) -> bool {
        false
    }

    /// What who has not had them gets in the place of those that are kept no longer. `None`: nothing, the later
    /// ones say all.
    fn gap(&self, form: &Form) -> Option<Bytes> {
        let _ = form;
        None
    }
}

/// In which form a reader is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// WebSocket frames, compressed if that was agreed on.
    Frames(Option<DeflateParameters>),
    /// Server-sent events, in chunks.
    Events,
    /// Lines, in chunks.
    #[cfg(feature = "rooms")]
    Lines,
}

impl Form {
    /// A piece as it is written.
    fn wrap(&self, piece: Bytes) -> Bytes {
        match self {
            Self::Frames(_) => piece,
            _ => {
                let mut chunk = Vec::with_capacity(piece.len() + 12);
                encode_chunk(&piece, &mut chunk);
                chunk.into()
            }
        }
    }
}

/// Appends a chunk (RFC 9112 §7.1); an empty one is the last.
pub(super) fn encode_chunk(data: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    output.extend_from_slice(data);
    output.extend_from_slice(b"\r\n");
}

/// A source, and the loops that have readers of it. Cloning gives the same one.
pub(crate) struct Feed<S: ?Sized = dyn Source>(Arc<Inside<S>>);

struct Inside<S: ?Sized> {
    number: u64,
    shared: Mutex<Shared<S>>,
}

/// The mailboxes' locks are taken while that of this is held, never the other way round.
struct Shared<S: ?Sized> {
    loops: Vec<Reader>,
    source: S,
}

/// A loop that has readers.
struct Reader {
    mailbox: Arc<Mailbox>,
    /// Whether it knows that there is news.
    told: bool,
    /// Up to which publication none of its readers needs any.
    done: u64,
}

impl<S: ?Sized> Clone for Feed<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Source + ?Sized> fmt::Debug for Feed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("number", &self.0.number).finish_non_exhaustive()
    }
}

impl<S: Source + 'static> Feed<S> {
    pub(crate) fn new(source: S) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inside { number, shared: Mutex::new(Shared { loops: Vec::new(), source }) }))
    }

    /// The same one, of whatever source.
    pub(crate) fn of_any(&self) -> Feed {
        let inside: Arc<Inside<dyn Source>> = Arc::clone(&self.0) as _;
        Feed(inside)
    }

    /// Does something with the source. If it was a publication, the readers get it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut S) -> T) -> T {
        let shared = &mut *lock(&self.0.shared);
        let before = shared.source.last();
        let done = act(&mut shared.source);
        let last = shared.source.last();
        if last != before {
            if shared.loops.is_empty() {
                shared.source.forget(last); // nobody will ask for it
            }
            for reader in &mut shared.loops {
                if !std::mem::replace(&mut reader.told, true) {
                    reader.mailbox.post(Command::News(self.of_any()));
                }
            }
        }
        done
    }
}

impl Feed {
    pub(super) fn number(&self) -> u64 {
        self.0.number
    }

    /// Has a loop told of what is published from now on; the number of the last publication before.
    pub(super) fn add_loop(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let shared = &mut *lock(&self.0.shared);
        let last = shared.source.last();
        if shared.reader(mailbox).is_none() {
            shared.loops.push(Reader { mailbox: Arc::clone(mailbox), told: false, done: last });
        }
        last
    }

    /// No reader is left in a loop.
    pub(super) fn remove_loop(&self, mailbox: &Arc<Mailbox>) {
        let shared = &mut *lock(&self.0.shared);
        shared.loops.retain(|reader| !Arc::ptr_eq(&reader.mailbox, mailbox));
        shared.forget();
    }

    /// What was published behind `after`, for a loop that is told of the next one again.
    pub(super) fn news(&self, mailbox: &Arc<Mailbox>, after: u64, form: Form) -> Batch {
        let shared = &mut *lock(&self.0.shared);
        if let Some(reader) = shared.reader(mailbox) {
            reader.told = false;
        }
        Batch::new(&shared.source, after, form, usize::MAX)
    }

    /// What is kept behind `after`, of about `max_len` bytes at most.
    pub(super) fn read(&self, after: u64, form: Form, max_len: usize) -> Batch {
        Batch::new(&lock(&self.0.shared).source, after, form, max_len)
    }

    /// All readers in a loop have had all up to `done`.
    pub(super) fn note_done(&self, mailbox: &Arc<Mailbox>, done: u64) {
        let shared = &mut *lock(&self.0.shared);
        if let Some(reader) = shared.reader(mailbox) {
            reader.done = done;
        }
        shared.forget();
    }
}

impl Shared<dyn Source> {
    fn reader(&mut self, mailbox: &Arc<Mailbox>) -> Option<&mut Reader> {
        self.loops.iter_mut().find(|reader| Arc::ptr_eq(&reader.mailbox, mailbox))
    }

    fn forget(&mut self) {
        let done = self.loops.iter().map(|reader| reader.done).min();
        self.source.forget(done.unwrap_or(self.source.last()));
    }
}

/// Publications that follow each other, in one form, to be written to many.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) form: Form,
    /// The number of the publication before the first.
    pub(super) after: u64,
    /// The number of the publication before the first that was kept then.
    pub(super) oldest: u64,
    /// Whether those that were kept no longer were dropped: see [`Source::drops`].
    pub(super) drops: bool,
    /// What stands for them, if there were some behind `after`.
    pub(super) gap: Option<Bytes>,
    pub(super) bytes: Bytes,
    /// Where each publication ends.
    ends: Vec<usize>,
}

impl Batch {
    fn new(source: &dyn Source, after: u64, form: Form, max_len: usize) -> Self {
        let oldest = source.before_kept();
        let gap = if after < oldest { source.gap(&form).map(|piece| form.wrap(piece)) } else { None };
        let after = after.clamp(oldest, source.last());
        let drops = source.drops();
        let mut batch = Self { form, after, oldest, drops, gap, bytes: Bytes::new(), ends: Vec::new() };
        let skip = usize::try_from(after - oldest).unwrap_or(usize::MAX);
        let mut pieces = source.pieces(skip, &form).map(|piece| form.wrap(piece));
        let (Some(first), second) = (pieces.next(), pieces.next()) else { return batch };
        let Some(second) = second else {
            batch.ends.push(first.len());
            batch.bytes = first; // shared, not copied
            return batch;
        };
        let mut bytes = Vec::new();
        for piece in [first, second].into_iter().chain(pieces) {
            if !bytes.is_empty() && bytes.len() + piece.len() > max_len {
                break;
            }
            bytes.extend_from_slice(&piece);
            batch.ends.push(bytes.len());
        }
        batch.bytes = bytes.into();
        batch
    }

    /// The number of the last publication.
    pub(super) fn last(&self) -> u64 {
        self.number(self.ends.len())
    }

    /// Where the bytes begin that follow a publication. All of it must be in here, or before.
    pub(super) fn offset(&self, publication: u64) -> usize {
        let count = usize::try_from(publication.saturating_sub(self.after)).unwrap_or(usize::MAX);
        let ends = self.ends.get(..count).unwrap_or(&self.ends);
        ends.last().copied().unwrap_or_default()
    }

    /// Of a writer that got to `offset`: the publication that it is in, or behind, and where that ends.
    pub(super) fn reached(&self, offset: usize) -> (u64, usize) {
        if offset == self.bytes.len() {
            return (self.last(), offset); // so it is with most
        }
        let whole = self.ends.partition_point(|end| *end <= offset);
        let begun = whole.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        match self.ends.get(whole) {
            Some(end) if begun < offset => (self.number(whole + 1), *end),
            _ => (self.number(whole), offset),
        }
    }

    fn number(&self, count: usize) -> u64 {
        self.after.saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
    }
}
