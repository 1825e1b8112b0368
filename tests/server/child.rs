//! Tests that need a process of their own, for its memory or its descriptors: this binary runs again, with that
//! one test, which finds that it has a part to play.

use std::process::{Command, Stdio};

const PART: &str = "TALKBACK_TEST_PART";

/// The part that this process plays in the test; empty: none, it is the test itself.
pub(crate) fn part() -> String {
    std::env::var(PART).unwrap_or_default()
}

/// What plays a part in a test, with room for so many descriptors, or as many as may be.
pub(crate) fn command(test: &str, part: &str, descriptors: Option<usize>) -> Command {
    let binary = std::env::current_exe().unwrap();
    // std can't set limits; a shell can, and then becomes the process.
    const LIMIT: &str =
        r#"ulimit -S -n "$0" 2>/dev/null || ulimit -S -n "$(ulimit -H -n)" || exit; exec "$@""#;
    let mut command = match descriptors {
        Some(count) if cfg!(unix) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", LIMIT, &count.to_string()]).arg(binary);
            shell
        }
        _ => Command::new(binary),
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(PART, part);
    command
}

/// Has a part played to its end, and shows what it said.
#[track_caller]
pub(crate) fn play(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{}", output.status);
}

/// How many descriptors this process may have now, and could have, on Linux.
pub(crate) fn descriptor_limits() -> (usize, usize) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let mut words = line.unwrap_or_default().split_whitespace();
    let mut next = || match words.next() {
        Some("unlimited") => usize::MAX,
        word => word.and_then(|word| word.parse().ok()).unwrap_or(1024),
    };
    (next(), next())
}
