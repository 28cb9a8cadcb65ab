//! On which processors workers run.

use crate::checker::Checker;

const NAME: &str = "nginx_main_worker_cpu_affinity";

/// `nginx_main_worker_cpu_affinity`, as nginx's directive `worker_cpu_affinity`. Processors are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Affinity {
    /// Wherever the system puts them.
    #[default]
    Free,
    /// Each on one: of these, or of all that the process may use.
    Auto(Option<Vec<usize>>),
    /// The first worker on one of the first set's, and so on; those beyond the last set on one of that.
    Sets(Vec<Vec<usize>>),
}

impl Affinity {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let Some(text) = c.text(NAME) else { return Self::Free };
        Self::parse(text).unwrap_or_else(|| {
            let message = format!("{NAME} has an invalid value: '{text}'");
            let right = "auto, auto and a mask, or a mask per worker, such as 01 10: its last digit is CPU 0";
            c.wrong(NAME, message, right);
            Self::Free
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().peekable();
        if words.next_if_eq(&"auto").is_some() {
            let set = words.next().map(mask);
            return match (set, words.next()) {
                (None, _) => Some(Self::Auto(None)),
                (Some(Some(set)), None) => Some(Self::Auto(Some(set))),
                _ => None,
            };
        }
        let sets: Option<Vec<_>> = words.map(mask).collect();
        sets.filter(|sets| !sets.is_empty()).map(Self::Sets)
    }

    /// Where a worker runs, counted from 0, on a machine where the process may use these; `None`: anywhere.
    pub fn of(&self, worker: usize, usable: &[usize]) -> Option<Vec<usize>> {
        match self {
            Self::Free => None,
            Self::Auto(set) => {
                let set = set.as_deref().unwrap_or(usable);
                set.get(worker.checked_rem(set.len())?).map(|processor| vec![*processor])
            }
            Self::Sets(sets) => sets.get(worker).or(sets.last()).cloned(),
        }
    }
}

/// The processors that a mask has a 1 for, ascending; at least one.
fn mask(text: &str) -> Option<Vec<usize>> {
    if text.bytes().any(|digit| !matches!(digit, b'0' | b'1')) {
        return None;
    }
    let set: Vec<usize> =
        text.bytes().rev().enumerate().filter(|(_, digit)| *digit == b'1').map(|(processor, _)| processor).collect();
    (!set.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_run_where_masks_say() {
        for (text, of_three) in [
            ("auto", [vec![2], vec![3], vec![5]]),
            (" auto  1010", [vec![1], vec![3], vec![1]]),
            ("01 10", [vec![0], vec![1], vec![1]]),
            ("0101 1010 1 1", [vec![0, 2], vec![1, 3], vec![0]]),
        ] {
            let affinity = Affinity::parse(text).unwrap_or_else(|| panic!("{text}"));
            let found = [0, 1, 2].map(|worker| affinity.of(worker, &[2, 3, 5]));
            assert_eq!(found, of_three.map(Some), "{text}");
        }
        for text in ["", " ", "2", "01 x", "auto 0", "auto 1 1", "Auto", "00"] {
            assert_eq!(Affinity::parse(text), None, "{text}");
        }
        assert_eq!(Affinity::Free.of(0, &[0]), None);
        assert_eq!(Affinity::Auto(None).of(0, &[]), None);
    }
}
