//! The README's code is the code of the crate's documentation, which is compiled.

const README: &str = include_str!("../README.md");
const LIB: &str = include_str!("../src/lib.rs");

/// The code blocks of this language, each without hidden lines.
fn blocks(markdown: &str, opens: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line == opens {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(
                block.into_iter().filter(|line| !line.starts_with("# ")).collect::<Vec<_>>().join("\n"),
            );
        }
    }
    blocks
}

#[test]
fn the_examples_are_those_of_the_crate_documentation() {
    let docs: Vec<&str> = LIB.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let docs: Vec<&str> = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let (readme, docs) = (blocks(README, "```rust"), blocks(&docs.join("\n"), "```no_run"));
    assert_eq!(readme, docs);
    let [client, server, _, rooms] = readme.as_slice() else { panic!("a client, two servers, and rooms") };
    assert!(client.lines().count() <= 6 && server.lines().count() <= 8 && rooms.lines().count() <= 8);
}
