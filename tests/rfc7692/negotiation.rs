//! RFC 7692 §5 and §7.1: what is offered, answered, declined and refused.

use super::*;
use talkback::handshake::{ClientHandshake, Negotiated, Offer, Policy, ResponseError, Upgrade};
use talkback::http::{HeadLimits, Headers, Request, Response};

fn offers(value: &str) -> Vec<Offer> {
    let mut headers = Headers::new();
    headers.append("Sec-WebSocket-Extensions", value).unwrap();
    Offer::decode(&headers).unwrap()
}

/// A server's answer, as it stands in the response of a whole handshake.
fn answer(wanted: &DeflateParameters, extensions: &str) -> Option<String> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    );
    let (request, _) = Request::decode(request.as_bytes(), HeadLimits::default()).unwrap().unwrap();
    let mut upgrade = Upgrade::new(&request, &Policy::default()).unwrap();
    let agreed = upgrade.deflate(wanted);
    let response = upgrade.accept();
    let answers: Vec<_> = response.headers().all("Sec-WebSocket-Extensions").collect();
    assert_eq!(answers.len(), usize::from(agreed.is_some()));
    answers.first().map(|answer| String::from_utf8(answer.to_vec()).unwrap())
}

#[track_caller]
fn assert_answer(wanted: &DeflateParameters, offers: &str, answered: impl Into<Option<&'static str>>) {
    let answer = answer(wanted, &format!("Sec-WebSocket-Extensions: {offers}\r\n"));
    assert_eq!(answer.as_deref(), answered.into(), "{offers}");
}

/// What a client that made these offers makes of a response.
fn finish(wanted: &[DeflateParameters], extensions: &str) -> Result<Negotiated, ResponseError> {
    let mut handshake = ClientHandshake::new("localhost", "/", *b"the sample nonce").unwrap();
    wanted.iter().for_each(|wanted| handshake.deflate(*wanted));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{extensions}\r\n"
    );
    let (response, _) = Response::decode(response.as_bytes(), HeadLimits::default()).unwrap().unwrap();
    handshake.finish(&response)
}

#[track_caller]
fn assert_agreed(wanted: DeflateParameters, response: &str, agreed: DeflateParameters) {
    let negotiated = finish(&[wanted], &format!("Sec-WebSocket-Extensions: {response}\r\n")).unwrap();
    assert_eq!(negotiated.deflate(), Some(&agreed), "{response}");
}

#[track_caller]
fn assert_response_refused(wanted: &[DeflateParameters], response: &str) {
    let refused = finish(wanted, &format!("Sec-WebSocket-Extensions: {response}\r\n"));
    assert!(matches!(refused, Err(ResponseError::UnofferedExtension)), "{response}: {refused:?}");
}

fn server_bits(bits: u8) -> DeflateParameters {
    takeover().server_max_window_bits(WindowBits::new(bits).unwrap())
}

fn client_bits(bits: u8) -> DeflateParameters {
    takeover().client_max_window_bits(WindowBits::new(bits).unwrap())
}

#[test]
fn s5_1_what_is_offered() {
    assert_eq!(takeover().offer(), "permessage-deflate; client_max_window_bits");
    assert_eq!(
        no_takeover().offer(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
    );
    assert_eq!(windows(9).offer(), "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9");
    let mut handshake = ClientHandshake::new("localhost", "/", [0; 16]).unwrap();
    handshake.deflate(server_bits(10));
    handshake.deflate(takeover());
    let request = String::from_utf8(handshake.request()).unwrap();
    let line = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10; \
        client_max_window_bits, permessage-deflate; client_max_window_bits\r\n";
    assert!(request.contains(line), "{request}");
}

#[test]
fn s5_1_without_an_offer_there_is_no_answer() {
    assert_eq!(answer(&takeover(), ""), None);
    assert_answer(&takeover(), "permessage-bzip2", None);
    assert_answer(&takeover(), "x-webkit-deflate-frame", None);
    assert_answer(&takeover(), "permessage-deflate2", None);
    assert_eq!(answer(&takeover(), "Sec-WebSocket-Extensions: \r\n"), None);
}

#[test]
fn s5_1_a_bare_offer_is_answered_with_what_the_server_may_ask_for() {
    assert_answer(&takeover(), "permessage-deflate", "permessage-deflate");
    assert_answer(
        &no_takeover(),
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    );
    assert_answer(&server_bits(9), "permessage-deflate", "permessage-deflate; server_max_window_bits=9");
}

#[test]
fn s5_1_the_first_offer_that_can_be_met_is_answered() {
    let first = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
    assert_answer(&takeover(), first, "permessage-deflate; server_max_window_bits=10");
    let reversed = "permessage-deflate, permessage-deflate; server_max_window_bits=10";
    assert_answer(&takeover(), reversed, "permessage-deflate");
    for declined in [
        "foo; bar=1",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
    ] {
        let offers =
            format!("{declined}, permessage-deflate; server_no_context_takeover, permessage-deflate");
        assert_answer(&takeover(), &offers, "permessage-deflate; server_no_context_takeover");
    }
    // Over two fields as in one.
    let fields = "Sec-WebSocket-Extensions: permessage-deflate; x\r\nSec-WebSocket-Extensions: \
        permessage-deflate; server_max_window_bits=11\r\n";
    let answer = answer(&takeover(), fields);
    assert_eq!(answer.as_deref(), Some("permessage-deflate; server_max_window_bits=11"));
}

#[test]
fn s7_1_an_offer_that_breaks_the_rules_is_declined() {
    for parameters in [
        // not one of the four, or by halves
        "unknown",
        "unknown=1",
        "max_window_bits=10",
        "server_max_window_bits=10; x",
        "SERVER_NO_CONTEXT_TAKEOVER",
        // twice, with the same value or another
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=11",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
        // a value where there is none to be
        "server_no_context_takeover=1",
        "server_no_context_takeover=true",
        "client_no_context_takeover=0",
        // no value where there has to be one
        "server_max_window_bits",
    ] {
        assert_answer(&takeover(), &format!("permessage-deflate; {parameters}"), None);
    }
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in [
            "7", "16", "0", "1", "08", "09", "010", "015", "\"08\"", "\"16\"", "-9", "+9", "9.0", "x", "0x9",
            "264", "1e1",
        ] {
            assert_answer(&takeover(), &format!("permessage-deflate; {name}={value}"), None);
        }
    }
}

