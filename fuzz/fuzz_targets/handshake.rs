//! The upgrade: what a server accepts has all that RFC 6455 §4.2.1 asks for, a client opens exactly for the
//! responses of §4.1, and whatever both are told to say, they understand each other.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use talkback::handshake::{
    ClientHandshake, HandshakeError, MAX_OFFER_COUNT, Offer, Origins, Policy, ResponseError, Upgrade,
};
use talkback::http::{Authority, HeadLimits, Headers, Request, Response, Version};

/// The key and the accept of RFC 6455 §1.3, and the nonce that they are made of.
const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const LISTED: &str = "https://listed.example";

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Request { policy: u8, head: &'a [u8] },
    Response(&'a [u8]),
    Offers(&'a str),
    Pair(Pair<'a>),
}

#[derive(Debug, Arbitrary)]
struct Pair<'a> {
    nonce: [u8; 16],
    host: &'a str,
    target: &'a str,
    subprotocols: Vec<&'a str>,
    chosen: u8,
    headers: Vec<(&'a str, &'a str)>,
    answer_headers: Vec<(&'a str, &'a str)>,
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Request { policy, head } => request(policy, head),
        Input::Response(head) => response(head),
        Input::Offers(value) => offers(value),
        Input::Pair(pair) => {
            pair.run();
        }
    }
});

fn request(policy: u8, head: &[u8]) {
    let Ok(Some((request, _))) = Request::decode(head, HeadLimits::default()) else { return };
    let origins = [Origins::SameOrigin, Origins::Any, Origins::Listed(vec![LISTED.to_owned()])];
    let origins = origins[usize::from(policy % 3)].clone();
    let mut checks = Policy::default().origins(origins.clone());
    if policy >= 128 {
        checks = checks.hosts(["listed.example"]);
    }
    let headers = request.headers();
    let upgrade = match Upgrade::new(&request, &checks) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            assert!([400, 403, 405, 421, 426].contains(&error.status().code()), "{error}");
            assert!(is_due(&error, &request), "{error}");
            let answer = again(&error.response());
            assert!(answer.status() == error.status() && has_token(answer.headers(), "connection", "close"));
            return;
        }
    };
    let key = headers.only("Sec-WebSocket-Key").expect("one key").expect("a key");
    assert!(request.method() == "GET" && !request.has_body() && is_key(key));
    assert!(has_token(headers, "upgrade", "websocket") && has_token(headers, "connection", "upgrade"));
    assert_eq!(headers.only("Sec-WebSocket-Version"), Ok(Some("13")));
    assert!(policy < 128 || request.authority().host().eq_ignore_ascii_case("listed.example"));
    let origin = headers.only("Origin").expect("at most one origin");
    assert!(origin.is_none_or(|origin| origins == Origins::Any
        || origins != Origins::SameOrigin && origin == LISTED
        || is_same_origin(origin, request.authority())));
    let accept = upgrade.accept();
    assert!(key != KEY || accept.headers().only("Sec-WebSocket-Accept") == Ok(Some(ACCEPT)));
    assert_eq!(again(&accept).status(), 101);
}

/// Whether the request is what the error says. The grammars of lists are checked from the other side.
fn is_due(error: &HandshakeError, request: &Request) -> bool {
    let headers = request.headers();
    match error {
        HandshakeError::NotGet => request.method() != "GET",
        HandshakeError::NotAnUpgrade => {
            !has_token(headers, "upgrade", "websocket") || !has_token(headers, "connection", "upgrade")
        }
        HandshakeError::MissingVersion => !headers.contains("Sec-WebSocket-Version"),
        HandshakeError::UnsupportedVersion => headers.only("Sec-WebSocket-Version") != Ok(Some("13")),
        HandshakeError::InvalidKey => {
            !matches!(headers.only("Sec-WebSocket-Key"), Ok(Some(key)) if is_key(key))
        }
        HandshakeError::Body => request.has_body(),
        HandshakeError::ForbiddenOrigin => headers.contains("Origin"),
        HandshakeError::UnknownHost => {
            !request.authority().host().eq_ignore_ascii_case("listed.example")
                || request.authority().port().is_some()
        }
        HandshakeError::InvalidExtensions => headers.contains("Sec-WebSocket-Extensions"),
        HandshakeError::InvalidSubprotocols => headers.contains("Sec-WebSocket-Protocol"),
        _ => false,
    }
}

