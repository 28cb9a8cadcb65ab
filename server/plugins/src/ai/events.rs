//! Streams of providers, taken apart into events as they come: server-sent events, lines of JSON, a list of JSON, or
//! Amazon's own framing. Pieces may end anywhere.

use std::mem;

/// Bytes of an event that is not whole yet, at most.
const LONGEST: usize = 4 << 20;
/// Content-Type of a stream that may be a list.
const JSON: &str = "application/json";
/// Content-Type of Amazon's framing.
const AMAZON: &str = "application/vnd.amazon.eventstream";
/// What streams may be.
const KNOWN: [&str; 5] = ["text/event-stream", AMAZON, JSON, "application/stream+json", "application/x-ndjson"];

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// What it is, where it has a name.
    pub event: Option<String>,
    /// What it says.
    pub data: Option<String>,
}

impl Event {
    fn saying(data: impl Into<String>) -> Self {
        Self { event: None, data: Some(data.into()) }
    }
}

/// How events stand in a stream.
#[derive(Debug)]
enum Framing {
    /// Not known before the first byte that is no white space.
    Unknown,
    /// The WHATWG's `text/event-stream`; with the event that is not whole yet.
    Sent(Event),
    /// One per line.
    Lines,
    /// Elements of one list.
    List(List),
    /// With lengths before them.
    Amazon,
}

/// Where a list was left off.
#[derive(Debug, Default)]
struct List {
    /// How much of what is kept was looked at.
    at: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
    over: bool,
}

/// A stream on its way through.
#[derive(Debug)]
pub(super) struct Events {
    framing: Framing,
    json: bool,
    kept: Vec<u8>,
}

impl Events {
    /// A stream of that Content-Type; none where it is no stream.
    pub fn of(content_type: Option<&str>) -> Option<Self> {
        let media = content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if media.as_deref().is_some_and(|media| !KNOWN.contains(&media)) {
            return None;
        }
        let amazon = media.as_deref() == Some(AMAZON);
        let framing = if amazon { Framing::Amazon } else { Framing::Unknown };
        Some(Self { framing, json: media.as_deref() == Some(JSON), kept: Vec::new() })
    }

    /// Takes a piece; gives the events that are whole now.
    ///
    /// # Errors
    /// A sentence: an event is too long, or the framing is broken.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, &'static str> {
        self.kept.extend_from_slice(piece);
        if matches!(self.framing, Framing::Unknown) {
            let Some(first) = self.kept.iter().position(|byte| !byte.is_ascii_whitespace()) else { return Ok(vec![]) };
            self.framing = match self.kept[first] {
                b'{' => Framing::Lines,
                b'[' if self.json => {
                    self.kept.drain(..=first);
                    Framing::List(List::default())
                }
                _ => Framing::Sent(Event::default()),
            };
        }
        let mut found = Vec::new();
        match &mut self.framing {
            Framing::Unknown => {}
            Framing::Sent(event) => lines(&mut self.kept, |line| sent(line, event, &mut found)),
            Framing::Lines => lines(&mut self.kept, |line| line_of(line, &mut found)),
            Framing::List(list) => elements(&mut self.kept, list, &mut found),
            Framing::Amazon => frames(&mut self.kept, &mut found)?,
        }
        match self.kept.len() > LONGEST {
            true => Err("an event is too long"),
            false => Ok(found),
        }
    }

    /// The end: what came without a last line end.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut found = Vec::new();
        let rest = mem::take(&mut self.kept);
        match &mut self.framing {
            Framing::Lines => line_of(&rest, &mut found),
            Framing::Sent(event) => {
                sent(&rest, event, &mut found);
                let whole = |data: &String| {
                    data == super::drivers::DONE || serde_json::from_str::<serde_json::Value>(data).is_ok()
                };
                if event.data.as_ref().is_some_and(whole) {
                    found.push(mem::take(event));
                }
            }
            Framing::Unknown | Framing::List(_) | Framing::Amazon => {}
        }
        found
    }
}

/// Takes the whole lines out of what is kept.
fn lines(kept: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let Some(last) = kept.iter().rposition(|byte| *byte == b'\n') else { return };
    for line in kept[..last].split(|byte| *byte == b'\n') {
        each(line);
    }
    kept.drain(..=last);
}

