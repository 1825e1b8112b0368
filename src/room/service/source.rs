//! The log as what is published to many.

use bytes::Bytes;

use super::super::Log;
use super::super::encoded::Encoded;
use crate::server::{Form, Source};

impl Source for Log {
    fn last(&self) -> u64 {
        self.cursor().seq
    }

    fn before_kept(&self) -> u64 {
        self.range().cursor().seq
    }

    fn pieces(&self, skip: usize, form: &Form) -> Box<dyn Iterator<Item = Bytes> + '_> {
        let form = *form;
        Box::new(self.kept(skip).map(move |publication| match &form {
            Form::Frames(agreed) => publication.websocket().frame_for(agreed.as_ref()).clone(),
            Form::Events => publication.event().clone(),
            Form::Lines => publication.line().clone(),
        }))
    }

    fn gap(&self, form: &Form) -> Option<Bytes> {
        Some(piece(&self.range().encode(), form))
    }
}

pub(super) fn piece(encoded: &Encoded, form: &Form) -> Bytes {
    match form {
        Form::Frames(_) => encoded.websocket().frame_for(None).clone(),
        Form::Events => encoded.event().clone(),
        Form::Lines => encoded.line().clone(),
    }
}
