//! The publications of rooms on their way to the members.

use std::io::{self, IoSlice};
use std::sync::Arc;

use mio::net::TcpStream;

use super::connection::Hub;
use super::entry::{Entry, Open, Ready, Stage, write};
use super::event_loop::{EventLoop, as_usize};
use super::means::Means;
use super::members::Member;
use super::peer::Slot;
use super::room::{Batch, Room};
use super::timers::Tick;
use super::turn::{as_u64, lost};
use super::{Closed, Handler};
use crate::handshake::DeflateParameters;

/// About how much is written to one that was behind before others have their turn.
const CATCH_UP_LEN: usize = 256 * 1024;

impl<H: Handler> EventLoop<H> {
    /// Writes news to all members that are not behind, at once: what it takes is needed once for all of them, and
    /// is in the cache.
    pub(super) fn fan_out(&mut self, room: &Room) {
        let Some(mut gathering) = self.means.hub.members.take(room) else { return };
        let mailbox = Arc::clone(&self.means.hub.mailbox);
        let plain = room.news(&mailbox, gathering.served, None);
        let mut compressed: Option<(DeflateParameters, Batch)> = None;
        for (index, member) in &mut gathering.members {
            let Some(Some(entry)) = self.entries.get_mut(as_usize(*index)) else { continue };
            let slot = Slot { index: *index, generation: entry.generation };
            let (was_behind, missed) = (member.behind, plain.oldest.saturating_sub(member.cursor));
            if missed > 0 {
                member.cursor = plain.oldest;
                entry.miss(missed, member, &mut self.means, slot);
            }
            let batch = match entry.agreed() {
                None => &plain,
                Some(agreed) => {
                    let made = compressed.take().filter(|(of, _)| *of == agreed);
                    let made =
                        made.unwrap_or_else(|| (agreed, room.read(plain.after, Some(&agreed), usize::MAX)));
                    &compressed.insert(made).1
                }
            };
            if !member.behind {
                entry.serve(batch, member, &mut self.means);
            }
            gathering.behind_count += usize::from(member.behind && !was_behind);
            if member.behind && (!was_behind || missed > 0) {
                entry.list(&mut self.means, *index);
            }
        }
        gathering.served = plain.last().max(gathering.served);
        gathering.note_done(&mailbox);
        self.means.hub.members.put_back(gathering);
    }
}

impl<S: 'static> Entry<S> {
    fn agreed(&self) -> Option<DeflateParameters> {
        let Stage::Open(open) = &self.stage else { return None };
        open.agreed.filter(|agreed| agreed.server_no_context_takeover)
    }

    /// Writes news, unless something waits already.
    fn serve<H: Handler<State = S>>(&mut self, batch: &Batch, member: &mut Member, means: &mut Means<H>) {
        let Self { stream, ready, stalled, stage: Stage::Open(open), .. } = self else { return };
        if open.is_closing() {
            member.cursor = batch.last();
        } else if open.waiting_len() == 0 {
            // An error comes again when it goes on.
            open.write_batch(stream, ready, batch, &mut member.cursor, means).unwrap_or_default();
        }
        if open.waiting_len() > 0 || member.cursor < batch.last() {
            (member.behind, open.link.behind) = (true, true);
            *stalled = (*stalled).min(means.now);
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
        let Stage::Open(open) = &mut self.stage else { return };
        if !open.is_closing() {
            open.overflow(means, slot, count);
            (member.behind, open.link.behind) = (true, true);
        }
    }

    /// Goes on with the publications of rooms that it couldn't take before. Whether it is behind still, and if
    /// so, whether it goes on at once.
    pub(super) fn catch_up<H: Handler<State = S>>(
        &mut self,
        means: &mut Means<H>,
        slot: Slot,
    ) -> Result<Option<bool>, Closed> {
        let Self { stream, ready, since, stalled, stage: Stage::Open(open), .. } = self else {
            return Ok(None);
        };
        if !open.link.behind {
            return Ok(None);
        }
        if open.waiting_len() > 0 {
            return Ok(Some(true)); // it was told that there is room again, and has answered
        }
        for number in open.link.rooms.clone() {
            if open.is_closing() {
                break;
            }
            let Some((room, mut cursor)) = behind_at(&mut means.hub, number, slot) else { continue };
            let batch = room.read(cursor, open.agreed.as_ref(), CATCH_UP_LEN);
            if batch.after > cursor {
                set_cursor(&mut means.hub, number, slot, batch.after);
                open.overflow(means, slot, batch.after - cursor);
                return Ok(Some(true)); // it is told before it gets the rest
            }
            let before = cursor;
            open.write_batch(stream, ready, &batch, &mut cursor, means).map_err(|error| lost(&error))?;
            set_cursor(&mut means.hub, number, slot, cursor);
            if cursor > before {
                (*since, *stalled, open.pinged) = (means.now, means.now, false);
            }
            if open.waiting_len() > 0 || cursor < batch.last() {
                *stalled = (*stalled).min(means.now);
                return Ok(Some(false));
            }
            if before < batch.last() {
                return Ok(Some(true)); // others have their turn
            }
            set_caught_up(&mut means.hub, number, slot);
        }
        open.link.behind = false;
        *stalled = Tick::NEVER;
        Ok(None)
    }
}

impl<S: 'static> Open<S> {
    /// Writes what follows `cursor`, as much as the socket takes, where nothing waits; the rest of a frame that was
    /// begun is queued.
    fn write_batch<H: Handler<State = S>>(
        &mut self,
        stream: &TcpStream,
        ready: &mut Ready,
        batch: &Batch,
        cursor: &mut u64,
        means: &mut Means<H>,
    ) -> io::Result<()> {
        let begin = batch.offset(*cursor);
        let mut at = begin;
        while let Some(rest @ [_, ..]) = batch.bytes.get(at..)
            && ready.write
        {
            at += write(stream, ready, &[IoSlice::new(rest)])?;
        }
        let (reached, end) = batch.reached(at);
        if at < end {
            self.protocol(&mut means.pool).outbound().push_rest(batch.bytes.slice(at..end));
        }
        let snapshot = &mut means.hub.snapshot;
        snapshot.sent_len += as_u64(at - begin);
        snapshot.sent_count += reached.saturating_sub(*cursor);
        *cursor = reached.max(*cursor);
        Ok(())
    }

    fn is_closing(&mut self) -> bool {
        self.protocol.as_mut().is_some_and(|protocol| protocol.outbound().is_closed())
    }
}

/// Where a member is that is behind in a room.
fn behind_at(hub: &mut Hub, room: u64, slot: Slot) -> Option<(Room, u64)> {
    let gathering = hub.members.of(room)?;
    let member = gathering.members.get(&slot.index).filter(|member| member.behind)?;
    Some((gathering.room.clone(), member.cursor))
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
