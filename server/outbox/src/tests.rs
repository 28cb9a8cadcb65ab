use super::{Driving, Outbox};
use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn of(self: &Arc<Self>) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// An outbox, who drives it, and how often that was woken; `None` where the system has none.
fn outbox() -> Option<(Rc<Outbox>, Driving, Arc<Count>)> {
    let outbox = match Outbox::new() {
        Ok(outbox) => outbox,
        Err(error) => {
            eprintln!("no io_uring here: {error}");
            return None;
        }
    };
    let (mut driving, driver) = (outbox.drive(), Arc::new(Count::default()));
    drive(&mut driving, &driver);
    Some((outbox, driving, driver))
}

fn drive(driving: &mut Driving, driver: &Arc<Count>) {
    assert!(Pin::new(driving).poll(&mut Context::from_waker(&driver.clone().into())).is_pending());
}

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

fn read(mut far: &UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match far.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
        _ => bytes,
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn what_is_queued_goes_out_together_and_its_senders_are_told() {
    let Some((outbox, mut driving, driver)) = outbox() else { return };
    // More than the ring has room for.
    let pairs: Vec<_> = (0..300).map(|_| pair()).collect();
    let sender = Arc::new(Count::default());
    let waker = Waker::from(sender.clone());
    let mut sending = Vec::new();
    for (index, (near, _)) in pairs.iter().enumerate() {
        let text = format!("message {index}").into_bytes();
        sending.push(outbox.queue(near.as_fd(), text, &waker).ok().unwrap());
    }
    assert_eq!((driver.of(), sender.of(), outbox.held()), (1, 0, 300), "the driver is woken once");
    assert!(sending.iter_mut().all(|sending| sending.poll(&mut noop()).is_pending()));
    assert!(read(&pairs[0].1).is_empty());
    let waker = Arc::new(Count::default());
    assert!(sending[7].poll(&mut Context::from_waker(&waker.clone().into())).is_pending());
    drive(&mut driving, &driver);
    assert_eq!((waker.of(), sender.of()), (1, 0), "who asked last is woken; the others asked with a waker of nobody");
    for (index, (mut sending, (_, far))) in sending.into_iter().zip(&pairs).enumerate() {
        let expected = format!("message {index}").into_bytes();
        assert_eq!(read(far), expected);
        let Poll::Ready((bytes, result)) = sending.poll(&mut noop()) else { panic!("{index} waits") };
        assert_eq!((&bytes, result.unwrap()), (&expected, expected.len()));
    }
    assert_eq!(outbox.held(), 0);
}

#[test]
fn senders_are_woken() {
    let Some((outbox, mut driving, driver)) = outbox() else { return };
    let (near, far) = pair();
    let sender = Arc::new(Count::default());
    for round in 1..=3 {
        let mut sending = outbox.queue(near.as_fd(), b"x".to_vec(), &sender.clone().into()).ok().unwrap();
        drive(&mut driving, &driver);
        assert_eq!((driver.of(), sender.of(), outbox.held()), (round, round, 1));
        assert!(sending.poll(&mut noop()).is_ready());
    }
    assert_eq!(read(&far), b"xxx");
}

#[test]
fn a_full_socket_takes_a_part_and_then_nothing() {
    let Some((outbox, mut driving, driver)) = outbox() else { return };
    let (near, far) = pair();
    let mut taken = 0;
    let full = loop {
        let mut sending = outbox.queue(near.as_fd(), vec![b'x'; 1 << 20], Waker::noop()).ok().unwrap();
        drive(&mut driving, &driver);
        let Poll::Ready((bytes, result)) = sending.poll(&mut noop()) else { panic!("nothing was told") };
        assert_eq!(bytes.len(), 1 << 20, "all of it comes back");
        match result {
            Ok(count) => taken += count,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    assert!(taken > 0);
    assert_eq!(read(&far).len(), taken);
}

#[test]
fn a_socket_that_fails_fails_alone() {
    let Some((outbox, mut driving, driver)) = outbox() else { return };
    let (pairs, gone) = ([pair(), pair()], pair());
    drop(gone.1);
    let queue = |near: &UnixStream| outbox.queue(near.as_fd(), b"abc".to_vec(), Waker::noop()).ok().unwrap();
    let mut sending = [queue(&pairs[0].0), queue(&gone.0), queue(&pairs[1].0)];
    drive(&mut driving, &driver);
    let results = sending.each_mut().map(|sending| match sending.poll(&mut noop()) {
        Poll::Ready((_, result)) => result.map_err(|error| error.kind()),
        Poll::Pending => panic!("nothing was told"),
    });
    assert_eq!(results, [Ok(3), Err(ErrorKind::BrokenPipe), Ok(3)]);
    assert_eq!((read(&pairs[0].1), read(&pairs[1].1)), (b"abc".to_vec(), b"abc".to_vec()));
}

#[test]
fn what_is_dropped_before_its_turn_is_not_sent() {
    let Some((outbox, mut driving, driver)) = outbox() else { return };
    let (left, stays) = (pair(), pair());
    let dropped = outbox.queue(left.0.as_fd(), b"secret".to_vec(), Waker::noop()).ok().unwrap();
    let _kept = outbox.queue(stays.0.as_fd(), b"kept".to_vec(), Waker::noop()).ok().unwrap();
    drop(dropped);
    // The number of the socket may be another connection's by the time of the next turn.
    drop(left.0);
    let next = pair();
    drive(&mut driving, &driver);
    assert_eq!((read(&stays.1), read(&next.1)), (b"kept".to_vec(), Vec::new()));
    assert_eq!(outbox.held(), 1);
}

#[test]
fn without_a_driver_nothing_is_taken() {
    let Ok(outbox) = Outbox::new() else { return };
    let (near, _far) = pair();
    assert_eq!(outbox.queue(near.as_fd(), b"abc".to_vec(), Waker::noop()).err(), Some(b"abc".to_vec()));
}

#[test]
fn when_the_driver_is_gone_whoever_waits_is_told_and_nothing_more_is_taken() {
    let Some((outbox, driving, _)) = outbox() else { return };
    let (near, far) = pair();
    let sender = Arc::new(Count::default());
    let mut sending = outbox.queue(near.as_fd(), b"abc".to_vec(), &sender.clone().into()).ok().unwrap();
    drop(driving);
    assert_eq!(sender.of(), 1);
    let Poll::Ready((bytes, Err(error))) = sending.poll(&mut noop()) else { panic!("it waits for nobody") };
    assert_eq!((bytes.as_slice(), error.kind()), (b"abc".as_slice(), ErrorKind::WouldBlock));
    assert_eq!(outbox.queue(near.as_fd(), bytes, Waker::noop()).err(), Some(b"abc".to_vec()));
    assert!(read(&far).is_empty());
}

#[tokio::test]
async fn tasks_of_a_thread_share_it() {
    let Ok(outbox) = Outbox::new() else { return };
    let local = tokio::task::LocalSet::new();
    local.spawn_local(outbox.drive());
    let sent = local.run_until(async {
        tokio::task::yield_now().await;
        let tasks: Vec<_> = (0..50)
            .map(|index: usize| {
                let outbox = outbox.clone();
                tokio::task::spawn_local(async move {
                    let (near, far) = pair();
                    for round in 0..100 {
                        let text = format!("{index} {round}").into_bytes();
                        let mut sending = Err(text.clone());
                        let (_, result) = poll_fn(|context| {
                            if let Err(text) = &mut sending {
                                sending = outbox.queue(near.as_fd(), std::mem::take(text), context.waker());
                            }
                            sending.as_mut().ok().unwrap().poll(context)
                        })
                        .await;
                        assert_eq!((result.unwrap(), read(&far)), (text.len(), text));
                    }
                    1
                })
            })
            .collect();
        let mut sent = 0;
        for task in tasks {
            sent += task.await.unwrap();
        }
        sent
    });
    assert_eq!((sent.await, outbox.held()), (50, 0));
}
