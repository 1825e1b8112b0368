//! Random operations on a log and on a table, each beside its model.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use talkback::room::{Limits, PageLimits, PresenceLimits};

use crate::driver::{Driver, Place, check_cursor};
use crate::table::Table;

#[derive(Debug, Clone)]
enum Operation {
    Publish((u8, u8), usize),
    Pass(u64),
    Expire,
    Read(Place, PageLimits),
    Join(bool),
    Step(usize, PageLimits),
}

fn at_most<T: Clone + std::fmt::Debug>(
    limit: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![1 => Just(None), 3 => limit.prop_map(Some)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let lens = (at_most(80..1500_usize), at_most(80..400_usize));
    (at_most(0..12_usize), lens, at_most(0..60_u64), at_most(0..30_usize)).prop_map(
        |(max_count, (max_len, max_publication_len), max_age, max_remembered_count)| {
            Limits::default()
                .max_count(max_count)
                .max_len(max_len)
                .max_publication_len(max_publication_len)
                .max_age(max_age.map(Duration::from_millis))
                .max_remembered_count(max_remembered_count)
        },
    )
}

fn page_limits() -> impl Strategy<Value = PageLimits> {
    (at_most(0..6_usize), at_most(0..900_usize))
        .prop_map(|(max_count, max_len)| PageLimits::default().max_count(max_count).max_len(max_len))
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Start),
        1 => Just(Place::End),
        1 => Just(Place::Unreadable),
        6 => (-3..40_i64).prop_map(Place::Back),
        1 => any::<i64>().prop_map(Place::Back),
        1 => prop_oneof![0..20_u64, any::<u64>()].prop_map(Place::OtherEpoch),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => ((0..4_u8, 0..30_u8), 0..300_usize).prop_map(|(name, len)| Operation::Publish(name, len)),
        2 => (0..30_u64).prop_map(Operation::Pass),
        1 => Just(Operation::Expire),
        4 => (place(), page_limits()).prop_map(|(place, limits)| Operation::Read(place, limits)),
        1 => any::<bool>().prop_map(Operation::Join),
        6 => (any::<usize>(), page_limits()).prop_map(|(index, limits)| Operation::Step(index, limits)),
    ]
}

#[derive(Debug, Clone)]
enum Change {
    Join(u8, usize),
    Update(u8, usize),
    Leave(u8, Duration),
    Pass(u64),
    Expire,
}

fn grace() -> impl Strategy<Value = Duration> {
    prop_oneof![
        2 => Just(Duration::ZERO),
        8 => (0..20_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::MAX),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..8_u8, 2..8_usize).prop_map(|(client, len)| Change::Join(client, len)),
        1 => (0..8_u8, 2..8_usize).prop_map(|(client, len)| Change::Update(client, len)),
        4 => (0..8_u8, grace()).prop_map(|(client, grace)| Change::Leave(client, grace)),
        2 => (0..20_u64).prop_map(Change::Pass),
        2 => Just(Change::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_does_what_its_model_does(limits in limits(), operations in vec(operation(), 1..80)) {
        let mut driver = Driver::new(limits);
        for operation in operations {
            match operation {
                Operation::Publish(name, len) => driver.publish(name, len),
                Operation::Pass(elapsed) => driver.pass(Duration::from_millis(elapsed)),
                Operation::Expire => driver.expire(),
                Operation::Read(place, limits) => driver.read(place, limits),
                Operation::Join(from_start) => driver.join(from_start),
                Operation::Step(index, limits) => driver.step(index, limits),
            }
        }
        driver.expire();
    }

    #[test]
    fn a_table_does_what_its_model_does(
        max_client_count in at_most(0..6_usize),
        max_state_len in at_most(2..8_usize),
        changes in vec(change(), 1..80),
    ) {
        let limits = PresenceLimits::default().max_client_count(max_client_count).max_state_len(max_state_len);
        let mut table = Table::new(limits);
        for change in changes {
            match change {
                Change::Join(client, len) => table.join(client, len),
                Change::Update(client, len) => table.update(client, len),
                Change::Leave(client, grace) => table.leave(client, grace),
                Change::Pass(elapsed) => table.pass(Duration::from_millis(elapsed)),
                Change::Expire => table.expire(),
            }
        }
        table.expire();
    }

    #[test]
    fn a_text_is_a_cursor_only_as_it_is_written(
        text in prop_oneof!["[0-9a-f]{15,17}-[0-9]{0,21}", "[0-9a-fA-F+ ]{16}-[+ 0-9]{1,3}", ".{0,40}"],
    ) {
        check_cursor(&text);
    }
}
