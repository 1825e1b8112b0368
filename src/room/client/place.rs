//! Where the client is in the room's log, and what may come next.

use super::ServerFault;
use crate::room::{After, Cursor, Gap};

/// Behind what was received last. Each publication is the next one, a repetition, or the server's fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(After);

impl Place {
    pub(super) const fn new(after: After) -> Self {
        Self(after)
    }

    pub(super) const fn cursor(self) -> Option<Cursor> {
        match self.0 {
            After::Cursor(cursor) => Some(cursor),
            After::Start | After::End | After::Unreadable => None,
        }
    }

    /// The value of `after` in the next request. `None`: it has none.
    pub(super) fn query(self) -> Option<String> {
        match self.0 {
            After::Start => None,
            After::End => Some("end".to_owned()),
            After::Cursor(cursor) => Some(cursor.to_string()),
            After::Unreadable => Some("unreadable".to_owned()),
        }
    }

    /// A publication is there. Whether it is new.
    pub(super) fn advance(&mut self, to: Cursor) -> Result<bool, ServerFault> {
        if let Some(own) = self.cursor() {
            let next = own.seq.saturating_add(1);
            if self.is_behind(to)? {
                return Ok(false);
            }
            if to.seq != next {
                return Err(ServerFault::Skipped { next, seq: to.seq });
            }
        }
        self.0 = After::Cursor(to);
        Ok(true)
    }

    /// The server says where the client is.
    pub(super) fn confirm(&mut self, at: Cursor) -> Result<(), ServerFault> {
        match self.cursor() {
            None => self.0 = After::Cursor(at),
            Some(own) if !self.is_behind(at)? => {
                return Err(ServerFault::Skipped { next: own.seq.saturating_add(1), seq: at.seq });
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// The server says what is left: the one way into another epoch, over publications, and back.
    pub(super) fn jump(&mut self, gap: &Gap) {
        self.0 = After::Cursor(gap.cursor());
    }

    /// Whether what is at `cursor` was received before.
    fn is_behind(self, cursor: Cursor) -> Result<bool, ServerFault> {
        match self.cursor() {
            Some(own) if own.epoch != cursor.epoch => {
                Err(ServerFault::UntoldEpoch { known: own.epoch, epoch: cursor.epoch })
            }
            Some(own) => Ok(cursor.seq <= own.seq),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seq: u64) -> Cursor {
        Cursor::new(7, seq)
    }

    #[test]
    fn each_publication_is_new_once_and_none_is_left_out() {
        let mut place = Place::new(After::Cursor(at(3)));
        assert_eq!(place.advance(at(4)), Ok(true));
        for seq in [0, 3, 4] {
            assert_eq!(place.advance(at(seq)), Ok(false));
        }
        assert_eq!(place.advance(at(6)), Err(ServerFault::Skipped { next: 5, seq: 6 }));
        assert_eq!(place.advance(Cursor::new(8, 5)), Err(ServerFault::UntoldEpoch { known: 7, epoch: 8 }));
        assert_eq!((place.cursor(), place.query().unwrap()), (Some(at(4)), at(4).to_string()));
    }

    #[test]
    fn who_has_no_cursor_takes_the_first() {
        for (after, query) in
            [(After::Start, None), (After::End, Some("end")), (After::Unreadable, Some("unreadable"))]
        {
            let mut place = Place::new(after);
            assert_eq!((place.cursor(), place.query().as_deref()), (None, query));
            let mut confirmed = place;
            assert_eq!((confirmed.confirm(at(9)), confirmed.cursor()), (Ok(()), Some(at(9))));
            assert_eq!((place.advance(at(9)), place.cursor()), (Ok(true), Some(at(9))));
        }
    }

    #[test]
    fn a_place_moves_nobody() {
        let mut place = Place::new(After::Cursor(at(3)));
        for seq in [0, 3] {
            assert_eq!((place.confirm(at(seq)), place.cursor()), (Ok(()), Some(at(3))));
        }
        assert_eq!(place.confirm(at(4)), Err(ServerFault::Skipped { next: 4, seq: 4 }));
        assert!(place.confirm(Cursor::new(8, 3)).is_err());
    }

    #[test]
    fn a_gap_leads_anywhere() {
        let mut place = Place::new(After::Cursor(at(3)));
        place.jump(&Gap { epoch: 8, first: 1, last: 0 });
        assert_eq!(place.cursor(), Some(Cursor::new(8, 0)));
        assert_eq!(place.advance(Cursor::new(8, 1)), Ok(true));
        place.jump(&Gap { epoch: 8, first: 0, last: 0 });
        assert_eq!(place.cursor(), Some(Cursor::new(8, 0)));
    }

    #[test]
    fn the_end_of_all_numbers_is_no_panic() {
        let mut place = Place::new(After::Cursor(at(u64::MAX)));
        assert_eq!(place.advance(at(u64::MAX)), Ok(false));
        assert_eq!(place.confirm(at(u64::MAX)), Ok(()));
    }
}
