//! The publications of rooms on their way to the members.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::connection::Hub;
use super::entry::{Entry, Stage, write};
use super::event_loop::{EventLoop, as_usize};
use super::feed::{Batch, Feed, Form};
use super::means::Means;
use super::members::Member;
use super::peer::Slot;
use super::ties::Ties;
use super::timers::Tick;
use super::turn::{as_u64, lost};
use super::{Closed, Handler, Overflow};

/// About how much is written to one that was behind before others have their turn.
const CATCH_UP_LEN: usize = 256 * 1024;
/// What is less than this part of a batch is short: it is copied where it has to wait.
const SHORT_SHARE: usize = 4;

impl<H: Handler> EventLoop<H> {
    /// Writes news to all members that are not behind, at once: what it takes is needed once for all of them, and
    /// is in the cache.
    pub(super) fn fan_out(&mut self, feed: &Feed) {
        let Some(mut gathering) = self.means.hub.members.take(feed) else { return };
        let mailbox = Arc::clone(&self.means.hub.mailbox);
        let served = gathering.served;
        let forms =
            gathering.members.keys().map(|index| self.entries.get(as_usize(*index))?.as_ref()?.form());
        let form = forms.flatten().next().unwrap_or(Form::Frames(None));
        let mut batches = vec![feed.news(&mailbox, served, form)];
        for (index, member) in &mut gathering.members {
            let Some(Some(entry)) = self.entries.get_mut(as_usize(*index)) else { continue };
            let Some(form) = entry.form() else { continue };
            let made = batches.iter().position(|batch| batch.form == form);
            let made = made.unwrap_or_else(|| {
                batches.push(feed.read(served, form, usize::MAX));
                batches.len() - 1
            });
            let Some(batch) = batches.get(made) else { continue };
            let slot = Slot { index: *index, generation: entry.generation };
            let (was_behind, missed) = (member.behind, batch.oldest.saturating_sub(member.cursor));
            if missed > 0 && batch.drops {
                member.cursor = batch.oldest;
                entry.miss(missed, member, &mut self.means, slot);
            } else if missed > 0 && batch.gap.is_some() {
                entry.fall_behind(member, self.means.now); // it gets the gap in its own time
            }
            if !member.behind {
                entry.serve(batch, member, &mut self.means);
            }
            gathering.behind_count += usize::from(member.behind && !was_behind);
            if member.behind && (!was_behind || missed > 0 && batch.drops) {
                entry.list(&mut self.means, *index);
            }
        }
        gathering.served = batches.first().map_or(served, Batch::last).max(served);
        gathering.note_done(&mailbox);
        self.means.hub.members.put_back(gathering);
    }
}

