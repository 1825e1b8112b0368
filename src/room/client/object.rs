//! What a server says, read from its JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::value::RawValue;

use super::{Present, ServerFault};
use crate::room::{ClientId, Cursor, Gap, MessageId};

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// One object of a room's stream.
#[derive(Debug)]
pub(super) enum Object {
    Publication {
        cursor: Cursor,
        at: u64,
        client: ClientId,
        message: MessageId,
        data: Box<RawValue>,
    },
    Gap(Gap),
    Place(Cursor),
    Here {
        present: Vec<Present>,
        count: usize,
    },
    Acknowledged {
        message: String,
        cursor: Cursor,
        is_new: bool,
    },
    Refused {
        message: Option<String>,
        status: u16,
        error: String,
    },
    /// One of a later version; with a cursor it is a part of the log.
    Unknown(Option<Cursor>),
}

impl Object {
    /// Reads an object by the members that tell its kind. Others than the known ones are passed over.
    pub(super) fn decode(json: &str) -> Result<Self, ServerFault> {
        let members: Members<'_> = serde_json::from_str(json).map_err(|_| ServerFault::InvalidJson)?;
        let has = |name: &str| members.contains_key(name);
        let object = if has("ack") {
            decode_acknowledgement(&members)
        } else if has("refused") {
            decode_refusal(&members)
        } else if has("here") {
            decode_here(&members)
        } else if has("gap") {
            decode_gap(&members)
        } else if has("id") && has("message") && has("data") {
            decode_publication(&members)
        } else if has("id") && members.len() == 1 {
            cursor(&members).map(Self::Place)
        } else {
            Some(Self::Unknown(cursor(&members)))
        };
        object.ok_or(ServerFault::InvalidObject)
    }
}

fn decode_acknowledgement(members: &Members<'_>) -> Option<Object> {
    let (message, is_new) = (string(members, "ack")?, value(members, "new")?);
    Some(Object::Acknowledged { message, cursor: cursor(members)?, is_new })
}

fn decode_refusal(members: &Members<'_>) -> Option<Object> {
    let is_null = members.get("refused")?.get() == "null";
    let message = if is_null { None } else { Some(string(members, "refused")?) };
    Some(Object::Refused { message, status: value(members, "status")?, error: string(members, "error")? })
}

fn decode_here(members: &Members<'_>) -> Option<Object> {
    let listed: Vec<Members<'_>> = serde_json::from_str(members.get("here")?.get()).ok()?;
    let present = listed.iter().map(decode_present).collect::<Option<_>>()?;
    Some(Object::Here { present, count: value(members, "count")? })
}

fn decode_present(members: &Members<'_>) -> Option<Present> {
    let client = ClientId::new(&string(members, "client")?).ok()?;
    Some(Present { client, state: (*members.get("state")?).to_owned() })
}

fn decode_gap(members: &Members<'_>) -> Option<Object> {
    let left: Members<'_> = serde_json::from_str(members.get("gap")?.get()).ok()?;
    let (first, last) = (value(&left, "first")?, value(&left, "last")?);
    let cursor = cursor(members)?;
    let gap = Gap { epoch: cursor.epoch, first, last };
    let is_epoch = string(&left, "epoch")? == format!("{:016x}", gap.epoch);
    (is_epoch && gap.cursor() == cursor).then_some(Object::Gap(gap))
}

fn decode_publication(members: &Members<'_>) -> Option<Object> {
    Some(Object::Publication {
        cursor: cursor(members)?,
        at: value(members, "at")?,
        client: ClientId::new(&string(members, "client")?).ok()?,
        message: MessageId::new(&string(members, "message")?).ok()?,
        data: (*members.get("data")?).to_owned(),
    })
}

fn cursor(members: &Members<'_>) -> Option<Cursor> {
    string(members, "id")?.parse().ok()
}

/// A number without a fraction or an exponent, or a boolean.
fn value<T: FromStr>(members: &Members<'_>, name: &str) -> Option<T> {
    members.get(name)?.get().parse().ok()
}

