//! A reader of a room in each transport, which gives what it is told, and knows how far it has got.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::net::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Poll,
    LongPoll,
    Lines,
    Events,
    /// Events, resumed by `Last-Event-ID`.
    EventsById,
    Socket,
}

pub(crate) const ALL: [Transport; 6] = [
    Transport::Poll,
    Transport::LongPoll,
    Transport::Lines,
    Transport::Events,
    Transport::EventsById,
    Transport::Socket,
];

/// Those that stay open.
pub(crate) const LIVE: [Transport; 3] = [Transport::Lines, Transport::Events, Transport::Socket];

/// What a reader is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Place(String),
    Gap { id: String, first: u64, last: u64 },
    Publication { id: String, seq: u64, client: String, message: String, data: Value },
    Here(Value),
    Other(Value),
}

impl Told {
    fn of(object: Value) -> Self {
        let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        let id = text("id");
        if let Some(gap) = object["gap"].as_object() {
            return Self::Gap {
                id,
                first: gap["first"].as_u64().unwrap(),
                last: gap["last"].as_u64().unwrap(),
            };
        }
        if object.get("data").is_some() {
            let seq = id.split_once('-').unwrap().1.parse().unwrap();
            let (client, message, data) = (text("client"), text("message"), object["data"].clone());
            return Self::Publication { id, seq, client, message, data };
        }
        match object.as_object().map(|object| object.len()) {
            Some(1) if object.get("id").is_some() => Self::Place(id),
            _ if object.get("here").is_some() => Self::Here(object),
            _ => Self::Other(object),
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Place(id) | Self::Gap { id, .. } | Self::Publication { id, .. } => Some(id),
            Self::Here(_) | Self::Other(_) => None,
        }
    }
}

/// What it reads and how; each call may fail, as the network may.
pub(crate) struct Reader {
    pub(crate) transport: Transport,
    /// What to read on after; `None`: nothing has come.
    pub(crate) cursor: Option<String>,
    path: String,
    query: String,
    pub(crate) stream: BufReader<TcpStream>,
    /// What has come and was not given.
    told: VecDeque<Told>,
    /// What of a stream has come and is no whole line.
    rest: Vec<u8>,
}

impl Reader {
    pub(crate) fn open(
        address: &str,
        transport: Transport,
        room: &str,
        after: Option<&str>,
        query: &str,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        patient(&stream);
        let mut reader = Self {
            transport,
            cursor: after.map(str::to_owned),
            path: format!("/rooms/{room}"),
            query: query.to_owned(),
            stream: BufReader::new(stream),
            told: VecDeque::new(),
            rest: Vec::new(),
        };
        reader.begin()?;
        Ok(reader)
    }

    fn begin(&mut self) -> io::Result<()> {
        let (endpoint, status) = match self.transport {
            Transport::Poll | Transport::LongPoll => return Ok(()),
            Transport::Lines => ("stream", 200),
            Transport::Events | Transport::EventsById => ("events", 200),
            Transport::Socket => ("socket", 101),
        };
        let request = self.request(endpoint);
        self.write(request.as_bytes())?;
        let head = self.read_head()?;
        if head.starts_with(&format!("HTTP/1.1 {status} ")) { Ok(()) } else { Err(io::Error::other(head)) }
    }

    fn request(&self, endpoint: &str) -> String {
        let Self { path, query, .. } = self;
        let (mut lines, mut after) = (String::new(), String::new());
        match &self.cursor {
            Some(cursor) if self.transport == Transport::EventsById => {
                lines = format!("Last-Event-ID: {cursor}\r\n");
            }
            Some(cursor) => after = format!("&after={cursor}"),
            None => {}
        }
        let wait = if self.transport == Transport::LongPoll { "&wait=2" } else { "" };
        let target = format!("{path}/{endpoint}?{query}{after}{wait}");
        match self.transport {
            Transport::Socket => request_to(&target, &lines),
            _ => format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"),
        }
    }