impl<S: 'static> Entry<S> {
    /// In which form it is written to. `None`: it is no member of anything.
    fn form(&self) -> Option<Form> {
        match &self.stage {
            Stage::Open(open) => {
                Some(Form::Frames(open.agreed.filter(|agreed| agreed.server_no_context_takeover)))
            }
            Stage::Stream(stream) => Some(stream.form),
            Stage::Head(_) | Stage::Ending(_) => None,
        }
    }

    fn ties(&mut self) -> Option<&mut Ties> {
        match &mut self.stage {
            Stage::Open(open) => open.link.ties_mut(),
            Stage::Stream(stream) => Some(&mut stream.ties),
            Stage::Head(_) | Stage::Ending(_) => None,
        }
    }

    fn waiting_len(&self) -> usize {
        match &self.stage {
            Stage::Open(open) => open.waiting_len(),
            Stage::Stream(stream) => stream.output.len(),
            Stage::Head(_) | Stage::Ending(_) => 0,
        }
    }

    fn is_closing(&mut self) -> bool {
        let Stage::Open(open) = &mut self.stage else { return false };
        open.protocol.as_mut().is_some_and(|protocol| protocol.outbound().is_closed())
    }

    fn fall_behind(&mut self, member: &mut Member, now: Tick) {
        member.behind = true;
        if let Some(ties) = self.ties() {
            ties.behind = true;
        }
        self.stalled = self.stalled.min(now);
    }

    /// Writes news, unless something waits already.
    fn serve<H: Handler<State = S>>(&mut self, batch: &Batch, member: &mut Member, means: &mut Means<H>) {
        let done = if self.is_closing() {
            member.cursor = batch.last();
            self.waiting_len() == 0
        } else {
            // An error comes again when it goes on.
            self.waiting_len() == 0 && self.write_batch(batch, &mut member.cursor, means).unwrap_or_default()
        };
        if !done {
            self.fall_behind(member, means.now);
        }
    }

    /// Publications are kept no longer that it was to have: it is told so, or closed, before it gets the rest.
    fn miss<H: Handler<State = S>>(
        &mut self,
        count: u64,
        member: &mut Member,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        if self.is_closing() {
            return;
        }
        if let Stage::Open(open) = &mut self.stage {
            open.overflow(means, slot, count);
            (member.behind, open.link.tie().behind) = (true, true);
        }
    }

    /// Goes on with the publications of rooms that it couldn't take before. Whether it is behind still, and if
    /// so, whether it goes on at once.
    #[inline(always)]
    pub(super) fn catch_up<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> Result<Option<bool>, Closed> {
        match self.ties() {
            Some(Ties { behind: true, rooms, .. }) => {
                let rooms = rooms.clone();
                self.catch_up_in(rooms, means, slot)
            }
            _ => Ok(None),
        }
    }

    #[inline(never)]
    fn catch_up_in<H: Handler<State = S>>(
        &mut self,
        rooms: Vec<u64>,
        means: &mut Means<H>,
        slot: Slot,
    ) -> Result<Option<bool>, Closed> {
        let Some(form) = self.form() else { return Ok(None) };
        if self.waiting_len() > 0 {
            return Ok(Some(true)); // it was told that there is room again, and has answered
        }
        if !self.ready.write {
            self.stalled = self.stalled.min(means.now);
            return Ok(Some(false)); // whatever it sends meanwhile, nothing is looked up for it
        }
        for number in rooms {
            if self.is_closing() {
                break;
            }
            let Some((feed, mut cursor)) = behind_at(&mut means.hub, number, slot) else { continue };
            let batch = feed.read(cursor, form, CATCH_UP_LEN);
            if batch.after > cursor {
                set_cursor(&mut means.hub, number, slot, batch.after);
                if batch.drops || batch.gap.is_some() {
                    self.skip(batch.after - cursor, batch.gap, means, slot);
                    return Ok(Some(true)); // it is told before it gets the rest
                }
                cursor = batch.after;
            }
            let before = cursor;
            let done = self.write_batch(&batch, &mut cursor, means).map_err(|error| lost(&error))?;
            set_cursor(&mut means.hub, number, slot, cursor);
            if cursor > before {
                self.note_progress(means.now);
            }
            if !done {
                self.stalled = self.stalled.min(means.now);
                return Ok(Some(false));
            }
            if before < batch.last() {
                return Ok(Some(true)); // others have their turn
            }
            set_caught_up(&mut means.hub, number, slot);
        }
        if let Some(ties) = self.ties() {
            ties.behind = false;
        }
        self.stalled = Tick::NEVER;
        Ok(None)
    }

    /// It goes on behind publications that are kept no longer.
    fn skip<H: Handler<State = S>>(
        &mut self,
        count: u64,
        gap: Option<Bytes>,
        means: &mut Means<H>,
        slot: Slot,
    ) {
        match &mut self.stage {
            Stage::Open(open) => open.overflow(means, slot, count),
            Stage::Stream(_) => {
                means.hub.snapshot.dropped_count += count;
                if means.overflow == Overflow::Close {
                    return self.end_stream(means, slot);
                }
            }
            Stage::Head(_) | Stage::Ending(_) => return,
        }
        if let (Some(gap), false) = (gap, self.is_closing()) {
            self.push_rest(gap, means);
        }
    }

    fn push_rest<H: Handler<State = S>>(&mut self, bytes: Bytes, means: &mut Means<H>) {
        match &mut self.stage {
            Stage::Open(open) => open.protocol(&mut means.pool).outbound().push_rest(bytes),
            Stage::Stream(stream) => stream.output.bytes.extend_from_slice(&bytes),
            Stage::Head(_) | Stage::Ending(_) => {}
        }
    }

    /// That it takes something is the sign of life.
    fn note_progress(&mut self, now: Tick) {
        (self.since, self.stalled) = (now, now);
        if let Stage::Open(open) = &mut self.stage {
            open.pinged = false;
        }
    }

    /// Writes what follows `cursor`, as much as the socket takes, where nothing waits; the rest of one that was
    /// begun is queued. Whether all was written.
    fn write_batch<H: Handler<State = S>>(
        &mut self,
        batch: &Batch,
        cursor: &mut u64,
        means: &mut Means<H>,
    ) -> io::Result<bool> {
        let begin = batch.offset(*cursor);
        let mut at = begin;
        while let Some(rest @ [_, ..]) = batch.bytes.get(at..)
            && self.ready.write
        {
            at += write(&self.stream, &mut self.ready, rest)?;
        }
        let (reached, end) = batch.reached(at);
        if at < end {
            let rest = batch.bytes.slice(at..end);
            // A short rest doesn't keep all the others.
            let is_short = rest.len() < batch.bytes.len() / SHORT_SHARE;
            self.push_rest(if is_short { Bytes::copy_from_slice(&rest) } else { rest }, means);
        }
        if let Stage::Stream(stream) = &mut self.stage {
            stream.written = means.now;
        }
        let snapshot = &mut means.hub.snapshot;
        snapshot.sent_len += as_u64(at - begin);
        snapshot.sent_count += reached.saturating_sub(*cursor);
        *cursor = reached.max(*cursor);
        Ok(at == batch.bytes.len())
    }
}

/// Where a member is that is behind in a room.
fn behind_at(hub: &mut Hub, room: u64, slot: Slot) -> Option<(Feed, u64)> {
    let gathering = hub.members.of(room)?;
    let member = gathering.members.get(&slot.index).filter(|member| member.behind)?;
    Some((gathering.feed.clone(), member.cursor))
}

fn set_cursor(hub: &mut Hub, room: u64, slot: Slot, cursor: u64) {
    let member = hub.members.of(room).and_then(|gathering| gathering.members.get_mut(&slot.index));
    if let Some(member) = member {
        member.cursor = cursor;
    }
}

/// It has had all that there is: it goes on with the others.
fn set_caught_up(hub: &mut Hub, room: u64, slot: Slot) {
    let Some(gathering) = hub.members.of(room) else { return };
    if let Some(member) = gathering.members.get_mut(&slot.index) {
        member.behind = false;
        gathering.caught_up(&hub.mailbox);
    }
}
