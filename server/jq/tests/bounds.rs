//! Programs that never end, or want everything, cost their own run and nothing else.

use bytes::Bytes;
use exchange::programs::{Job, Making, ProgramError, Programs, Writing};
use jq::Pool;
use std::task::{Context, Poll, Wake, Waker};

/// This executable is the process, too: by the test below.
fn pool() -> Pool {
    let arguments = ["--exact", "is_the_process", "--ignored"];
    Pool::new(std::env::current_exe().unwrap(), arguments.map(str::to_owned))
}

#[test]
#[ignore = "what the pool starts"]
fn is_the_process() {
    jq::serve().unwrap();
}

/// Wakes a thread.
struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

fn settle(mut making: Making) -> Result<Bytes, ProgramError> {
    let waker = Waker::from(std::sync::Arc::new(Thread(std::thread::current())));
    loop {
        match making.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}

const COMPACT: Writing = Writing { compact: true, raw: false, join: false, ascii: false, sort: false };

fn job(program: &str, body: &str) -> Job {
    Job { program: program.into(), writing: COMPACT, body: Bytes::copy_from_slice(body.as_bytes()) }
}

#[test]
fn programs_run() {
    let pool = pool();
    for (program, body, expected) in [
        (".a", r#"{"a":[1,2]}"#, Ok("[1,2]\n")),
        (".a[]", r#"{"a":[1,2]}"#, Ok("1\n2\n")),
        ("empty", "1", Ok("")),
        (".a", "[]", Err("cannot index [] with \"a\"")),
        ("error(\"no\")", "[]", Err("\"no\"")),
        ("halt", "[]", Err("it halts")),
        (".", "{", Err("the body is no JSON")),
        ("{(1): 2}", "1", Err("")),
        (".", "NaN", Err("the body is no JSON")),
    ] {
        match (settle(pool.run(job(program, body))), expected) {
            (Ok(made), Ok(expected)) => assert_eq!(&made[..], expected.as_bytes(), "{program}"),
            (Err(ProgramError::Failed(text)), Err(expected)) => {
                assert!(text.starts_with(expected), "{program}: {text}")
            }
            (outcome, _) => panic!("{program}: {outcome:?}"),
        }
    }
}

#[test]
fn what_has_no_bound_is_ended() {
    let pool = pool();
    for program in [
        "def f: f; f",
        "[range(1e12)]",
        "last(range(1e12))",
        "repeat(.)",
        "[repeat(.)]",
        "reduce repeat(1) as $x (0; . + $x)",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "reduce range(100) as $i (\"xxxx\"; . + .)",
        "\"x\" * 100000000000",
        "reduce range(60) as $i (99999999999; . * .)",
        "reduce range(1000000000) as $i (null; [.])",
        "[limit(1000000000; repeat(\"x\"))]",
        "\"x\" * 9000000",
    ] {
        match settle(pool.run(job(program, "1"))) {
            Err(ProgramError::TooLong | ProgramError::TooMuch | ProgramError::Failed(_)) => {}
            outcome => panic!("{program}: {outcome:?}"),
        }
        assert_eq!(settle(pool.run(job(". + 1", "1"))).unwrap(), "2\n", "after {program}");
    }
}

#[test]
fn many_wait_and_too_many_are_told_so() {
    let pool = pool();
    let runs: Vec<_> = (0..600).map(|_| pool.run(job("def f: f; f", "1"))).collect();
    let outcomes: Vec<_> = runs.into_iter().map(settle).collect();
    assert!(outcomes.contains(&Err(ProgramError::Crowded)));
    assert!(outcomes.contains(&Err(ProgramError::TooLong)));
    assert_eq!(settle(pool.run(job(".", "1"))).unwrap(), "1\n");
}

#[test]
fn a_process_that_is_none_is_told() {
    let pool = Pool::new("/nonexistent/silverback".into(), []);
    assert!(matches!(settle(pool.run(job(".", "1"))), Err(ProgramError::Away(_))));
    let pool = Pool::new("/bin/true".into(), []);
    assert!(matches!(settle(pool.run(job(".", "1"))), Err(ProgramError::Away(_))));
}
