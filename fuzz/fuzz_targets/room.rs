//! A room: whatever is published, read, awaited and said in it, its log and its table do what their models do.
#![no_main]

#[path = "../../tests/room/driver.rs"]
mod driver;
#[path = "../../tests/room/table.rs"]
mod table;

use std::time::Duration;

use driver::{Driver, Place, check_cursor};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use table::Table;
use talkback::room::{Limits, PageLimits, PresenceLimits};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    max_count: Option<u8>,
    max_len: Option<u16>,
    max_publication_len: Option<u16>,
    /// In milliseconds, as all times.
    max_age: Option<u8>,
    max_remembered_count: Option<u8>,
    max_client_count: Option<u8>,
    max_state_len: Option<u8>,
    cursor: &'a str,
    operations: Vec<Operation>,
}

#[derive(Debug, Arbitrary)]
enum Operation {
    Publish { client: u8, message: u8, len: u8 },
    Pass(u8),
    Expire,
    Read(From, Page),
    Begin { from_start: bool },
    Step(u8, Page),
    Join(u8, u8),
    Update(u8, u8),
    Leave(u8, u8),
}

#[derive(Debug, Arbitrary)]
enum From {
    Start,
    End,
    Unreadable,
    Back(i8),
    Far(i64),
    OtherEpoch(u64),
}

#[derive(Debug, Arbitrary)]
struct Page {
    max_count: Option<u8>,
    max_len: Option<u16>,
}

fuzz_target!(|input: Input<'_>| {
    check_cursor(input.cursor);
    let limits = Limits::default()
        .max_count(input.max_count.map(usize::from))
        .max_len(input.max_len.map(usize::from))
        .max_publication_len(input.max_publication_len.map(usize::from))
        .max_age(input.max_age.map(milliseconds))
        .max_remembered_count(input.max_remembered_count.map(usize::from));
    let presence_limits = PresenceLimits::default()
        .max_client_count(input.max_client_count.map(usize::from))
        .max_state_len(input.max_state_len.map(usize::from));
    let (mut driver, mut table) = (Driver::new(limits), Table::new(presence_limits));
    for operation in &input.operations {
        act(operation, &mut driver, &mut table);
    }
    act(&Operation::Expire, &mut driver, &mut table);
});

fn act(operation: &Operation, driver: &mut Driver, table: &mut Table) {
    match *operation {
        Operation::Publish { client, message, len } => driver.publish((client, message), len.into()),
        Operation::Pass(elapsed) => {
            driver.pass(milliseconds(elapsed));
            table.pass(milliseconds(elapsed));
        }
        Operation::Expire => {
            driver.expire();
            table.expire();
        }
        Operation::Read(ref from, ref page) => driver.read(place(from), page_limits(page)),
        Operation::Begin { from_start } => driver.join(from_start),
        Operation::Step(index, ref page) => driver.step(index.into(), page_limits(page)),
        Operation::Join(client, len) => table.join(client, len.into()),
        Operation::Update(client, len) => table.update(client, len.into()),
        Operation::Leave(client, u8::MAX) => table.leave(client, Duration::MAX),
        Operation::Leave(client, grace) => table.leave(client, milliseconds(grace)),
    }
}

fn milliseconds(count: u8) -> Duration {
    Duration::from_millis(count.into())
}

fn place(from: &From) -> Place {
    match *from {
        From::Start => Place::Start,
        From::End => Place::End,
        From::Unreadable => Place::Unreadable,
        From::Back(count) => Place::Back(count.into()),
        From::Far(count) => Place::Back(count),
        From::OtherEpoch(seq) => Place::OtherEpoch(seq),
    }
}

fn page_limits(page: &Page) -> PageLimits {
    let Page { max_count, max_len } = *page;
    PageLimits::default().max_count(max_count.map(usize::from)).max_len(max_len.map(usize::from))
}
