use super::*;
use outbox::Outbox;
use proptest::prelude::*;
use std::future::poll_fn;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::UnixStream;

/// What is done with the queue of a connection.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many bytes of text.
    Text(usize),
    /// So many bytes of content.
    Push(usize),
    /// Asked to write, once.
    Poll,
    /// Everyone else has a turn.
    Yield,
    /// The other side reads so many bytes.
    Read(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..5000usize).prop_map(Step::Text),
        (0..100_000usize).prop_map(Step::Push),
        Just(Step::Poll),
        Just(Step::Poll),
        Just(Step::Yield),
        (1..300_000usize).prop_map(Step::Read),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Does the steps, then writes until nothing is left. What was queued, and what has arrived.
async fn play(steps: Vec<Step>, outbox: Option<Rc<Outbox>>) -> (Vec<u8>, Vec<u8>) {
    let buffers = Buffers::with(outbox.clone());
    if let Some(outbox) = outbox {
        tokio::task::spawn_local(outbox.drive());
        tokio::task::yield_now().await;
    }
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut outgoing = Outgoing::default();
    let (mut queued, mut arrived) = (Vec::new(), Vec::new());
    let mut bytes = (0u32..).flat_map(u32::to_ne_bytes);
    let mut written = 0;
    for step in steps {
        match step {
            Step::Text(count) => {
                // Heads are only written where there is room.
                if outgoing.piece.is_empty() {
                    let text: Vec<u8> = bytes.by_ref().take(count).collect();
                    queued.extend_from_slice(&text);
                    outgoing.text(&buffers).extend_from_slice(&text);
                }
            }
            Step::Push(count) => {
                if outgoing.piece.is_empty() {
                    let content: Vec<u8> = bytes.by_ref().take(count).collect();
                    queued.extend_from_slice(&content);
                    outgoing.push(content.into(), &buffers);
                }
            }
            Step::Poll => {
                let poll = poll_fn(|context| Poll::Ready(outgoing.poll_write(&mut near, &buffers, context))).await;
                if let Poll::Ready(count) = poll {
                    written += count.unwrap();
                }
            }
            Step::Yield => tokio::task::yield_now().await,
            Step::Read(count) => {
                let mut part = vec![0; count];
                let mut part = ReadBuf::new(&mut part);
                let _ = poll_fn(|context| Poll::Ready(Pin::new(&mut far).poll_read(context, &mut part))).await;
                arrived.extend_from_slice(part.filled());
            }
        }
    }
    let rest = async {
        loop {
            match poll_fn(|context| outgoing.poll_write(&mut near, &buffers, context)).await.unwrap() {
                0 => break,
                count => written += count,
            }
        }
        drop(near);
    };
    let (_, read) = tokio::join!(rest, far.read_to_end(&mut arrived));
    read.unwrap();
    assert!(!outgoing.is_waiting() && !outgoing.is_full());
    assert_eq!(written, queued.len());
    (queued, arrived)
}

fn check(steps: Vec<Step>, outbox: Option<Rc<Outbox>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (queued, arrived) = tokio::task::LocalSet::new().block_on(&runtime, play(steps, outbox));
    assert!(queued == arrived, "{} bytes were queued, {} arrived, or in another order", queued.len(), arrived.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_arrives_once_and_in_order(steps in steps()) {
        check(steps.clone(), None);
        check(steps, Outbox::new().ok());
    }
}

#[test]
fn text_waits_for_the_outbox_and_what_comes_later_waits_behind_it() {
    let large = 40_000;
    for more in
        [vec![Step::Text(10)], vec![Step::Push(10)], vec![Step::Push(large)], vec![Step::Text(5), Step::Push(large)]]
    {
        let steps =
            [vec![Step::Text(300), Step::Push(4000), Step::Poll], more, vec![Step::Poll, Step::Yield, Step::Poll]];
        check(steps.concat(), Outbox::new().ok());
    }
}

#[test]
fn a_socket_that_takes_a_part_gets_the_rest_when_it_has_room() {
    // A Unix socket takes some 200 KB.
    let fill = [Step::Push(20_000), Step::Poll, Step::Poll];
    let some =
        [Step::Text(5000), Step::Push(16_000), Step::Poll, Step::Text(7), Step::Yield, Step::Poll, Step::Text(9)];
    let steps = [fill.repeat(12), some.repeat(3), vec![Step::Read(300_000)], some.repeat(2)].concat();
    check(steps, Outbox::new().ok());
}
