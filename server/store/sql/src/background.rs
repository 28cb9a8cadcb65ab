//! A thread with a runtime for whatever waits.

use std::io;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread that drives a single-threaded tokio runtime. Dropping it stops the runtime: tasks end at their next await.
pub struct Background {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread; `begin` is the first it does.
    pub fn start(begin: impl FnOnce() + Send + 'static) -> io::Result<Background> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("background".into()).spawn(move || {
            begin();
            // Ends by a message or with the sender: both mean stop.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Background { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// For spawning work on the thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
