//! Which compression a client takes.

/// How a file goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl Coding {
    /// What the file's name ends with, and `content-encoding`.
    pub(crate) fn names(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Brotli => Some((".br", "br")),
            Self::Gzip => Some((".gz", "gzip")),
            Self::Plain => None,
        }
    }
}

/// The best that `accept-encoding` allows, best first (RFC 9110 §12.5.3).
pub(crate) fn codings(accept: Option<&str>) -> Vec<Coding> {
    let accept = accept.unwrap_or_default();
    let weight = |name: &str| {
        let mut any = None;
        for item in accept.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if coding.eq_ignore_ascii_case(name) {
                return quality;
            }
            if coding == "*" {
                any = Some(quality);
            }
        }
        any.unwrap_or(0.0)
    };
    let mut list: Vec<(Coding, f32)> = [(Coding::Brotli, weight("br")), (Coding::Gzip, weight("gzip"))]
        .into_iter()
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1));
    list.into_iter().map(|(coding, _)| coding).chain([Coding::Plain]).collect()
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Plain};
    use super::*;

    #[test]
    fn the_best_that_is_allowed() {
        for (accept, expected) in [
            (None, vec![Plain]),
            (Some(""), vec![Plain]),
            (Some("gzip, deflate, br, zstd"), vec![Brotli, Gzip, Plain]),
            (Some("br;q=0.1, gzip;q=0.8"), vec![Gzip, Brotli, Plain]),
            (Some("br;q=0, gzip"), vec![Gzip, Plain]),
            (Some("*"), vec![Brotli, Gzip, Plain]),
            (Some("*;q=0"), vec![Plain]),
            (Some("identity"), vec![Plain]),
            (Some("BR"), vec![Brotli, Plain]),
            (Some(";;q=x,,"), vec![Plain]),
        ] {
            assert_eq!(codings(accept), expected, "{accept:?}");
        }
    }
}
