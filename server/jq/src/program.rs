//! A jq program: read, checked, run on one JSON document.

use crate::text::{self, NoPlace};
use exchange::programs::{LARGEST, Writing};
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, compile, data};
use jaq_json::Val;

/// The longest program, in bytes.
pub const LONGEST: usize = 32 << 10;

/// What reading a program of [`LONGEST`] bytes needs, however its parts are nested. Pages that are not reached cost
/// nothing.
const STACK: usize = 256 << 20;

/// How many faults of a program are told.
const TOLD: usize = 3;

/// What jq has and the library lacks.
const DEFINITIONS: &str = include_str!("definitions.jq");

type Data = data::JustLut<Val>;

/// A program that can be run.
pub struct Program(jaq_core::Filter<Data>);

/// Why a run gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The document is no JSON.
    #[error("the body is no JSON: {0}")]
    NotJson(String),
    /// The program ended in an error. The text may quote the document.
    #[error("{0}")]
    Failed(String),
    /// What it gave has no place in JSON.
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    /// It gave too much.
    #[error("it gave more than {LARGEST} bytes")]
    TooLarge,
}

impl Program {
    /// Reads a program. The sentence says what is wrong, and where.
    pub fn parse(code: &str) -> Result<Self, String> {
        if code.len() > LONGEST {
            return Err(format!("a program may have {LONGEST} bytes at most"));
        }
        let arena = Arena::default();
        let own = load::parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(own);
        // The process's environment is nobody's business.
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let functions = functions.filter(|(name, ..)| *name != "env");
        let modules = Loader::new(definitions).load(&arena, File { code, path: () });
        let modules = modules.map_err(|errors| unread(code, errors))?;
        let compiled = Compiler::default().with_funs(functions).compile(modules);
        compiled.map(Self).map_err(|errors| undefined(code, errors))
    }

    /// Runs the program on a JSON document and writes what it gives.
    pub fn run(&self, document: &[u8], writing: Writing) -> Result<Vec<u8>, Fault> {
        // The library reads more than JSON; and nesting is bounded here.
        serde_json::from_slice::<serde::de::IgnoredAny>(document).map_err(|error| Fault::NotJson(error.to_string()))?;
        let document = jaq_json::read::parse_single(document).map_err(|error| Fault::NotJson(error.to_string()))?;
        let context = Ctx::<Data>::new(&self.0.lut, Vars::new([]));
        let mut out = Vec::new();
        for given in self.0.id.run((context, document)) {
            let value = given.map_err(|exception| match exception.get_err() {
                Ok(error) => Fault::Failed(error.to_string()),
                Err(_) => Fault::Failed("it halts".to_owned()),
            })?;
            text::write(&value, writing, &mut out)?;
            if out.len() > LARGEST {
                return Err(Fault::TooLarge);
            }
        }
        Ok(out)
    }
}

/// Whether a program can be read; the sentence says what is wrong, and where.
pub fn check(code: &str) -> Result<(), String> {
    // Programs are read by descent: the deepest that fits must not be deeper than the stack.
    let read = || Program::parse(code).map(drop);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("jq".to_owned()).stack_size(STACK);
        let reader = thread.spawn_scoped(scope, read).map_err(|error| format!("cannot be read now: {error}"))?;
        reader.join().unwrap_or_else(|_| Err("cannot be read".to_owned()))
    })
}

