//! The process that runs programs: one at a time, until nobody asks any more.
//!
//! It holds nothing but what it is asked, so it may be ended at any time: by its bounds, or by whoever has waited too long.

use crate::program::Program;
use crate::wire::{self, Question, Reply};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Memory that a process may have, in bytes.
const MEMORY: u64 = 512 << 20;

/// Stack of a run: programs that call themselves, and what they nest.
const STACK: usize = 64 << 20;

/// Programs that are kept ready.
const KEPT: usize = 64;

/// Answers what comes in by standard input, a socket.
///
/// # Errors
/// Where the socket breaks, or bounds cannot be set.
pub fn serve() -> io::Result<()> {
    bound()?;
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let socket = UnixStream::from(socket);
    let run = std::thread::Builder::new().name("jq".to_owned()).stack_size(STACK);
    let run = run.spawn(move || answer_all(socket))?;
    run.join().unwrap_or_else(|_| Err(io::Error::other("a run panicked")))
}

/// Takes what the process does not need away from it.
fn bound() -> io::Result<()> {
    let to = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, to(MEMORY + STACK as u64))?;
    setrlimit(Resource::Core, to(0))?;
    // What never ends is not to outlive a gateway that was killed.
    #[cfg(target_os = "linux")]
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

fn answer_all(mut socket: UnixStream) -> io::Result<()> {
    let mut ready: HashMap<String, Program> = HashMap::new();
    while let Some(question) = wire::question(&mut socket)? {
        wire::answer(&mut socket, &answered(&mut ready, question))?;
    }
    Ok(())
}

fn answered(ready: &mut HashMap<String, Program>, question: Question) -> Reply {
    if !ready.contains_key(&question.program) {
        let program = Program::parse(&question.program)?;
        if ready.len() >= KEPT {
            ready.clear();
        }
        ready.insert(question.program.clone(), program);
    }
    let program = ready.get(&question.program).ok_or("it is not ready")?;
    program.run(&question.body, question.writing).map_err(|fault| fault.to_string())
}