fn line_of(line: &[u8], found: &mut Vec<Event>) {
    let text = String::from_utf8_lossy(line);
    if !text.trim().is_empty() {
        found.push(Event::saying(text.trim()));
    }
}

/// A line of `text/event-stream`.
fn sent(line: &[u8], event: &mut Event, found: &mut Vec<Event>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        if event.data.is_some() {
            found.push(mem::take(event));
        }
        *event = Event::default();
        return;
    }
    let text = String::from_utf8_lossy(line);
    let (field, value) = text.split_once(':').unwrap_or((&text, ""));
    let value = value.trim_start();
    match field {
        "event" => event.event = Some(value.to_owned()),
        "data" => match &mut event.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => event.data = Some(value.to_owned()),
        },
        // A comment, or an id.
        _ => {}
    }
}

/// Takes the whole elements of a list out of what is kept; its end ends the stream.
fn elements(kept: &mut Vec<u8>, list: &mut List, found: &mut Vec<Event>) {
    let mut begin = 0;
    while let Some(byte) = kept.get(list.at).copied().filter(|_| !list.over) {
        let ends = !list.in_text && list.depth == 0 && matches!(byte, b',' | b']');
        if ends {
            line_of(&kept[begin..list.at], found);
            begin = list.at + 1;
            if byte == b']' {
                list.over = true;
                found.push(Event::saying(super::drivers::DONE));
            }
        } else if list.in_text {
            list.in_text = byte != b'"' || list.escaped;
            list.escaped = byte == b'\\' && !list.escaped;
        } else {
            match byte {
                b'"' => list.in_text = true,
                b'{' | b'[' => list.depth += 1,
                b'}' | b']' => list.depth = list.depth.saturating_sub(1),
                _ => {}
            }
        }
        list.at += 1;
    }
    if list.over {
        kept.clear();
        return;
    }
    kept.drain(..begin);
    list.at -= begin;
}

/// Takes the whole messages of Amazon's event stream out of what is kept: lengths of message and headers, a checksum,
/// headers, the payload, a checksum; numbers begin with their highest byte.
fn frames(kept: &mut Vec<u8>, found: &mut Vec<Event>) -> Result<(), &'static str> {
    const BROKEN: &str = "the framing is broken";
    let mut at = 0;
    loop {
        let number = |from: usize| {
            let bytes = kept.get(from..from + 4)?;
            bytes.iter().try_fold(0_usize, |sum, byte| Some(sum << 8 | usize::from(*byte)))
        };
        let (Some(length), Some(headers)) = (number(at), number(at + 4)) else { break };
        if length > LONGEST {
            return Err("an event is too long");
        }
        if length < 16 || headers > length - 16 {
            return Err(BROKEN);
        }
        let Some(message) = kept.get(at..at + length) else { break };
        let event = event_type(&message[12..12 + headers]).ok_or(BROKEN)?;
        let data = String::from_utf8_lossy(&message[12 + headers..length - 4]).into_owned();
        found.push(Event { event: (!event.is_empty()).then_some(event), data: Some(data) });
        at += length;
    }
    kept.drain(..at);
    Ok(())
}

