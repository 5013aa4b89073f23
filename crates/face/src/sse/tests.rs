use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// All events of `pieces`, and what is left.
fn decode(pieces: &[&[u8]]) -> Result<(Vec<Event>, Bytes), SseError> {
    let mut decoder = Decoder::new(1000);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next_event()? {
            events.push(event);
        }
    }
    decoder.end();
    while let Some(event) = decoder.next_event()? {
        events.push(event);
    }
    Ok((events, decoder.into_remainder()))
}

fn all(text: &str) -> Vec<Event> {
    decode(&[text.as_bytes()]).unwrap().0
}

fn one(text: &str) -> Event {
    let events = all(text);
    assert_eq!(events.len(), 1, "{text:?}");
    events.into_iter().next().unwrap()
}

#[test]
fn fields_are_read_by_the_standard() {
    let event = one("event: message\nid: 7\nretry: 1500\ndata: {\"a\":\ndata:1}\nother: x\n\n");
    assert_eq!(event.event.as_deref(), Some("message"));
    assert_eq!(event.id.as_deref(), Some("7"));
    assert_eq!(event.retry, Some(Duration::from_millis(1500)));
    assert_eq!(event.message(), Some("{\"a\":\n1}"));

    let cases = [
        ("data\n\n", Some("")),
        ("data:\n\n", Some("")),
        ("data:  x \n\n", Some(" x ")),
        ("data\ndata\n\n", Some("\n")),
        ("data: a\n: comment\ndata: b\n\n", Some("a\nb")),
        ("Data: x\n\n", None),
        (" data: x\n\n", None),
        ("\u{feff}data: x\n\n", Some("x")),
    ];
    for (text, expected) in cases {
        assert_eq!(one(text).data.as_deref(), expected, "{text:?}");
    }
    assert_eq!(one("id: a\0b\n\n").id, None);
    assert_eq!(one("id\n\n").id.as_deref(), Some(""));
    for bad in ["1.5", "-1", "x", "", "99999999999999999999"] {
        assert_eq!(one(&format!("retry: {bad}\n\n")).retry, None, "{bad}");
    }
}

#[test]
fn comments_priming_events_and_bare_fields_are_handed_out() {
    let events = all(": ping\n\nid: 1\ndata:\n\nretry: 5\n\ndata: x\n\n");
    let originals: Vec<&[u8]> = events.iter().map(|event| &event.original[..]).collect();
    let expected: [&[u8]; 5] =
        [b": ping\n", b"\n", b"id: 1\ndata:\n\n", b"retry: 5\n\n", b"data: x\n\n"];
    assert_eq!(originals, expected);
    let messages: Vec<Option<&str>> = events.iter().map(Event::message).collect();
    assert_eq!(messages, [None, None, None, None, Some("x")]);
    assert_eq!(events[2].data.as_deref(), Some(""));
}

#[test]
fn an_event_is_handed_out_as_soon_as_it_ends() {
    for stream in ["data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r"] {
        let mut decoder = Decoder::new(100);
        decoder.push(stream.as_bytes());
        let event = decoder.next_event().unwrap().unwrap();
        assert_eq!(event.message(), Some("1"), "{stream:?}");
        assert_eq!(event.original, stream.as_bytes());
    }
    // The LF of a CRLF that was cut in two stays with its event.
    let mut decoder = Decoder::new(100);
    decoder.push(b"data: 1\r\n\r");
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.push(b"\ndata");
    assert_eq!(decoder.next_event().unwrap().unwrap().original, "data: 1\r\n\r\n");
    assert_eq!(decoder.next_event(), Ok(None));
    assert_eq!(decoder.into_remainder(), "data");
}

#[test]
fn an_event_that_never_ends_is_no_event() {
    let (events, remainder) = decode(&[b"data: 1\n\ndata: 2\n"]).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(remainder, "data: 2\n");
    let (events, remainder) = decode(&[b"data: 1\r\n\r"]).unwrap();
    assert_eq!((events.len(), remainder.len()), (1, 0));
}

#[test]
fn an_event_has_a_limit_and_the_stream_ends_there() {
    let event = b"data: 4567\n\n";
    for (limit, fits) in [(event.len(), true), (event.len() - 1, false)] {
        let mut decoder = Decoder::new(limit);
        decoder.push(event);
        assert_eq!(decoder.next_event().is_ok(), fits);
    }
    let mut decoder = Decoder::new(10);
    decoder.push(b"data: 1\n\ndata: 234567890");
    assert!(decoder.next_event().unwrap().is_some());
    assert_eq!(decoder.next_event(), Err(SseError::TooLarge(10)));
    decoder.push(b"\n\ndata: 1\n\n");
    assert_eq!(decoder.next_event(), Err(SseError::TooLarge(10)));
    assert_eq!(decode(&[b"data: \xff\n\n"]), Err(SseError::NotUtf8));
}

#[test]
fn what_is_written_is_read_back() {
    let event = one(std::str::from_utf8(&message("{\"a\":\r\n1}\r", Some("9"))).unwrap());
    assert_eq!((event.message(), event.id.as_deref()), (Some("{\"a\":\n1}\n"), Some("9")));
    let forged = message("x", Some("1\ndata: y"));
    assert_eq!(one(std::str::from_utf8(&forged).unwrap()).id, None);

    let priming = priming("1", Some(Duration::from_secs(2)));
    assert_eq!(priming, "id: 1\nretry: 2000\ndata: \n\n");

    let event = one("id: 4\nevent: e\nretry: 3\ndata: secret\n\n");
    let other = one(std::str::from_utf8(&event.with_data("[1]")).unwrap());
    assert_eq!(
        Event { original: event.original.clone(), data: event.data.clone(), ..other },
        event
    );
    assert!(!format!("{event:?}").contains("secret"));
}

/// The standard's algorithm on the whole text, the simple way: data and last id of each event.
fn reference(text: &str) -> Vec<(String, Option<String>)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let complete = text.rfind('\n').map_or("", |end| text.split_at(end + 1).0);
    let (mut events, mut data, mut last_id) = (Vec::new(), String::new(), None);
    for line in complete.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() && !data.is_empty() => {
                data.pop();
                events.push((std::mem::take(&mut data), last_id.clone()));
            }
            "data" => data = data + value + "\n",
            "id" => last_id = Some(value.to_owned()),
            _ => {}
        }
    }
    events
}

fn stream() -> impl Strategy<Value = String> {
    let parts =
        ["data", "data:", "data: x", "id: 1", "id:2", ":c", ":", " ", "é", "\n", "\r", "\r\n"];
    let parts = vec(prop::sample::select(parts.to_vec()), 0..40);
    (any::<bool>(), parts).prop_map(|(bom, parts)| {
        let bom = if bom { "\u{feff}" } else { "" };
        bom.to_owned() + &parts.concat()
    })
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events_and_loses_no_byte(
        text in stream(),
        cuts in vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let whole = decode(&[bytes]).unwrap();
        prop_assert_eq!(&decode(&pieces).unwrap(), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&decode(&single).unwrap(), &whole);

        let (events, remainder) = whole;
        let mut original: Vec<u8> = events.iter().flat_map(|event| event.original.to_vec()).collect();
        original.extend_from_slice(&remainder);
        prop_assert_eq!(original, bytes);

        let mut last_id = None;
        let dispatched: Vec<_> = events.into_iter().filter_map(|event| {
            last_id = event.id.or(last_id.take());
            Some((event.data?, last_id.clone()))
        }).collect();
        prop_assert_eq!(dispatched, reference(&text));
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in vec(vec(any::<u8>(), 0..20), 0..20)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let _ = decode(&pieces);
    }
}
