//! Messages that wait, and the one who sends them.

use crate::ring::{Ended, Message, ROOM, Ring};
use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What the connections of a thread have to send. [`Outbox::drive`] sends it.
pub struct Outbox(RefCell<Inner>);

/// Sends what waits in an [`Outbox`], whenever something does; it never ends. Once it is dropped, the Outbox takes nothing.
pub struct Driving(Rc<Outbox>);

struct Inner {
    /// `None` once it has failed.
    ring: Option<Ring>,
    letters: Vec<Letter>,
    free: Vec<u32>,
    /// Those that are to be sent next.
    waiting: Vec<u32>,
    driver: Option<Waker>,
    ended: Vec<Ended>,
    woken: Vec<Waker>,
}

/// A message, or room for one.
#[derive(Default)]
struct Letter {
    socket: RawFd,
    bytes: Vec<u8>,
    waker: Option<Waker>,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Waiting,
    /// Its sender has lost interest before it was sent.
    Withdrawn,
    /// Bytes that were taken, or an errno below zero.
    Ended(i32),
}

impl Outbox {
    /// An outbox for this thread. The error says why the system has none: it is no Linux from 5.18 on, or does not let this
    /// process use `io_uring` (containers mostly do not).
    pub fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self(RefCell::new(Inner {
            ring: Some(Ring::new()?),
            letters: Vec::new(),
            free: Vec::new(),
            waiting: Vec::with_capacity(ROOM),
            driver: None,
            ended: Vec::with_capacity(ROOM),
            woken: Vec::with_capacity(ROOM),
        }))))
    }

    /// Queues bytes for a socket, which must stay open as long as what is returned exists. Gives them back where they have
    /// to be sent in another way.
    pub fn queue(self: &Rc<Self>, socket: BorrowedFd<'_>, bytes: Vec<u8>, waker: &Waker) -> Result<Sending, Vec<u8>> {
        let inner = &mut *self.0.borrow_mut();
        let Some(driver) = inner.driver.as_ref().filter(|_| inner.ring.is_some()) else { return Err(bytes) };
        if inner.waiting.is_empty() {
            driver.wake_by_ref();
        }
        let waker = Some(waker.clone());
        let letter = Letter { socket: socket.as_raw_fd(), bytes, waker, state: State::Waiting };
        let name = match inner.free.pop() {
            Some(name) => {
                inner.letters[name as usize] = letter;
                name
            }
            None => {
                inner.letters.push(letter);
                inner.letters.len() as u32 - 1
            }
        };
        inner.waiting.push(name);
        Ok(Sending { outbox: self.clone(), name })
    }

    /// Who sends what waits: a task of this thread, for as long as there are senders. Its turn comes after that of the tasks
    /// that were ready when it was woken, so it finds what all of them have queued.
    pub fn drive(self: &Rc<Self>) -> Driving {
        Driving(self.clone())
    }

    /// How many messages have been queued and not been asked about since.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let inner = self.0.borrow();
        inner.letters.len() - inner.free.len()
    }
}

impl Future for Driving {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Infallible> {
        let outbox = &self.0;
        let mut woken = {
            let inner = &mut *outbox.0.borrow_mut();
            if !inner.driver.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                inner.driver = Some(context.waker().clone());
            }
            inner.send();
            std::mem::take(&mut inner.woken)
        };
        for waker in woken.drain(..) {
            waker.wake();
        }
        outbox.0.borrow_mut().woken = woken;
        Poll::Pending
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let woken = {
            let inner = &mut *self.0.0.borrow_mut();
            (inner.driver, inner.ring) = (None, None);
            // Nothing is sent: whoever waits tries another way.
            inner.send();
            std::mem::take(&mut inner.woken)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn send(&mut self) {
        for names in self.waiting.chunks(ROOM) {
            let letters = &self.letters;
            let messages = names.iter().filter_map(|name| {
                let letter = &letters[*name as usize];
                let message = Message { name: *name, socket: letter.socket, bytes: &letter.bytes };
                (letter.state == State::Waiting).then_some(message)
            });
            let sent = match &mut self.ring {
                Some(ring) => ring.send(messages, &mut self.ended),
                None => Ok(()),
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "io_uring failed: connections of this worker write by themselves from now on");
                self.ring = None;
            }
        }
        for (name, result) in self.ended.drain(..) {
            self.letters[name as usize].state = State::Ended(result);
        }
        for name in self.waiting.drain(..) {
            let letter = &mut self.letters[name as usize];
            match letter.state {
                State::Withdrawn => {
                    *letter = Letter::default();
                    self.free.push(name);
                    continue;
                }
                // The ring has failed: whoever has something to send tries another way.
                State::Waiting => letter.state = State::Ended(-libc::EAGAIN),
                State::Ended(_) | State::Free => {}
            }
            self.woken.extend(letter.waker.take());
        }
    }
}

/// A message on its way. Dropped before it is sent, it is not sent.
pub struct Sending {
    outbox: Rc<Outbox>,
    name: u32,
}

impl Sending {
    /// Ready when the socket was asked: with the bytes, and how many of them it took. [`io::ErrorKind::WouldBlock`] is
    /// among the errors: the socket is full. Not to be asked again after that.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Vec<u8>, io::Result<usize>)> {
        let inner = &mut *self.outbox.0.borrow_mut();
        let letter = &mut inner.letters[self.name as usize];
        let State::Ended(result) = letter.state else {
            if !letter.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                letter.waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        };
        let bytes = std::mem::take(&mut letter.bytes);
        let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        Poll::Ready((bytes, result))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let inner = &mut *self.outbox.0.borrow_mut();
        let letter = &mut inner.letters[self.name as usize];
        if letter.state == State::Waiting {
            letter.state = State::Withdrawn;
        } else {
            *letter = Letter::default();
            inner.free.push(self.name);
        }
    }
}
