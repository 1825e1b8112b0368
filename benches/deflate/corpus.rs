//! What is sent: text that shrinks about as JSON and prose do.

/// So many bytes of different messages at least, before they come again: more than a window.
const CYCLE_LEN: usize = 96 * 1024;

const NAMES: [&str; 16] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj",
    "olivia", "peggy", "rupert", "sybil",
];
const WORDS: [&str; 32] = [
    "the", "river", "of", "and", "window", "a", "morning", "table", "in", "paper", "light", "to", "seven",
    "houses", "was", "under", "is", "market", "bread", "for", "letters", "on", "winter", "that", "street",
    "with", "harbour", "as", "slowly", "green", "never", "again",
];

/// A small generator, so that every run sends the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words[self.below(words.len())]
    }
}

/// Messages of exactly `len` bytes of ASCII text, each different: JSON up to 1 KiB, above
/// that lines of prose.
pub fn messages(len: usize) -> Vec<String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ len as u64);
    (0..CYCLE_LEN.div_ceil(len)).map(|_| message(len, &mut random)).collect()
}

fn message(len: usize, random: &mut Random) -> String {
    let mut text = String::with_capacity(len + 128);
    let json = len <= 1024;
    while text.len() < len {
        text += &if json {
            format!(
                "{{\"type\":\"message\",\"id\":{},\"room\":\"general\",\"user\":\"{}\",\
                 \"time\":\"2026-01-05T12:{:02}:{:02}Z\",\"text\":\"{} {} {}\",\"edited\":{}}},",
                random.below(10_000),
                random.pick(&NAMES),
                random.below(60),
                random.below(60),
                random.pick(&WORDS),
                random.pick(&WORDS),
                random.pick(&WORDS),
                random.below(2) == 0,
            )
        } else {
            let end = ["", "", "", "", "", ",", ".\n"][random.below(7)];
            format!("{}{end} ", random.pick(&WORDS))
        };
    }
    text.truncate(len);
    text
}