#[test]
fn s7_1_quoted_values_and_blanks_are_as_plain_ones() {
    for offer in [
        "permessage-deflate; server_max_window_bits=\"12\"",
        "permessage-deflate;server_max_window_bits=12",
        "permessage-deflate ;\tserver_max_window_bits = \"1\\2\" ",
    ] {
        assert_answer(&takeover(), offer, "permessage-deflate; server_max_window_bits=12");
    }
}

#[test]
fn s7_1_1_1_server_no_context_takeover_is_kept_by_the_server() {
    let offer = "permessage-deflate; server_no_context_takeover";
    assert_answer(&takeover(), offer, offer);
    // Unasked, too.
    let wanted = takeover().server_no_context_takeover(true);
    assert_answer(&wanted, "permessage-deflate", offer);
    // A client that asked for it gets it, or fails; one that did not, takes it.
    assert_response_refused(&[wanted], "permessage-deflate");
    assert_agreed(wanted, offer, wanted);
    assert_agreed(takeover(), offer, wanted);
}

#[test]
fn s7_1_1_2_client_no_context_takeover_is_a_hint_in_an_offer() {
    let offer = "permessage-deflate; client_no_context_takeover";
    assert_answer(&takeover(), offer, "permessage-deflate");
    let wanted = takeover().client_no_context_takeover(true);
    assert_answer(&wanted, offer, offer);
    assert_answer(&wanted, "permessage-deflate", offer);
    // The client keeps its word though the server doesn't repeat it, and takes it on unasked.
    assert_agreed(wanted, "permessage-deflate", wanted);
    assert_agreed(takeover(), offer, wanted);
}

#[test]
fn s7_1_2_1_server_max_window_bits_is_kept_by_the_server() {
    for bits in 9..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let agreed = takeover().choose(&offers(&offer)).unwrap();
        assert_eq!(agreed.server_max_window_bits.value(), bits);
        assert_eq!(agreed.encode(), if bits == 15 { "permessage-deflate" } else { &offer });
        // The smaller of two.
        let agreed = server_bits(12).choose(&offers(&offer)).unwrap();
        assert_eq!(agreed.server_max_window_bits.value(), bits.min(12));
    }
    assert_answer(&takeover(), "permessage-deflate; server_max_window_bits=8", None);
    assert_answer(&no_takeover(), "permessage-deflate; server_max_window_bits=8", None);
    assert_answer(&server_bits(8), "permessage-deflate", None);
}

#[test]
fn s7_1_2_1_a_client_takes_a_window_as_offered_or_smaller() {
    for bits in 8..=15 {
        let response = format!("permessage-deflate; server_max_window_bits={bits}");
        assert_agreed(takeover(), &response, server_bits(bits));
        if bits <= 11 {
            assert_agreed(server_bits(11), &response, server_bits(bits));
        } else {
            assert_response_refused(&[server_bits(11)], &response);
        }
    }
    assert_response_refused(&[server_bits(11)], "permessage-deflate");
}