fn string(members: &Members<'_>, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PUBLICATION: &str =
        r#"{"id":"000000000000feed-7","at":1,"client":"c\u0021","message":"m","data":[1, {}]}"#;
    const GAP: &str = r#"{"id":"000000000000feed-4","gap":{"epoch":"000000000000feed","first":5,"last":9}}"#;
    const HERE: &str = r#"{"here":[{"client":"c","state":null}],"count":3}"#;
    const ACKNOWLEDGEMENT: &str = r#"{"ack":"m","id":"000000000000feed-7","new":true}"#;
    const REFUSAL: &str = r#"{"refused":"m","status":413,"error":"too \"big\""}"#;

    #[test]
    fn each_object_is_read() {
        let Ok(Object::Publication { cursor, at: 1, client, message, data }) = Object::decode(PUBLICATION)
        else {
            panic!("it is a publication")
        };
        assert_eq!((cursor, client.as_str(), message.as_str()), (Cursor::new(0xfeed, 7), "c!", "m"));
        assert_eq!(data.get(), "[1, {}]");
        let gap = Gap { epoch: 0xfeed, first: 5, last: 9 };
        assert!(matches!(Object::decode(GAP), Ok(Object::Gap(told)) if told == gap));
        let place = Object::decode(r#" {"id" : "000000000000feed-0"} "#);
        assert!(matches!(place, Ok(Object::Place(cursor)) if cursor == Cursor::new(0xfeed, 0)));
        let Ok(Object::Here { present, count: 3 }) = Object::decode(HERE) else { panic!("it is a list") };
        assert_eq!((present[0].client.as_str(), present[0].state.get()), ("c", "null"));
        let acknowledged = Object::decode(ACKNOWLEDGEMENT);
        assert!(
            matches!(acknowledged, Ok(Object::Acknowledged { message, is_new: true, .. }) if message == "m")
        );
        let Ok(Object::Refused { message, status: 413, error }) = Object::decode(REFUSAL) else {
            panic!("it is a refusal")
        };
        assert_eq!((message.as_deref(), error.as_str()), (Some("m"), "too \"big\""));
        let other = Object::decode(r#"{"refused":null,"status":413,"error":""}"#);
        assert!(matches!(other, Ok(Object::Refused { message: None, .. })));
    }

    #[test]
    fn objects_of_a_later_version_are_known_as_such() {
        for json in ["{}", r#"{"typing":["c"]}"#, r#"{"id":7,"later":1}"#, r#"{"id":"x-1","message":"m"}"#] {
            assert!(matches!(Object::decode(json), Ok(Object::Unknown(None))), "{json}");
        }
        let with_cursor = Object::decode(r#"{"id":"000000000000feed-7","deleted":"000000000000feed-3"}"#);
        assert!(matches!(with_cursor, Ok(Object::Unknown(Some(cursor))) if cursor.seq == 7));
        let more = PUBLICATION.replacen('{', r#"{"later":[],"#, 1);
        assert!(matches!(Object::decode(&more), Ok(Object::Publication { .. })));
    }

    #[test]
    fn what_is_malformed_is_told_apart() {
        for json in ["", "x", "[]", "7", "null", "{", r#"{"id":}"#, "{} {}", r#"{"a":1,}"#] {
            assert_eq!(Object::decode(json).unwrap_err(), ServerFault::InvalidJson, "{json}");
        }
        let epochs = GAP.replace("epoch\":\"0", "epoch\":\"1");
        let before = GAP.replace("-4", "-5");
        for json in [
            r#"{"id":"7"}"#,
            r#"{"ack":"m"}"#,
            r#"{"ack":7,"id":"000000000000feed-7","new":true}"#,
            r#"{"ack":"m","id":"000000000000feed-7","new":1}"#,
            r#"{"refused":"m"}"#,
            r#"{"refused":"m","status":70000,"error":""}"#,
            r#"{"here":7,"count":1}"#,
            r#"{"here":[7],"count":1}"#,
            r#"{"here":[],"count":-1}"#,
            r#"{"here":[{"client":"a b","state":1}],"count":1}"#,
            r#"{"id":"000000000000feed-7","at":1.5,"client":"c","message":"m","data":1}"#,
            r#"{"id":"000000000000feed-7","at":1,"client":"","message":"m","data":1}"#,
            &epochs,
            &before,
        ] {
            assert_eq!(Object::decode(json).unwrap_err(), ServerFault::InvalidObject, "{json}");
        }
    }

    #[test]
    fn deeply_nested_data_is_no_panic() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let json = PUBLICATION.replace("[1, {}]", &deep);
        assert!(matches!(Object::decode(&json), Ok(Object::Publication { .. })));
        assert!(Object::decode(&deep).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nonsense_is_no_panic(which in 0_usize..5, at in 0_usize..90, with in ".{0,3}") {
            let json = [PUBLICATION, GAP, HERE, ACKNOWLEDGEMENT, REFUSAL][which];
            let at = at.min(json.len());
            let (before, after) = json.split_at(at);
            let _ = Object::decode(&format!("{before}{with}{after}"));
            let _ = Object::decode(before);
        }
    }
}