/// The `:event-type` among the headers of a message; empty where there is none, nothing where they are broken.
fn event_type(mut headers: &[u8]) -> Option<String> {
    let mut named = String::new();
    while let [length, rest @ ..] = headers {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        // Lengths of values by their types: true, false, byte, short, integer, long, bytes, text, timestamp, UUID.
        let (length, rest) = match kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            9 => (16, rest),
            6 | 7 => {
                let (length, rest) = rest.split_at_checked(2)?;
                (usize::from(length[0]) << 8 | usize::from(length[1]), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if name == b":event-type" {
            named = String::from_utf8_lossy(value).into_owned();
        }
        headers = rest;
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message of Amazon's event stream; its checksums are not looked at.
    fn frame(event: &str, data: &str) -> Vec<u8> {
        let mut headers = Vec::new();
        for (name, value) in [(":message-type", "event"), (":event-type", event)] {
            headers.push(name.len() as u8);
            headers.extend(name.bytes());
            headers.push(7);
            headers.extend((value.len() as u16).to_be_bytes());
            headers.extend(value.bytes());
        }
        let mut out = ((16 + headers.len() + data.len()) as u32).to_be_bytes().to_vec();
        out.extend((headers.len() as u32).to_be_bytes());
        out.extend([0; 4]);
        out.extend(headers);
        out.extend(data.bytes());
        out.extend([0; 4]);
        out
    }

    fn told(kind: Option<&str>, stream: &[u8], cut: usize) -> Vec<String> {
        let mut events = Events::of(kind).expect("a stream");
        let mut found = Vec::new();
        for piece in stream.chunks(cut) {
            found.extend(events.feed(piece).expect("events"));
        }
        found.extend(events.finish());
        let shown = |event: Event| format!("{}|{}", event.event.unwrap_or_default(), event.data.unwrap_or_default());
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn streams_are_taken_apart_wherever_they_are_cut() {
        let amazon = [frame("messageStart", r#"{"role":"a"}"#), frame("x", "{}")].concat();
        for (kind, stream, expected) in [
            (
                Some("text/event-stream; charset=utf-8"),
                "data: {\"a\":1}\n\ndata: [DONE]\n\n".as_bytes(),
                &["|{\"a\":1}", "|[DONE]"][..],
            ),
            (None, b"\n: note\nevent: x\r\nid: 4\r\ndata:1\r\ndata: 2\r\n\r\nevent: y\r\n\r\n", &["x|1\n2"]),
            (Some("text/event-stream"), b"data: {\"a\":1}\n\ndata: [DONE]", &["|{\"a\":1}", "|[DONE]"]),
            (Some("text/event-stream"), b"data: {\"a\":1}\n\ndata: {\"b\"", &["|{\"a\":1}"]),
            (
                Some("application/x-ndjson"),
                b"{\"a\":1}\n{\"b\":\"\\n\"}\r\n\n{\"c\":3}",
                &["|{\"a\":1}", "|{\"b\":\"\\n\"}", "|{\"c\":3}"],
            ),
            (Some("application/json"), b" {\"a\":1}\n{\"b\":2}\n", &["|{\"a\":1}", "|{\"b\":2}"]),
            (
                Some("application/json"),
                b" [{\"a\":[1,\"],\\\"\"]}\r\n,\r\n{\"b\":{}}\n]\n\n",
                &["|{\"a\":[1,\"],\\\"\"]}", "|{\"b\":{}}", "|[DONE]"],
            ),
            (Some("application/vnd.amazon.eventstream"), &amazon, &["messageStart|{\"role\":\"a\"}", "x|{}"]),
        ] {
            for cut in [1, 2, 3, 7, 1000] {
                assert_eq!(told(kind, stream, cut), expected, "{kind:?} {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert!(Events::of(Some("text/html")).is_none());
        let mut amazon = Events::of(Some(AMAZON)).expect("a stream");
        assert_eq!(amazon.feed(&[0, 0, 0, 3, 0, 0, 0, 0]), Err("the framing is broken"));
        let mut amazon = Events::of(Some(AMAZON)).expect("a stream");
        assert_eq!(amazon.feed(&[0xff; 12]), Err("an event is too long"));
        let mut long = Events::of(None).expect("a stream");
        assert_eq!(long.feed(&vec![b'x'; LONGEST + 1]), Err("an event is too long"));
    }

    proptest! {
        #[test]
        fn any_stream_is_read_without_panic(kind in 0..KNOWN.len(), stream in proptest::collection::vec(any::<u8>(), 0..200), cut in 1..20_usize) {
            let mut events = Events::of(Some(KNOWN[kind])).expect("a stream");
            if stream.chunks(cut).all(|piece| events.feed(piece).is_ok()) {
                events.finish();
            }
        }

        #[test]
        fn lists_end_once(elements in proptest::collection::vec("[a-z]{0,5}", 0..5), cut in 1..9_usize) {
            let stream = serde_json::to_string(&elements).expect("JSON");
            let mut found = told(Some(JSON), stream.as_bytes(), cut);
            prop_assert_eq!(found.pop(), Some("|[DONE]".to_owned()));
            let expected: Vec<_> = elements.iter().map(|element| format!("|\"{element}\"")).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
