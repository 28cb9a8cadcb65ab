//! Whether every connection that was accepted has come to whoever serves it.
//!
//! actix-server accepts on one thread and passes connections on to workers by queues. A server that stops drops what is in
//! those queues, its pause is only a wish that lies before the accepting thread when it is acknowledged, and nothing counts
//! what was accepted. So both ways are watched from outside: the accepting thread until it rests (it rests only when
//! it has done everything it was told, a pause too), then each worker until its queue gives nothing more.

use std::cell::Cell;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

thread_local! {
    /// Connections that this worker took from its queue.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// A worker takes a connection from its queue. To be said by every service of a server when it is called.
pub(crate) fn taken() {
    TAKEN.set(TAKEN.get().wrapping_add(1));
}

type Post = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// The workers of a server.
#[derive(Clone, Default)]
pub(crate) struct Fence(Arc<Mutex<Vec<Post>>>);

/// How long to watch a machine on which nothing rests.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to let connections arrive where nobody tells what a thread does: not on Linux, or to a process that may not
/// look at itself (one with file capabilities).
const BLINDLY: Duration = Duration::from_secs(1);

/// Between two looks at a thread.
const LOOK: Duration = Duration::from_millis(1);

impl Fence {
    /// A worker begins, on this thread. Once for each listener does no harm.
    pub fn stand(&self) {
        let (post, mut asked) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(post);
        actix_rt::spawn(async move {
            while let Some(answer) = asked.recv().await {
                queue_is_empty().await;
                let _ = answer.send(());
            }
        });
    }

    /// Ends when every connection that was accepted before the pause of its server was acknowledged, or since, is with a
    /// worker's service.
    pub async fn passed(&self) {
        let passed = async {
            acceptors_rest().await;
            self.queues_are_empty().await;
        };
        if tokio::time::timeout(PATIENCE, passed).await.is_err() {
            tracing::warn!(
                "connections that were accepted may not have come to a worker yet: the server stops nevertheless"
            );
        }
    }

    async fn queues_are_empty(&self) {
        let posts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answers: Vec<_> = posts
            .iter()
            .filter_map(|post| {
                let (answer, answered) = oneshot::channel();
                post.send(answer).ok().map(|()| answered)
            })
            .collect();
        for answer in answers {
            // A worker that is gone has nothing in its queue.
            let _ = answer.await;
        }
    }
}

/// Ends when nothing is left in this worker's queue, to which nothing is added any more.
///
/// Whoever reads the queue was woken for its last entry before this task was, and tasks have their turns in the order in
/// which they were woken. A reader that has had its share of the thread is put off together with this task and
/// woken with it, in any order: so it has its turn between this task's turn and the one after the next. Where it takes
/// nothing then, it is not put off any more: it has seen the queue empty.
async fn queue_is_empty() {
    let mut before = TAKEN.get();
    let mut quiet = 0;
    while quiet < 2 {
        tokio::task::yield_now().await;
        let now = TAKEN.get();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
}

/// What a thread does.
#[derive(Debug, PartialEq, Eq)]
enum Doing {
    /// It waits for events, and none of those it was told of is undone: the kernel lets nobody wait who has some.
    Resting,
    /// Something else.
    Working,
    /// It ended.
    Gone,
}

/// Ends when each accepting thread of this process was seen resting.
async fn acceptors_rest() {
    let look = || -> io::Result<Vec<String>> {
        let mut busy = acceptors()?;
        let mut error = None;
        busy.retain(|thread| match doing(thread) {
            Ok(doing) => doing == Doing::Working,
            Err(unseen) => {
                error = Some(unseen);
                false
            }
        });
        error.map_or(Ok(busy), Err)
    };
    let mut busy = match look() {
        Ok(busy) => busy,
        Err(error) => {
            tracing::debug!(%error, "what the accepting threads do cannot be seen");
            return tokio::time::sleep(BLINDLY).await;
        }
    };
    while !busy.is_empty() {
        tokio::time::sleep(LOOK).await;
        busy.retain(|thread| matches!(doing(thread), Ok(Doing::Working)));
    }
}

/// The folders of actix-server's accepting threads, "actix-server acceptor"; the kernel keeps 15 bytes of a name. A thread
/// that never had a turn has no name yet: servers that serve have threads that had.
fn acceptors() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let path = entry?.path();
        let named = fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim_end() == "actix-server ac");
        if named && let Some(path) = path.to_str() {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

/// `proc_pid_syscall(5)`: the number of the system call in which a thread is blocked, first; `running`, or -1, where it is
/// in none.
fn doing(thread: &str) -> io::Result<Doing> {
    match fs::read_to_string(format!("{thread}/syscall")) {
        Ok(text) => {
            let number = text.split_whitespace().next().and_then(|number| number.parse().ok());
            Ok(if number.is_some_and(waits) { Doing::Resting } else { Doing::Working })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !fs::exists(thread)? => Ok(Doing::Gone),
        // A thread that ends while it is read.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(Doing::Gone),
        Err(error) => Err(error),
    }
}

/// Whether a system call is that of a thread that waits for events.
fn waits(number: libc::c_long) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let waiting = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait];
    #[cfg(all(target_os = "linux", not(target_arch = "x86_64")))]
    let waiting = [libc::SYS_epoll_pwait];
    #[cfg(not(target_os = "linux"))]
    let waiting = [];
    waiting.contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{spawn_local, yield_now};

    /// More than a task may take before another one has its turn (128), several times over, from another thread, on a
    /// thread that others keep busy.
    #[actix_rt::test]
    async fn everything_before_the_fence_is_taken() {
        for busy in [0, 1, 7, 100] {
            let (queue, mut entries) = mpsc::unbounded_channel::<u32>();
            let fence = Fence::default();
            fence.stand();
            for _ in 0..busy {
                spawn_local(async {
                    loop {
                        yield_now().await;
                    }
                });
            }
            spawn_local(async move {
                while entries.recv().await.is_some() {
                    taken();
                }
            });
            let before = TAKEN.get();
            let elsewhere = fence.clone();
            let (tell, told) = oneshot::channel();
            std::thread::spawn(move || {
                (0..5000).for_each(|entry| queue.send(entry).unwrap());
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(elsewhere.queues_are_empty());
                tell.send(()).unwrap();
                // The queue's end wakes its reader too.
                drop(queue);
            });
            told.await.unwrap();
            assert_eq!(TAKEN.get() - before, 5000, "beside {busy} others");
        }
    }

    #[test]
    fn who_waits_for_something_else_does_not_rest() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("actix-server acceptor".into()).spawn(move || {
            tell.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            ended.recv()
        });
        let number = told.recv().unwrap().file_name().unwrap().to_owned();
        let path = format!("/proc/self/task/{}", number.to_str().unwrap());
        assert!(acceptors().unwrap().contains(&path));
        assert_eq!(doing(&path).unwrap(), Doing::Working);
        end.send(()).unwrap();
        thread.unwrap().join().unwrap().unwrap();
        assert_eq!(doing("/proc/self/task/0").unwrap(), Doing::Gone);
    }
}
