//! Lines over time as SVG, and figures as people read them. Pure.

/// Width and height in the drawing's own units; on the page it takes the room there is.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    /// Where nothing was measured there is a gap.
    pub values: Vec<Option<f64>>,
}

/// The greatest value, rounded up so that it reads well: 1, 2 or 5 times a power of ten.
pub fn ceiling(series: &[Series]) -> f64 {
    let most =
        series.iter().flat_map(|line| line.values.iter().flatten()).fold(0.0_f64, |most, value| most.max(*value));
    if !(most.is_finite() && most > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= most * 0.999_999).unwrap_or(most)
}

/// The drawing: a grid, and a path for each line. Lines differ in colour and in dashes, both by their class.
pub fn svg(series: &[Series], label: &str) -> String {
    let most = ceiling(series);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    );
    for part in 0..=2 {
        let y = HEIGHT * f64::from(part) / 2.0;
        out += &format!("<path class=\"grid\" d=\"M0 {y}H{WIDTH}\"/>");
    }
    for (number, line) in series.iter().enumerate() {
        out += &format!("<path class=\"line-{}\" d=\"{}\"/>", number + 1, path(&line.values, most, WIDTH, HEIGHT));
    }
    out + "</svg>"
}

/// A small one beside a name, which says the same in figures.
pub fn spark(values: &[Option<f64>]) -> String {
    let series = [Series { name: String::new(), values: values.to_vec() }];
    let path = path(values, ceiling(&series), 100.0, 20.0);
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 100 20\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>"
    )
}

fn path(values: &[Option<f64>], most: f64, width: f64, height: f64) -> String {
    let step = width / (values.len().max(2) - 1) as f64;
    let (mut out, mut joined) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            joined = false;
            continue;
        };
        let (x, y) = (at as f64 * step, height - (value / most).clamp(0.0, 1.0) * height);
        // A measurement between two gaps is a dot.
        let alone = !joined && values.get(at + 1).is_none_or(Option::is_none);
        out += &format!("{}{} {}", if joined { 'L' } else { 'M' }, round(x), round(y));
        if alone {
            out += "h.01";
        }
        joined = true;
    }
    out
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// For text and attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Three digits where the value has a fraction, with the comma of the language.
pub fn figure(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        small if small < 10.0 => 2,
        middle if middle < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    let text = if places > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('.', t!("."))
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{} %", figure(share * 100.0))
}

/// Milliseconds, as seconds where they are many; a dash where nothing was measured.
pub fn duration(ms: Option<f64>) -> String {
    match ms {
        None => "–".to_owned(),
        Some(ms) if ms >= 10_000.0 => format!("{} s", figure(ms / 1000.0)),
        Some(ms) => format!("{} ms", figure(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[Option<f64>]) -> Series {
        Series { name: String::new(), values: values.to_vec() }
    }

    #[test]
    fn the_top_of_a_chart_reads_well() {
        for (most, expected) in [(0.0, 1.0), (0.3, 0.5), (1.0, 1.0), (1.1, 2.0), (42.0, 50.0), (501.0, 1000.0)] {
            assert!((ceiling(&[series(&[Some(most), None])]) - expected).abs() < 1e-9, "{most}");
        }
        assert!((ceiling(&[series(&[Some(f64::INFINITY)])]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn gaps_stay_gaps() {
        for (values, expected) in [
            (vec![], ""),
            (vec![Some(1.0), Some(0.0)], "M0 0L100 20"),
            (vec![Some(1.0), None, Some(1.0), Some(0.5)], "M0 0h.01M66.7 0L100 10"),
            (vec![None, None], ""),
        ] {
            assert_eq!(path(&values, 1.0, 100.0, 20.0), expected);
        }
        assert!(svg(&[series(&[Some(1.0)])], "a<b\"").contains("aria-label=\"a&lt;b&quot;\""));
    }

    #[test]
    fn figures_are_short() {
        for (value, expected) in
            [(0.0, "0"), (0.126, "0.13"), (3.0, "3"), (12.34, "12.3"), (20.0, "20"), (1234.5, "1234"), (100.0, "100")]
        {
            assert_eq!(figure(value), expected);
        }
        assert_eq!(
            (percent(0.001), duration(None), duration(Some(12_500.0))),
            ("0.1 %".into(), "–".into(), "12.5 s".into())
        );
    }
}
