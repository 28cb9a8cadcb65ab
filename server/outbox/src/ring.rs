//! The kernel's side: what is to be sent goes in, how it ended comes out.

#![expect(unsafe_code, reason = "the kernel is given addresses")]

use io_uring::{IoUring, opcode, types};
use std::io;
use std::os::fd::RawFd;

/// Messages that one system call carries at most.
pub(crate) const ROOM: usize = 128;

/// A ring, for the thread that made it.
pub(crate) struct Ring(IoUring);

/// Bytes for a socket. The name is the sender's.
pub(crate) struct Message<'a> {
    pub name: u32,
    pub socket: RawFd,
    pub bytes: &'a [u8],
}

/// How a message ended: bytes that were taken, or an errno below zero.
pub(crate) type Ended = (u32, i32);

impl Ring {
    /// A ring, where the system has one (Linux 5.18 and later) and lets this process use it.
    pub fn new() -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_submit_all();
        let entries = ROOM as u32;
        // Hints to the kernel, which those before 6.0 do not know.
        let hinted = builder.clone().setup_coop_taskrun().setup_single_issuer().build(entries);
        hinted.or_else(|_| builder.build(entries)).map(Self)
    }

    /// Sends at most [`ROOM`] messages as far as their sockets take them without waiting, and tells how each of them ended.
    /// After an error, which is one of the ring itself, those it did not tell of were not sent, and the ring is of no more use.
    pub fn send<'a>(&mut self, messages: impl Iterator<Item = Message<'a>>, ended: &mut Vec<Ended>) -> io::Result<()> {
        let mut queue = self.0.submission();
        for Message { name, socket, bytes } in messages.take(ROOM) {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(types::Fd(socket), bytes.as_ptr(), length)
                // So it ends at once, whatever the socket says.
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build()
                .user_data(u64::from(name));
            // SAFETY: the kernel reads `bytes` until it has told how the message ended. They are borrowed for as long as
            // this function runs, which does not return before it has been told of each message that the kernel has taken.
            let pushed = unsafe { queue.push(&entry) };
            debug_assert!(pushed.is_ok(), "the queue is empty before, and has room for so many");
        }
        let queued = queue.len();
        drop(queue);
        let before = ended.len();
        while ended.len() - before < queued {
            let result = self.0.submit_and_wait(queued - (ended.len() - before));
            ended.extend(self.0.completion().map(|entry| (entry.user_data() as u32, entry.result())));
            let left = self.0.submission().len();
            let told = ended.len() - before;
            match result {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What the kernel has not taken it will never see: the ring is given up.
                Err(error) if left > 0 && told + left == queued => return Err(error),
                // What it has taken ends without our help.
                Err(_) => std::thread::yield_now(),
            }
        }
        Ok(())
    }
}
