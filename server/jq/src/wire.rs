//! What goes between the gateway and a process that runs programs.

use crate::program::LONGEST;
use exchange::programs::{LARGEST, Writing};
use std::io::{Error, ErrorKind, Read, Result, Write};

/// The longest sentence about a failed run, in bytes.
const SENTENCE: usize = 1024;

/// A program to run, and what on.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub program: String,
    pub writing: Writing,
    pub body: Vec<u8>,
}

/// What came of it; the error is a sentence.
pub type Reply = std::result::Result<Vec<u8>, String>;

fn bits(writing: Writing) -> u8 {
    let flags = [writing.compact, writing.raw, writing.join, writing.ascii, writing.sort];
    flags.iter().enumerate().map(|(index, flag)| u8::from(*flag) << index).sum()
}

fn writing(bits: u8) -> Writing {
    let has = |index: u8| bits >> index & 1 == 1;
    Writing { compact: has(0), raw: has(1), join: has(2), ascii: has(3), sort: has(4) }
}

fn read_bytes(from: &mut impl Read, limit: usize) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(Error::new(ErrorKind::InvalidData, "a message that is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::new(ErrorKind::InvalidInput, "too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(bytes)
}

/// Asks.
pub fn ask(to: &mut impl Write, program: &str, how: Writing, body: &[u8]) -> Result<()> {
    to.write_all(&[bits(how)])?;
    write_bytes(to, program.as_bytes())?;
    write_bytes(to, body)
}

/// The next question; none where nobody asks any more.
pub fn question(from: &mut impl Read) -> Result<Option<Question>> {
    let mut flags = [0];
    if from.read(&mut flags)? == 0 {
        return Ok(None);
    }
    let program =
        String::from_utf8(read_bytes(from, LONGEST)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    Ok(Some(Question { program, writing: writing(flags[0]), body: read_bytes(from, LARGEST)? }))
}

/// Answers.
pub fn answer(to: &mut impl Write, reply: &Reply) -> Result<()> {
    match reply {
        Ok(body) => {
            to.write_all(&[1])?;
            write_bytes(to, body)
        }
        Err(sentence) => {
            to.write_all(&[0])?;
            write_bytes(to, &sentence.as_bytes()[..sentence.len().min(SENTENCE)])
        }
    }
}

/// The answer.
pub fn reply(from: &mut impl Read) -> Result<Reply> {
    let mut fine = [0];
    from.read_exact(&mut fine)?;
    Ok(match fine {
        [1] => Ok(read_bytes(from, LARGEST)?),
        _ => Err(String::from_utf8_lossy(&read_bytes(from, SENTENCE)?).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_asked_is_heard(program in ".{0,40}", flags in 0u8..32, body in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut wire = Vec::new();
            ask(&mut wire, &program, writing(flags), &body).unwrap();
            let heard = question(&mut &wire[..]).unwrap();
            prop_assert_eq!(heard, Some(Question { program, writing: writing(flags), body: body.clone() }));
            for said in [Ok(body), Err("a sentence".to_owned())] {
                let mut wire = Vec::new();
                answer(&mut wire, &said).unwrap();
                prop_assert_eq!(reply(&mut &wire[..]).unwrap(), said);
            }
        }
    }

    #[test]
    fn what_is_too_long_is_no_message() {
        assert!(question(&mut &[][..]).unwrap().is_none());
        assert!(question(&mut &[0, 255, 255, 255, 255][..]).is_err());
        assert!(reply(&mut &[1, 255, 255, 255, 255][..]).is_err());
        let mut wire = Vec::new();
        answer(&mut wire, &Err("ä".repeat(SENTENCE))).unwrap();
        assert!(reply(&mut &wire[..]).unwrap().is_err());
    }
}