    /// What it is told next. `None`: the stream has ended, cleanly.
    pub(crate) fn next(&mut self) -> io::Result<Option<Told>> {
        while self.told.is_empty() {
            let goes_on = match self.transport {
                Transport::Poll | Transport::LongPoll => self.poll()?,
                Transport::Lines | Transport::Events | Transport::EventsById => self.read_chunk()?,
                Transport::Socket => self.read_frame()?,
            };
            if !goes_on {
                return Ok(None);
            }
        }
        let told = self.told.pop_front();
        if let Some(id) = told.as_ref().and_then(Told::id) {
            self.cursor = Some(id.to_owned());
        }
        Ok(told)
    }

    /// What comes next, but for who is here.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Told {
        loop {
            match self.next().unwrap().unwrap() {
                Told::Here(_) => {}
                told => return told,
            }
        }
    }

    /// The number of the publication that comes next: nothing else does, but for a place at the beginning.
    #[track_caller]
    pub(crate) fn read_seq(&mut self) -> u64 {
        loop {
            match self.read() {
                Told::Publication { seq, .. } => return seq,
                Told::Place(_) => {}
                told => panic!("{:?}: {told:?}", self.transport),
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn read_head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// The body of an answer.
    pub(crate) fn read_body(&mut self) -> io::Result<Vec<u8>> {
        let head = self.read_head()?;
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(head));
        }
        let mut body = vec![0; header(&head, "Content-Length").unwrap().parse().unwrap()];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn poll(&mut self) -> io::Result<bool> {
        let request = self.request("messages");
        self.write(request.as_bytes())?;
        let page: Value = serde_json::from_slice(&self.read_body()?).unwrap();
        let (epoch, first, last) =
            (&page["epoch"], page["first"].as_u64().unwrap(), page["last"].as_u64().unwrap());
        if page["gap"] == true {
            let id = format!("{}-{}", epoch.as_str().unwrap(), first - 1);
            self.told.push_back(Told::Gap { id, first, last });
        }
        let messages = page["messages"].as_array().unwrap();
        self.told.extend(messages.iter().cloned().map(Told::of));
        let cursor = page["cursor"].as_str().unwrap();
        if self.told.is_empty() {
            // As the first object of a stream says it.
            if self.cursor.as_deref() != Some(cursor) {
                self.told.push_back(Told::Place(cursor.to_owned()));
            } else if self.transport == Transport::Poll {
                std::thread::sleep(millis(10));
            }
        } else {
            let end = self.told.back().and_then(Told::id);
            assert_eq!(end, Some(cursor), "where to read on is behind what was read");
        }
        Ok(true)
    }

    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let Some(len) = line.strip_suffix("\r\n").and_then(|len| usize::from_str_radix(len, 16).ok()) else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        let mut chunk = vec![0; len + 2];
        self.stream.read_exact(&mut chunk)?;
        self.rest.extend_from_slice(&chunk[..len]);
        let end: &[u8] = if self.transport == Transport::Lines { b"\n" } else { b"\n\n" };
        while let Some(at) = self.rest.windows(end.len()).position(|bytes| bytes == end) {
            let piece: Vec<u8> = self.rest.drain(..at + end.len()).collect();
            let piece = std::str::from_utf8(&piece).unwrap().trim_end();
            let data = match self.transport {
                Transport::Lines => Some(piece),
                _ => piece.lines().find_map(|line| line.strip_prefix("data: ")),
            };
            if let Some(data) = data.filter(|data| !data.is_empty()) {
                self.told.push_back(Told::of(serde_json::from_str(data).unwrap()));
            }
        }
        Ok(len > 0)
    }

    fn read_frame(&mut self) -> io::Result<bool> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len)?;
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.stream.read_exact(&mut len)?;
                usize::try_from(u64::from_be_bytes(len)).unwrap()
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload)?;
        match head[0] {
            0x81 => self.told.push_back(Told::of(serde_json::from_slice(&payload).unwrap())),
            0x89 => self.write(&frame(true, 0x8a, &payload))?,
            0x88 => {
                self.write(&frame(true, 0x88, &payload))?;
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let closed = serde_json::json!({ "closed": code });
                self.told.push_back(Told::Other(closed));
                return Ok(true);
            }
            first => panic!("{first:#x}"),
        }
        Ok(true)
    }
}
