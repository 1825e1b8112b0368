//! A loop: waits for sockets, commands and time, and gives each its turn.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::accepting::Places;
use super::connection::Hub;
use super::entry::{Entry, Pool, Stage};
use super::means::{Means, Timeouts};
use super::peer::{Command, Mailbox, PeerState, Slot, lock};
use super::timers::{Clock, Tick, Wheel};
use super::turn::as_u64;
use super::{Accept, Handler, Overflow, Snapshot, trace};
use crate::frame::{CloseCode, CloseFrame};
use crate::http::Response;

pub(super) const WAKER: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);
/// How many events are taken from the system at a time.
const MAX_EVENT_COUNT: usize = 1024;
/// What is read at a time, for all connections of a loop.
const BUFFER_LEN: usize = 512 * 1024;
/// How old the numbers that are shown may get.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(50);

/// What a loop is made of.
pub(super) struct Setup {
    pub(super) index: u32,
    pub(super) poll: Poll,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) accept: Accept,
    pub(super) overflow: Overflow,
    /// All loops, for the one that accepts.
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) places: Arc<Places>,
}

pub(super) struct EventLoop<H: Handler> {
    pub(super) poll: Poll,
    pub(super) listener: Option<TcpListener>,
    /// Accepting pauses until then.
    pub(super) accept_again: Option<Instant>,
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) next_mailbox: usize,
    pub(super) places: Arc<Places>,
    clock: Clock,
    wheel: Wheel,
    pub(super) entries: Vec<Option<Entry<H::State>>>,
    /// Places in `entries` that are free.
    pub(super) free: Vec<u32>,
    pub(super) next_generation: u32,
    pub(super) means: Means<H>,
    /// Those that have more to do in the next turn, without waiting for the system.
    again: Vec<u32>,
    pub(super) drain: Option<Drain>,
    /// When the numbers were published last, and whether there are newer ones.
    published: Tick,
    unpublished: bool,
}

/// Closing all connections, one after the other.
pub(super) struct Drain {
    begun: Instant,
    over: Duration,
    /// All places up to here were told.
    told: usize,
    /// How many places there were.
    count: usize,
}

impl<H: Handler> EventLoop<H> {
    pub(super) fn new(setup: Setup, handler: H, listener: Option<std::net::TcpListener>) -> io::Result<Self> {
        let Setup { index, poll, mailbox, accept, overflow, mailboxes, places } = setup;
        let listener = listener.map(|listener| {
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
            io::Result::Ok(listener)
        });
        let clock = Clock::new(Instant::now());
        let now = clock.tick(Instant::now());
        let max_output_len = accept.config.output_len_limit();
        let hub = Hub {
            loop_index: index,
            mailbox,
            members: Default::default(),
            max_output_len,
            snapshot: Snapshot::default(),
        };
        let means = Means {
            handler,
            hub,
            buffer: vec![0; BUFFER_LEN],
            pool: Pool::new(accept.config.clone()),
            timeouts: Timeouts::new(&accept),
            accept,
            overflow,
            now,
            unflushed: Vec::new(),
        };
        Ok(Self {
            poll,
            listener: listener.transpose()?,
            accept_again: None,
            mailboxes,
            next_mailbox: 0,
            places,
            clock,
            wheel: Wheel::new(now),
            entries: Vec::new(),
            free: Vec::new(),
            next_generation: 0,
            means,
            again: Vec::new(),
            drain: None,
            published: now,
            unpublished: false,
        })
    }

