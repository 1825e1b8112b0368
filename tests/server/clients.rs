//! Clients that talk, read and end in every way, many in a thread, and count what they see.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use talkback::server::Closed;

use crate::app;
use crate::books::*;
use crate::net::*;

/// What a client sends at a time.
const BURST_LEN: u32 = 4;
/// Longer than any connection takes, on a busy machine.
const LIFE: Duration = Duration::from_secs(120);

/// How a connection is to end. Some are closed by a pusher before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Close,
    ClosedByServer,
    HalfClose,
    /// Ends TCP in the middle of a frame, all answers read.
    Cut,
    /// Ends TCP at any time, whatever has not been read or written.
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The greeting has not come.
    Opening,
    Talking,
    /// It asked how much there was for it, and waits until it has all.
    Settling,
    /// It sends no more, and waits for the end.
    Ending,
}

pub(crate) struct Client {
    number: u32,
    stream: TcpStream,
    begun: Instant,
    fate: Fate,
    stage: Stage,
    /// Reads only after something was refused.
    slow: bool,
    /// Writes in pieces, some of them a byte.
    hesitant: bool,
    /// Talks on before the answers have come.
    eager: bool,
    /// Whether it makes sure that it has had all before it ends.
    settles: bool,
    bursts: usize,
    /// When it goes on.
    rests_until: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
    settled: Option<Settled>,
    account: Account,
}

/// How much there was for a client when it asked.
#[derive(Debug, Clone, Copy)]
struct Settled {
    mailed: [u32; PUSHER_COUNT],
    published: [u32; PUSHER_COUNT],
}

/// What a client has seen of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) number: u32,
    pub(crate) fate: Fate,
    /// All messages that it sent, and those that are echoed.
    sent: u32,
    talked: u32,
    answered: u32,
    mail: [u32; PUSHER_COUNT],
    before: [u32; PUSHER_COUNT],
    /// Behind the last news that came.
    news: [u32; PUSHER_COUNT],
    /// News that others came behind.
    pub(crate) missed: u64,
    /// All messages that came.
    pub(crate) received: u64,
    settled: bool,
    /// Whether a pusher has closed it.
    pub(crate) kicked: bool,
    /// The code of the close that it sent.
    told: Option<Option<u16>>,
}

/// How long a client's `n`th message is.
fn talk_len(number: u32, n: u32) -> usize {
    let most = if n % 16 == 5 { 30_000 } else { 1500 }; // long ones go another way
    Random((u64::from(number) << 32) + u64::from(n) + 1).below(most)
}

fn talk(number: u32, n: u32) -> Vec<u8> {
    payload(TALK, 0, n, number, talk_len(number, n))
}

/// The length of the first frame, once it is whole.
fn frame_len(input: &[u8]) -> Option<usize> {
    let (head, len) = match input.get(1)? {
        126 => (4, u64::from(u16::from_be_bytes(*input.get(2..)?.first_chunk()?))),
        127 => (10, u64::from_be_bytes(*input.get(2..)?.first_chunk()?)),
        len => (2, u64::from(*len)),
    };
    let len = head + usize::try_from(len).unwrap();
    (input.len() >= len).then_some(len)
}

