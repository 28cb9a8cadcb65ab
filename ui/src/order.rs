//! Sorting that is small: each sort of the standard library is compiled for its own type of element, and lists are short
//! here. Equal elements keep their order.

use std::cmp::Ordering;

/// Sorts by a comparison.
pub fn sort_by<T>(list: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(list.len(), &|a, b| compare(&list[a], &list[b]));
    let mut taken: Vec<Option<T>> = list.drain(..).map(Some).collect();
    list.extend(places.into_iter().filter_map(|place| taken[place].take()));
}

/// Sorts by what an element has.
pub fn sort_by_key<T, K: Ord>(list: &mut Vec<T>, key: impl Fn(&T) -> K) {
    sort_by(list, |a, b| key(a).cmp(&key(b)));
}

/// The places of elements, in order. The only sort there is.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|a, b| compare(*a, *b));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_equals_keep_their_order() {
        for (list, expected) in [(vec![], vec![]), (vec!["b1", "a2", "b0", "a1"], vec!["a2", "a1", "b1", "b0"])] {
            let mut sorted: Vec<&str> = list;
            sort_by_key(&mut sorted, |text| text.chars().next());
            assert_eq!(sorted, expected);
        }
        let mut many: Vec<u32> = (0..100).map(|number| number * 37 % 100).collect();
        sort_by(&mut many, |a, b| b.cmp(a));
        assert!(many.iter().copied().eq((0..100).rev()));
    }
}