/// Line and column of a part of a program, both from 1; its end where the part is elsewhere.
fn place(code: &str, part: &str) -> String {
    let offset = (part.as_ptr() as usize).checked_sub(code.as_ptr() as usize);
    let before = offset.and_then(|offset| code.get(..offset)).unwrap_or(code);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

/// The beginning of what was found.
fn found(part: &str) -> String {
    match part.chars().take(20).collect::<String>() {
        begin if begin.is_empty() => "the end".to_owned(),
        begin => format!("'{}'", begin.escape_debug()),
    }
}

fn unread(code: &str, errors: load::Errors<&str, ()>) -> String {
    let expected = |what: &str, part: &str| format!("{}: {what} expected, {} found", place(code, part), found(part));
    let sentences = errors.into_iter().flat_map(|(_, error)| -> Vec<String> {
        match error {
            load::Error::Io(modules) => modules
                .into_iter()
                .take(TOLD)
                .map(|(part, _)| format!("{}: modules cannot be loaded", place(code, part)))
                .collect(),
            load::Error::Lex(errors) => {
                errors.into_iter().take(TOLD).map(|(what, part)| expected(what.as_str(), part)).collect()
            }
            load::Error::Parse(errors) => {
                errors.into_iter().take(TOLD).map(|(what, part)| expected(what.as_str(), part)).collect()
            }
        }
    });
    sentence(sentences)
}

fn undefined(code: &str, errors: compile::Errors<&str, ()>) -> String {
    let errors = errors.into_iter().flat_map(|(_, errors)| errors).take(TOLD);
    sentence(errors.map(|(name, kind)| match kind {
        compile::Undefined::Filter(arity) => format!("{}: {name}/{arity} is not defined", place(code, name)),
        other => format!("{}: {} {name} is not defined", place(code, name), other.as_str()),
    }))
}

fn sentence(faults: impl Iterator<Item = String>) -> String {
    format!("not a jq program: {}", faults.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Writing = Writing { compact: true, raw: false, join: false, ascii: false, sort: false };

    #[test]
    fn faults_are_told_with_their_place() {
        for (code, fault) in [
            (".[] | foo(1)", "line 1, column 7: foo/1 is not defined"),
            (".a | [1,", "line 1, column 9: closing bracket expected, the end found"),
            (".a\n | \"x\\q\"", "line 2, column 7: string escape sequence expected, 'q\\\"' found"),
            ("$x", "line 1, column 1: variable $x is not defined"),
            ("", "line 1, column 1: term expected, the end found"),
            ("include \"a\"; .", "line 1, column 10: modules cannot be loaded"),
            ("env.HOME", "line 1, column 1: env/0 is not defined"),
            ("$ENV", "line 1, column 1: variable $ENV is not defined"),
            ("input", "line 1, column 1: input/0 is not defined"),
            ("break $a", "line 1, column 7: label $a is not defined"),
        ] {
            assert_eq!(check(code), Err(format!("not a jq program: {fault}")), "{code}");
        }
        assert!(check(&" ".repeat(LONGEST + 1)).unwrap_err().contains("32768 bytes at most"));
        assert_eq!(check(&format!("{}.", " ".repeat(LONGEST - 1))), Ok(()));
    }

    #[test]
    fn programs_may_be_nested_as_deeply_as_they_fit() {
        let (open, close) = ("[".repeat(LONGEST / 2 - 1), "]".repeat(LONGEST / 2 - 1));
        assert_eq!(check(&format!("{open}1{close}")), Ok(()));
        for part in ["[", "(", "-", "if 1 then ", "def f: ", "{a:", "reduce . as $x (", "\"\\(", "try ", ".|"] {
            let fault = check(&part.repeat(LONGEST / part.len())).expect_err("refused");
            assert!(fault.len() < 400, "{fault}");
        }
    }

    #[test]
    fn what_the_library_lacks_is_there() {
        for (code, given) in [
            ("[1, \"a\\\"b\", null, true] | @csv", r#""1,\"a\"\"b\",,true""#),
            ("[1, \"a\\tb\\\\\"] | @tsv", r#""1\ta\\tb\\\\""#),
            ("@csv \"x: \\([1, 2])\"", r#""x: 1,2""#),
            ("[3 | IN(1, 3), IN(2)]", "[true,false]"),
            ("[{ a: 1 }, { a: 2 }] | INDEX(.a) | keys", r#"["1","2"]"#),
            ("[[1], 2 | toarray]", "[[1],[2]]"),
            ("\"xax\" | trimstr(\"x\")", r#""a""#),
            ("65 | ascii", r#""A""#),
            ("[{ a: [1] } | leaf_paths]", r#"[["a",0]]"#),
            ("\"a b\" | format(\"uri\")", r#""a%20b""#),
            (
                "[nan, infinite, 1.50, 3.0 * 2, 1e3 * 1, 100000000000000000000 + 1]",
                "[null,1.7976931348623157e+308,1.50,6,1000,100000000000000000001]",
            ),
        ] {
            let program = Program::parse(code).unwrap_or_else(|fault| panic!("{code}: {fault}"));
            let made = program.run(b"null", PLAIN).map(|made| String::from_utf8(made).unwrap());
            assert_eq!(made, Ok(format!("{given}\n")), "{code}");
        }
        let refused = Program::parse("[[]] | @csv").unwrap().run(b"null", PLAIN);
        assert_eq!(refused, Err(Fault::Failed("\"array cannot stand in a csv row\"".into())));
        assert_eq!(Program::parse("{(1): 2}").unwrap().run(b"null", PLAIN), Err(Fault::NoPlace(crate::NoPlace)));
    }

    proptest! {
        #[test]
        fn nothing_panics_when_read(code in "[.|,\\[\\](){}a-c1\"$@ \\n=+*/?:;-]{0,40}") {
            let _ = Program::parse(&code);
        }

        #[test]
        fn documents_pass_as_they_are(document in document()) {
            let text = document.to_string();
            let made = Program::parse(".").unwrap().run(text.as_bytes(), PLAIN).unwrap();
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&made).unwrap(), document.clone());
            let pretty = Writing { compact: false, ascii: true, sort: true, ..PLAIN };
            let made = Program::parse(".").unwrap().run(text.as_bytes(), pretty).unwrap();
            prop_assert!(made.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&made).unwrap(), document);
        }
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }
}