fn response(head: &[u8]) {
    let Ok(Some((response, _))) = Response::decode(head, HeadLimits::default()) else { return };
    let mut handshake = ClientHandshake::new("a.example", "/", NONCE).expect("valid");
    handshake.subprotocol("chat").expect("valid");
    handshake.subprotocol("superchat").expect("valid");
    let headers = response.headers();
    let chosen: Vec<&[u8]> = headers.all("Sec-WebSocket-Protocol").collect();
    let mut extensions = headers.all("Sec-WebSocket-Extensions").flatten();
    let opens = response.status() == 101
        && response.version() == Version::Http11
        && has_token(headers, "upgrade", "websocket")
        && has_token(headers, "connection", "upgrade")
        && headers.only("Sec-WebSocket-Accept") == Ok(Some(ACCEPT))
        && matches!(chosen[..], [] | [b"chat" | b"superchat"])
        && extensions.all(|byte| b" \t,".contains(byte));
    let finished = handshake.finish(&response);
    assert_eq!(finished.is_ok(), opens, "{finished:?}");
    let refused = matches!(finished, Err(ResponseError::Refused(_)));
    assert_eq!(refused, response.status() != 101);
}

fn offers(value: &str) {
    let decode = |value: &str| {
        let mut headers = Headers::new();
        headers.append("Sec-WebSocket-Extensions", value).ok()?;
        Offer::decode(&headers).ok()
    };
    let Some(offers) = decode(value) else { return };
    assert!(offers.len() <= MAX_OFFER_COUNT);
    let written: Vec<String> = offers.iter().map(written).collect();
    assert_eq!(decode(&written.join(", ")), Some(offers));
}

fn written(offer: &Offer) -> String {
    assert!(is_token(offer.name()));
    offer.parameters().fold(offer.name().to_owned(), |written, (name, value)| {
        assert!(is_token(name) && value.is_none_or(is_token));
        written + ";" + name + &value.map(|value| format!("=\"{value}\"")).unwrap_or_default()
    })
}

impl Pair<'_> {
    fn run(&self) -> Option<()> {
        let mut client = ClientHandshake::new(self.host, self.target, self.nonce).ok()?;
        let offered: Vec<&str> =
            self.subprotocols.iter().copied().filter(|name| client.subprotocol(name).is_ok()).collect();
        for (name, value) in &self.headers {
            let added = client.header(name, value).is_ok();
            assert!(!(added && value.contains(['\r', '\n', '\0'])));
        }

        let limits = HeadLimits::default().max_head_len(usize::MAX).max_header_count(usize::MAX);
        let bytes = client.request();
        let (request, len) = Request::decode(&bytes, limits).expect("valid").expect("whole");
        assert_eq!((len, request.target()), (bytes.len(), self.target));
        let policy = Policy::default().origins(Origins::Any);
        let origin = request.headers().only("Origin");
        let mut upgrade = match Upgrade::new(&request, &policy) {
            Err(_) if origin.is_err() => return None,
            upgrade => upgrade.expect("a client's request is accepted"),
        };
        assert!(upgrade.subprotocols().eq(offered.iter().copied()));
        let chosen = offered.get(usize::from(self.chosen)).copied();
        if let Some(name) = chosen {
            upgrade.subprotocol(name).expect("it is offered");
        }
        for (name, value) in &self.answer_headers {
            let added = upgrade.header(name, value).is_ok();
            assert!(!(added && value.contains(['\r', '\n', '\0'])));
        }
        let negotiated = client.finish(&again(&upgrade.accept())).expect("a server's response opens");
        assert_eq!(negotiated.subprotocol(), chosen);
        Some(())
    }
}

/// The response as the other side reads it.
fn again(response: &Response) -> Response {
    let mut bytes = Vec::new();
    response.encode(&mut bytes);
    let limits = HeadLimits::default().max_head_len(usize::MAX).max_header_count(usize::MAX);
    let (read, len) = Response::decode(&bytes, limits).expect("valid").expect("whole");
    assert_eq!((&bytes[len..], read.status()), (response.content(), response.status()));
    read
}

fn has_token(headers: &Headers, name: &str, token: &str) -> bool {
    let mut elements = headers.all(name).flat_map(|value| value.split(|&byte| byte == b','));
    elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte))
}

/// 16 bytes in base64: 21 characters, one that has four bits of zero, and padding.
fn is_key(key: &str) -> bool {
    let Some((rest, last)) = key.strip_suffix("==").and_then(|text| text.split_at_checked(21)) else {
        return false;
    };
    rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        && matches!(last, "A" | "Q" | "g" | "w")
}

fn is_same_origin(origin: &str, host: Authority<'_>) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = if scheme == "https" { 443 } else { 80 };
    Authority::decode(authority).is_some_and(|authority| {
        authority.host().eq_ignore_ascii_case(host.host())
            && authority.port().unwrap_or(port) == host.port().unwrap_or(port)
    })
}
