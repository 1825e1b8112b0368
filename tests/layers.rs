//! Imports point down: the layers of src/, kept by reading its sources.
//!
//! ```text
//! 6  room               log, members; what of it is pure is named below
//! 5  server  client     listening, connecting
//! 4  blocking           calls that wait
//! ------------------------------------------ below: no I/O, no lock, no thread, no clock
//! 3  protocol           the connection as a state machine
//! 2  handshake          the upgrade
//! 1  frame  http  sse   bytes <-> values
//! 0  entropy            randomness of the system
//! 0  manual             prose: uses nothing
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const RANKS: [(&str, u8); 11] = [
    ("entropy", 0),
    ("manual", 0),
    ("frame", 1),
    ("http", 1),
    ("sse", 1),
    ("handshake", 2),
    ("protocol", 3),
    ("blocking", 4),
    ("client", 5),
    ("server", 5),
    ("room", 6),
];
const HIGHEST_PURE_RANK: u8 = 3;
/// Files of higher layers that are pure nonetheless: the clock and the randomness are their callers'.
const PURE_FILES: [&str; 10] = [
    "room/cursor.rs",
    "room/encoded.rs",
    "room/id.rs",
    "room/json.rs",
    "room/limits.rs",
    "room/log.rs",
    "room/memory.rs",
    "room/page.rs",
    "room/presence.rs",
    "room/publication.rs",
];
const IMPURE: [&str; 8] =
    ["std::io", "std::net", "std::thread", "std::fs", "Mutex", "RwLock", "Instant::now", "SystemTime"];

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// The code of a source: without comments, and without the tests at its end.
fn code(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    lines.map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What is wrong with `code`, which is in `file` of src/.
fn faults(file: &str, code: &str) -> Vec<String> {
    let module = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let Some(own) = rank(module) else { return vec![format!("{module} has no rank")] };
    let mut faults = Vec::new();
    let paths = code.split("crate::").skip(1);
    for used in paths.flat_map(first_segments) {
        match rank(&used) {
            _ if used == module => {}
            Some(rank) if rank < own => {}
            Some(rank) => faults.push(format!("{module} ({own}) uses {used} ({rank})")),
            None => faults.push(format!("{module} uses crate::{used}: name its module")),
        }
    }
    if own <= HIGHEST_PURE_RANK || PURE_FILES.contains(&file) {
        let flat: String = code.split_whitespace().collect();
        faults.extend(
            IMPURE.iter().filter(|word| flat.contains(*word)).map(|word| format!("{module} names {word}")),
        );
        let grouped = ["io", "net", "thread", "fs"].into_iter().filter(|name| {
            ["std::{", "core::{"].iter().any(|open| {
                flat.split(open).skip(1).any(|group| {
                    let group = group.split(';').next().unwrap_or_default();
                    group
                        .split([',', '{', '}'])
                        .any(|item| item == *name || item.starts_with(&format!("{name}::")))
                })
            })
        });
        faults.extend(grouped.map(|name| format!("{module} names std::{name}")));
    }
    faults
}

/// The modules that a path names after `crate::`: one, or those of a group.
fn first_segments(rest: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    match rest.strip_prefix('{') {
        Some(group) => {
            let mut depth = 0;
            let mut items = vec![String::new()];
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => items.push(String::new()),
                    _ => items.last_mut().unwrap().push(character),
                }
            }
            items.iter().map(|item| name(item)).filter(|item| !item.is_empty()).collect()
        }
        None => vec![name(rest)],
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_module_keeps_to_its_layer() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut faulty, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let file = inside.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("/");
        if file == "lib.rs" {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        faulty.extend(faults(&file, &code(&source)).into_iter().map(|fault| format!("{file}: {fault}")));
        seen.insert(file.split('/').next().unwrap().trim_end_matches(".rs").to_owned());
    }
    assert!(faulty.is_empty(), "\n{}", faulty.join("\n"));
    assert_eq!(seen.len(), RANKS.len(), "a rank without a module, or the other way round: {seen:?}");
    let absent: Vec<_> = PURE_FILES.iter().filter(|file| !src.join(file).is_file()).collect();
    assert!(absent.is_empty(), "no such files: {absent:?}");
}

#[test]
fn the_check_finds_what_it_looks_for() {
    for (file, code, count) in [
        ("frame", "use crate::entropy::Entropy;", 0),
        ("frame", "use crate::http::Headers;", 1),
        ("frame", "use crate::protocol::{Config, Role};", 1),
        ("handshake", "use crate::{frame, http::{Request, Response}};", 0),
        ("handshake", "use crate::{frame, server::Accept};", 1),
        ("client", "fn f() { crate::server::accept(); }", 1),
        ("client", "use crate::WebSocket;", 1),
        ("util", "", 1),
        ("protocol", "use std::io::Read;", 1),
        ("protocol", "use std::{fmt, io};", 1),
        ("protocol", "use std::{fmt, net::TcpStream};", 1),
        ("protocol", "let now = Instant::now();", 1),
        ("protocol", "use std::sync::{Arc, Mutex};", 1),
        ("blocking", "use std::io::Read;", 0),
        ("room/mod.rs", "use std::sync::{Arc, Mutex};", 0),
        ("room/log.rs", "use std::sync::{Arc, Mutex};", 1),
        ("room/log.rs", "use crate::{protocol::Prepared, server::Peer};", 0),
        ("server/peer.rs", "use crate::room::Log;", 1),
        ("protocol", "use core::time::Duration; use std::time::Instant;", 0),
    ] {
        assert_eq!(faults(file, code).len(), count, "{file}: {code}");
    }
}

#[test]
fn comments_and_tests_do_not_count() {
    let source = "use core::fmt;\n// std::io\n/// std::net\n#[cfg(test)]\nmod tests { use std::thread; }\n";
    assert_eq!(code(source).trim(), "use core::fmt;");
}