#[test]
fn s7_1_2_2_client_max_window_bits_is_answered_only_where_it_was_offered() {
    assert_answer(&client_bits(10), "permessage-deflate", None);
    assert_answer(&client_bits(10), "permessage-deflate; client_no_context_takeover", None);
    let answer = "permessage-deflate; client_max_window_bits=10";
    for offer in ["client_max_window_bits", "client_max_window_bits=10", "client_max_window_bits=15"] {
        assert_answer(&client_bits(10), &format!("permessage-deflate; {offer}"), answer);
    }
    // Fallen back on, it is the second offer that is answered.
    assert_answer(&client_bits(10), "permessage-deflate, permessage-deflate; client_max_window_bits", answer);
    for bits in 8..15 {
        let offer = format!("permessage-deflate; client_max_window_bits={bits}");
        let agreed = takeover().choose(&offers(&offer)).unwrap();
        assert_eq!((agreed.client_max_window_bits.value(), agreed.encode()), (bits, offer));
    }
    assert_answer(&takeover(), "permessage-deflate; client_max_window_bits", "permessage-deflate");
}

#[test]
fn s7_1_2_2_a_client_keeps_to_the_smaller_window() {
    for bits in 8..=15 {
        let response = format!("permessage-deflate; client_max_window_bits={bits}");
        assert_agreed(takeover(), &response, client_bits(bits));
        if bits <= 11 {
            assert_agreed(client_bits(11), &response, client_bits(bits));
        } else {
            // "with the same or smaller value" -- RFC 7692 §7.1.2.2
            assert_eq!(client_bits(11).agree(&offers(&response)[0]), None);
        }
    }
    assert_agreed(client_bits(11), "permessage-deflate", client_bits(11));
    assert_agreed(takeover(), "permessage-deflate; client_max_window_bits=\"9\"", client_bits(9));
}

#[test]
fn s7_1_a_response_that_breaks_the_rules_fails_the_connection() {
    for response in [
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate, x",
        "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate;",
    ] {
        assert_response_refused(&[takeover()], response);
    }
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in ["7", "16", "0", "08", "015", "x", "-9", "+9"] {
            assert_response_refused(&[takeover()], &format!("permessage-deflate; {name}={value}"));
        }
    }
}

#[test]
fn s5_1_a_response_without_an_offer_fails_the_connection() {
    assert_response_refused(&[], "permessage-deflate");
    assert_eq!(finish(&[], "").unwrap().deflate(), None);
    assert_eq!(finish(&[takeover()], "").unwrap().deflate(), None);
}

#[test]
fn s5_1_a_response_may_follow_from_any_of_the_offers() {
    let offered = [server_bits(10), takeover().server_no_context_takeover(true)];
    let agreed = |response: &str| {
        let negotiated = finish(&offered, &format!("Sec-WebSocket-Extensions: {response}\r\n")).unwrap();
        *negotiated.deflate().unwrap()
    };
    assert_eq!(agreed("permessage-deflate; server_max_window_bits=9"), server_bits(9));
    assert_eq!(agreed("permessage-deflate; server_no_context_takeover"), offered[1]);
    assert_response_refused(&offered, "permessage-deflate");
}

#[test]
fn s5_each_answer_is_accepted_by_the_client_that_offered() {
    let wishes = || {
        let bits = [8, 9, 12, 15];
        let of = move |(no_takeover, server): ((bool, bool), u8)| {
            bits.map(|client| {
                windows(15)
                    .server_no_context_takeover(no_takeover.0)
                    .client_no_context_takeover(no_takeover.1)
                    .server_max_window_bits(WindowBits::new(server).unwrap())
                    .client_max_window_bits(WindowBits::new(client).unwrap())
            })
        };
        let takeovers = [(false, false), (false, true), (true, false), (true, true)];
        takeovers.into_iter().flat_map(move |takeover| bits.map(|bits| (takeover, bits))).flat_map(of)
    };
    let mut count = 0;
    for client in wishes() {
        for server in wishes() {
            let Some(chosen) = server.choose(&offers(&client.offer())) else {
                let bits = client.server_max_window_bits.min(server.server_max_window_bits);
                assert_eq!(bits, WindowBits::MIN, "{client:?} {server:?}");
                continue;
            };
            let agreed = client.agree(&offers(&chosen.encode())[0]).unwrap();
            // Either side may do less than it was asked for, but must know what the other does.
            assert_eq!(agreed.server_no_context_takeover, chosen.server_no_context_takeover);
            assert_eq!(agreed.server_max_window_bits, chosen.server_max_window_bits);
            assert!(agreed.client_no_context_takeover >= chosen.client_no_context_takeover);
            assert!(agreed.client_max_window_bits <= chosen.client_max_window_bits);
            count += 1;
        }
    }
    assert!(count > 2000, "{count}");
}

#[test]
fn window_bits_are_8_to_15() {
    let valid: Vec<u8> = (0..=255).filter(|bits| WindowBits::new(*bits).is_some()).collect();
    assert_eq!(valid, (8..=15).collect::<Vec<u8>>());
    assert_eq!(WindowBits::MIN.len(), 256);
    assert_eq!(WindowBits::MAX.len(), 32_768);
}