fn numbers<const N: usize>(words: &str, first: &str) -> [u32; N] {
    let mut words = words.split(' ');
    assert_eq!(words.next(), Some(first));
    let numbers: Vec<u32> = words.map(|word| word.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

impl Client {
    pub(crate) fn open(address: &str, number: u32, random: &mut Random) -> Self {
        let fate = match random.below(10) {
            0 | 1 => Fate::Reset,
            2 => Fate::HalfClose,
            3 => Fate::Cut,
            4 | 5 => Fate::ClosedByServer,
            _ => Fate::Close,
        };
        if random.below(16) == 0 {
            // One who doesn't even ask to the end.
            let mut stranger = TcpStream::connect(address).unwrap();
            stranger.write_all(&request("").as_bytes()[..random.below(100)]).unwrap();
        }
        let (slow, hesitant) = (random.below(30) == 0, random.below(10) == 0);
        let mut stream = TcpStream::connect(address).unwrap();
        patient(&stream);
        let target = format!("/?{number}&{}", if slow { "slow" } else { "" });
        stream.write_all(request_to(&target, "").as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let account = Account {
            number,
            fate,
            sent: 0,
            talked: 0,
            answered: 0,
            mail: [0; PUSHER_COUNT],
            before: [0; PUSHER_COUNT],
            news: [0; PUSHER_COUNT],
            missed: 0,
            received: 0,
            settled: false,
            kicked: false,
            told: None,
        };
        Self {
            number,
            stream,
            begun: Instant::now(),
            fate,
            stage: Stage::Opening,
            slow,
            hesitant,
            eager: slow || random.below(3) == 0,
            settles: fate != Fate::Reset && random.below(3) > 0,
            bursts: 1 + random.below(if hesitant { 3 } else { 8 }),
            rests_until: Instant::now(),
            input: Vec::new(),
            output: Vec::new(),
            settled: None,
            account,
        }
    }

    /// Writes, reads, and goes on, as far as it goes without waiting. `Some`: it is over.
    pub(crate) fn step(&mut self, books: &Books, random: &mut Random, scrap: &mut [u8]) -> Option<Account> {
        let Self { stage, slow, hesitant, eager, settled, account, .. } = &*self;
        assert!(
            self.begun.elapsed() < LIFE,
            "{stage:?}, slow {slow}, hesitant {hesitant}, eager {eager}, {} to write, {settled:?} {account:?}",
            self.output.len(),
        );
        self.write(random);
        // So that there is something that is not read.
        let waits = self.slow && self.stage != Stage::Opening && !books.was_full(self.number);
        if !waits && self.read(scrap) {
            let orderly = self.account.told.is_some() || self.fate == Fate::HalfClose;
            assert!(self.stage == Stage::Ending && orderly && self.input.is_empty(), "{:?}", self.account);
            return Some(self.account.clone());
        }
        if self.stage != Stage::Ending && self.output.is_empty() && self.rests_until <= Instant::now() {
            return self.go_on(random);
        }
        None
    }

    fn write(&mut self, random: &mut Random) {
        if self.output.is_empty() {
            return;
        }
        // A share of it at least in most cases: on a busy machine it is seldom a client's turn.
        let most = match random.below(4) {
            _ if !self.hesitant => usize::MAX,
            0 => 1,
            _ => random.below(100 + self.output.len() / 4),
        };
        let end = most.min(self.output.len());
        match self.stream.write(&self.output[..end]) {
            Ok(len) => drop(self.output.drain(..len)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{:?}", self.account),
        }
    }

    /// Reads what is there; whether TCP has ended.
    fn read(&mut self, scrap: &mut [u8]) -> bool {
        match self.stream.read(scrap) {
            Ok(0) => return true,
            Ok(len) => self.input.extend_from_slice(&scrap[..len]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{:?} {:?}", self.stage, self.account);
                return false;
            }
        }
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        if self.stage == Stage::Opening {
            let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                self.input = input;
                return false;
            };
            assert!(rest.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(rest));
            rest = &rest[end + 4..];
            self.stage = Stage::Talking;
        }
        while let Some(len) = frame_len(rest) {
            let frame = read_frame(false, &mut &rest[..len]);
            rest = &rest[len..];
            self.hear(&frame);
        }
        self.input = rest.to_vec();
        false
    }

    fn hear(&mut self, frame: &(u8, Vec<u8>)) {
        let account = &mut self.account;
        account.received += u64::from(frame.0 != 0x88);
        match frame {
            (0x81, text) => {
                let text = std::str::from_utf8(text).unwrap();
                if account.received == 1 {
                    account.before = numbers(text, "hello");
                    account.news = account.before;
                } else {
                    self.settle(text);
                }
            }
            (0x82, bytes) => self.hear_payload(bytes),
            (0x88, _) => {
                let code = close_code(frame);
                account.kicked = code == Some(KICKED);
                let asked = (self.fate == Fate::Close).then_some(1000);
                assert!(
                    account.kicked || self.stage == Stage::Ending && code == asked,
                    "{code:?} {account:?}"
                );
                let can_answer = self.stage != Stage::Ending || self.fate != Fate::HalfClose;
                if account.told.is_none() && can_answer {
                    account.told = Some(code);
                    let answer = code.map(|code| app::close_frame(code, ""));
                    self.output.extend(answer.unwrap_or_else(|| crate::net::frame(true, 0x88, b"")));
                }
                self.stage = Stage::Ending;
            }
            frame => panic!("{frame:?}"),
        }
    }

    fn hear_payload(&mut self, bytes: &[u8]) {
        let Self { account, number, .. } = self;
        let (kind, pusher) = (bytes[0], usize::from(bytes[1]));
        let n = u32::from_be_bytes(bytes[2..6].try_into().unwrap());
        let to = if kind == NEWS { 0 } else { *number };
        assert!(bytes == payload(kind, pusher, n, to, bytes.len() - 10), "{:?} {account:?}", &bytes[..10]);
        match kind {
            TALK => {
                assert_eq!((n, bytes.len() - 10), (account.answered, talk_len(*number, n)), "{account:?}");
                account.answered += 1;
            }
            MAIL => {
                assert_eq!(n, account.mail[pusher], "{account:?}");
                account.mail[pusher] += 1;
            }
            _ => {
                assert!(n >= account.news[pusher], "{n} {account:?}");
                account.missed += u64::from(n - account.news[pusher]);
                account.news[pusher] = n + 1;
            }
        }
    }

    /// Hears how much there was for it.
    fn settle(&mut self, text: &str) {
        let [all @ .., drained, _] = numbers::<{ 3 * PUSHER_COUNT }>(text, "settled");
        let [mailed, published]: [[u32; PUSHER_COUNT]; 2] =
            [all[..PUSHER_COUNT].try_into().unwrap(), all[PUSHER_COUNT..].try_into().unwrap()];
        // All that was left out before this was told to the handler, which comes here once all is written.
        assert!(self.account.missed == 0 || drained > 0, "{:?}", self.account);
        self.settled = Some(Settled { mailed, published });
    }

    fn say(&mut self, bytes: &[u8]) {
        self.account.sent += 1;
        self.output.extend_from_slice(bytes);
    }

    /// Does what comes next; all before is written. `Some`: it is over.
    fn go_on(&mut self, random: &mut Random) -> Option<Account> {
        let account = &self.account;
        let all_answered = account.answered == account.talked;
        match self.stage {
            Stage::Opening | Stage::Ending => return None,
            Stage::Talking if !all_answered && !self.eager => {}
            Stage::Talking if self.bursts > 0 => {
                self.bursts -= 1;
                for _ in 0..BURST_LEN {
                    let talk = talk(self.number, self.account.talked);
                    self.account.talked += 1;
                    self.say(&frame(true, 0x82, &talk));
                }
                if self.bursts == 0 && self.fate == Fate::Reset {
                    self.write(random); // as far as it goes
                    return Some(self.account.clone());
                }
                self.rests_until = Instant::now() + millis(random.below(200) as u64);
            }
            Stage::Talking if self.settles => {
                self.say(&app::text("settle"));
                self.stage = Stage::Settling;
            }
            Stage::Talking => return self.end(),
            Stage::Settling => {
                let settled = self.settled?;
                let all_news = account.news.iter().zip(settled.published).all(|(news, all)| *news >= all);
                if all_answered && account.mail == settled.mailed && all_news {
                    self.account.settled = true;
                    return self.end();
                }
            }
        }
        None
    }

    fn end(&mut self) -> Option<Account> {
        self.stage = Stage::Ending;
        match self.fate {
            Fate::Close => {
                self.account.told = Some(Some(1000));
                self.output.extend(app::close_frame(1000, ""));
            }
            Fate::ClosedByServer => self.say(&app::text("bye")),
            Fate::HalfClose => self.stream.shutdown(Shutdown::Write).unwrap(),
            Fate::Cut => {
                // As much of it as is taken.
                self.stream.write(&frame(true, 0x82, &[0; 1000])[..500]).unwrap_or_default();
                return Some(self.account.clone());
            }
            Fate::Reset => return Some(self.account.clone()),
        }
        None
    }
}

impl Account {
    /// Whether it agrees with what the handler knows.
    #[track_caller]
    pub(crate) fn compare(&self, end: &End) {
        let both = format!("{self:?} {end:?}");
        let closed = match self.told {
            Some(Some(code)) => app::cleanly(code, ""),
            Some(None) => Closed::Cleanly(None),
            None => Closed::Disconnected,
        };
        assert_eq!(end.closed, closed, "{both}");
        assert!(self.answered <= end.answered && end.answered <= end.talked, "{both}");
        if matches!(self.fate, Fate::Cut | Fate::Reset) && self.told.is_none() {
            // What was on its way may be lost, in both directions.
            assert!(end.came <= self.sent && end.talked <= self.talked, "{both}");
        } else {
            assert_eq!(
                (end.came, end.talked, end.answered),
                (self.sent, self.talked, self.answered),
                "{both}"
            );
            // What came behind a close of the server's is not answered any more.
            assert!(self.kicked || self.answered == self.talked, "{both}");
        }
        assert_eq!(self.before, end.before, "{both}");
        for pusher in 0..PUSHER_COUNT {
            let (mail, mailed) = (self.mail[pusher], end.mailed[pusher]);
            assert!(mail == mailed || mail < mailed && !self.settled, "{both}");
            assert!(self.news[pusher] <= end.published[pusher], "{both}");
        }
    }

    /// News of which it can't know that it missed it.
    pub(crate) fn unseen(&self, end: &End) -> u64 {
        self.news.iter().zip(end.published).map(|(news, all)| u64::from(all.saturating_sub(*news))).sum()
    }
}
