//! What differs between two texts.

/// Lines of more than this are compared one by one: the table of a longest common subsequence grows with the product.
const MOST: usize = 2_000;

/// Lines with their mark: `-` only before, `+` only after, a space in both.
pub fn lines<'t>(before: &'t str, after: &'t str) -> Vec<(char, &'t str)> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut out = Vec::new();
    if a.len() > MOST || b.len() > MOST {
        out.extend(a.into_iter().map(|line| ('-', line)));
        out.extend(b.into_iter().map(|line| ('+', line)));
        return out;
    }
    // Length of the longest common subsequence of what is left from here.
    let mut left = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            left[i][j] = if a[i] == b[j] { left[i + 1][j + 1] + 1 } else { left[i + 1][j].max(left[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && left[i + 1][j] >= left[i][j + 1]) {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_side_are_marked() {
        for (before, after, expected) in [
            ("", "", ""),
            ("a\nb\n", "a\nb\n", " a b"),
            ("", "a\n", "+a"),
            ("a\n", "", "-a"),
            ("a\nb\nc\n", "a\nx\nc\n", " a-b+x c"),
            ("a\nb\n", "b\na\n", "-a b+a"),
        ] {
            let text: String = lines(before, after).into_iter().map(|(mark, line)| format!("{mark}{line}")).collect();
            assert_eq!(text, expected);
        }
    }
}