    /// Serves until it is drained.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(MAX_EVENT_COUNT);
        let (mut commands, mut due, mut again) = (Vec::new(), Vec::new(), Vec::new());
        let result = loop {
            match self.poll.poll(&mut events, self.wait()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
                Ok(()) => {}
            }
            let begin = Instant::now();
            self.means.now = self.clock.tick(begin);
            self.turn(&events, &mut commands, &mut due, &mut again, begin);
            self.means.hub.snapshot.busy += begin.elapsed();
            self.publish_snapshot();
            if self.drain.is_some() && self.entries.len() == self.free.len() {
                break Ok(());
            }
        };
        self.means.hub.mailbox.end();
        result
    }

    /// How long nothing is to be done unless the system says so.
    fn wait(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let due = self.wheel.next().map(|tick| self.clock.until(tick, now));
        let accept = self.accept_again.map(|at| at.saturating_duration_since(now));
        let drain = self.drain.as_ref().map(|drain| drain.wait(now));
        let publish = self.unpublished.then_some(PUBLISH_INTERVAL);
        // The system rounds down to its own ticks, and would wake us just before.
        due.into_iter()
            .chain(accept)
            .chain(drain)
            .chain(publish)
            .min()
            .map(|wait| wait + Duration::from_millis(1))
    }

    fn turn(
        &mut self,
        events: &Events,
        commands: &mut Vec<Command>,
        due: &mut Vec<u32>,
        again: &mut Vec<u32>,
        now: Instant,
    ) {
        std::mem::swap(&mut self.again, again);
        let mut accept = self.accept_again.take_if(|at| *at <= now).is_some();
        let mut woken = false;
        for event in events {
            match event.token() {
                WAKER => woken = true,
                LISTENER => accept = true,
                Token(index) => {
                    let Some(Some(entry)) = self.entries.get_mut(index) else { continue };
                    entry.ready.read |= event.is_readable() || event.is_read_closed() || event.is_error();
                    entry.ready.read_closed |= event.is_read_closed() || event.is_error();
                    entry.ready.write |= event.is_writable() || event.is_write_closed() || event.is_error();
                    if let (false, Ok(index)) = (entry.ready.listed, u32::try_from(index)) {
                        self.give_turn(index);
                    }
                }
            }
        }
        for index in again.drain(..) {
            if let Some(Some(entry)) = self.entries.get_mut(as_usize(index)) {
                entry.ready.listed = false;
                self.give_turn(index);
            }
        }
        if woken {
            self.means.hub.mailbox.take(commands);
            commands.drain(..).for_each(|command| self.obey(command, now));
        }
        self.wheel.turn(self.means.now, due);
        due.drain(..).for_each(|index| self.look_at(index));
        self.drain_on(now);
        self.flush_all();
        if accept && self.drain.is_none() {
            self.accept(now);
        }
    }

    fn give_turn(&mut self, index: u32) {
        let Some(Some(entry)) = self.entries.get_mut(as_usize(index)) else { return };
        let slot = Slot { index, generation: entry.generation };
        let goes_on = entry.turn(&mut self.means, slot);
        self.settle(index, goes_on);
    }

    /// After a turn: whether it is gone, goes on at once, or waits, and until when.
    #[inline(always)]
    pub(super) fn settle(&mut self, index: u32, goes_on: Option<bool>) {
        let Some(goes_on) = goes_on else { return self.remove(index) };
        let Some(Some(entry)) = self.entries.get_mut(as_usize(index)) else { return };
        if goes_on && !entry.ready.listed {
            entry.ready.listed = true;
            self.again.push(index);
        }
        let due = entry.due(&self.means.timeouts);
        if due < entry.scheduled {
            entry.scheduled = due;
            self.wheel.insert(index, due);
        }
    }

    #[cold]
    fn remove(&mut self, index: u32) {
        let Some(mut entry) = self.entries.get_mut(as_usize(index)).and_then(Option::take) else { return };
        self.poll.registry().deregister(&mut entry.stream).unwrap_or_default();
        self.free.push(index);
        self.places.give_back();
    }

    /// Its time has come, or had.
    fn look_at(&mut self, index: u32) {
        let Some(Some(entry)) = self.entries.get_mut(as_usize(index)) else { return };
        if entry.scheduled > self.means.now {
            return; // that was for an earlier one, or an earlier deadline
        }
        entry.scheduled = Tick::NEVER;
        let slot = Slot { index, generation: entry.generation };
        if entry.due(&self.means.timeouts) <= self.means.now {
            let goes_on = entry.expire(&mut self.means, slot);
            self.settle(index, goes_on);
        } else {
            self.settle(index, Some(false));
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Serve(stream) => self.serve(TcpStream::from_std(stream)),
            Command::Send(slot, message) => {
                self.with_open(slot, |entry, means| entry.mail(message, means, slot))
            }
            Command::SendPrepared(slot, prepared) => {
                self.with_open(slot, |entry, means| entry.mail_prepared(&prepared, means, slot));
            }
            Command::Refused(slot) => self.with_open(slot, |entry, means| entry.note_refusal(means, slot)),
            Command::Close(slot, frame) => {
                self.with_open(slot, |entry, means| entry.close(frame, means, slot))
            }
            Command::Chunk(slot, data) => {
                self.with_open(slot, |entry, means| entry.add_chunk(&data, means, slot))
            }
            Command::EndStream(slot) => self.with_open(slot, |entry, means| entry.end_stream(means, slot)),
            Command::Respond(state, response) => self.respond_held(&state, response.as_deref()),
            Command::News(feed) => self.fan_out(&feed),
            Command::Drain(over) => {
                self.listener = None;
                let count = self.entries.len();
                trace::draining(self.means.hub.snapshot.connection_count, over);
                self.drain.get_or_insert(Drain { begun: now, over, told: 0, count });
            }
        }
    }

    fn respond_held(&mut self, state: &Arc<PeerState>, response: Option<&Response>) {
        let (slot, mut goes_on) = (state.id.slot, None);
        self.with_open(slot, |entry, means| {
            goes_on = Some(entry.respond_held(state, response, means, slot));
        });
        if let Some(goes_on) = goes_on {
            self.settle(slot.index, goes_on);
        }
    }

    fn with_open(&mut self, slot: Slot, act: impl FnOnce(&mut Entry<H::State>, &mut Means<H>)) {
        if let Some(Some(entry)) = self.entries.get_mut(as_usize(slot.index))
            && entry.generation == slot.generation
        {
            act(entry, &mut self.means);
        }
    }

    /// Writes what was queued from outside in this turn, once for each.
    fn flush_all(&mut self) {
        let mut unflushed = std::mem::take(&mut self.means.unflushed);
        for index in unflushed.drain(..) {
            let Some(Some(entry)) = self.entries.get_mut(as_usize(index)) else { continue };
            entry.ready.listed = false;
            self.give_turn(index);
        }
        // What these turns had queued is written in the next one.
        self.again.append(&mut self.means.unflushed);
        self.means.unflushed = unflushed;
    }

    /// Tells those whose time it is to go away.
    fn drain_on(&mut self, now: Instant) {
        let Some(drain) = &mut self.drain else { return };
        let (begin, end) = (drain.told, drain.due(now).min(self.entries.len()));
        drain.told = end.max(begin);
        for index in begin..end {
            let Some(Some(entry)) = self.entries.get_mut(index) else { continue };
            let Ok(index) = u32::try_from(index) else { continue };
            let slot = Slot { index, generation: entry.generation };
            match &mut entry.stage {
                Stage::Open(_) => {
                    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server goes down");
                    entry.close(Some(frame), &mut self.means, slot);
                }
                Stage::Stream(_) => entry.drain_stream(&mut self.means, slot),
                Stage::Head(_) => {
                    let goes_on = entry.drain_head(&mut self.means, slot);
                    self.settle(index, goes_on);
                }
                Stage::Ending(_) => {}
            }
        }
    }

    /// Shows the numbers, once a tick at most.
    fn publish_snapshot(&mut self) {
        let snapshot = &mut self.means.hub.snapshot;
        snapshot.socket_count = as_u64(self.entries.len() - self.free.len());
        self.unpublished = self.published == self.means.now;
        if self.unpublished {
            return;
        }
        let Ok(mut published) = self.means.hub.mailbox.snapshot.try_lock() else {
            self.unpublished = true; // somebody is looking: the next turn will do
            return;
        };
        published.clone_from(snapshot);
        self.published = self.means.now;
    }
}

impl<H: Handler> Drop for EventLoop<H> {
    fn drop(&mut self) {
        *lock(&self.means.hub.mailbox.snapshot) = self.means.hub.snapshot.clone();
    }
}

impl Drain {
    /// Up to which place it is time.
    fn due(&self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.begun);
        if passed >= self.over {
            return usize::MAX;
        }
        let share = passed.as_secs_f64() / self.over.as_secs_f64();
        // Of a count of sockets, rounded down: the end is seen to above.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a count"
        )]
        let due = (self.count as f64 * share) as usize;
        due.min(self.count)
    }

    fn wait(&self, now: Instant) -> Duration {
        if self.told >= self.count {
            return Duration::from_millis(50);
        }
        (self.begun + self.over).saturating_duration_since(now).min(Duration::from_millis(20))
    }
}

pub(super) fn as_usize(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
