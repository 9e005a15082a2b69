//! Numbers and names as a person reads them in a page.

use crate::evaluate::Figure;

/// What HTML would take for markup, as text.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A share as `91.0 %`. The blank does not break.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", 100.0 * share)
}

/// The interval of a share as `88.5–93.1 %`.
pub(super) fn percent_interval(figure: Figure) -> String {
    format!(
        "{:.1}–{:.1}\u{a0}%",
        100.0 * figure.low,
        100.0 * figure.high
    )
}

/// A share with its interval in smaller type.
pub(super) fn share(figure: Figure) -> String {
    format!(
        "{} <small>{}</small>",
        percent(figure.value),
        percent_interval(figure)
    )
}

/// A figure without unit, with its interval in smaller type.
pub(super) fn plain(figure: Figure) -> String {
    format!(
        "{:.3} <small>{:.3}–{:.3}</small>",
        figure.value, figure.low, figure.high
    )
}

/// A difference in percentage points with its interval: `−6.2 points (−8.1 to −4.3)`.
pub(super) fn points(figure: Figure, scale: f64) -> String {
    format!(
        "{}\u{a0}points ({} to {})",
        signed(scale * figure.value),
        signed(scale * figure.low),
        signed(scale * figure.high)
    )
}

/// A number with its sign; none for 0.
fn signed(value: f64) -> String {
    let text = format!("{:.1}", value.abs());
    match text.parse::<f64>() {
        Ok(0.0) => text,
        _ if value < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// At most `most` characters of a name.
pub(super) fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        name.to_owned()
    } else {
        let kept: String = name.chars().take(most.saturating_sub(1)).collect();
        format!("{kept}…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        assert_eq!(escape("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }

    #[test]
    fn differences_have_signs_and_zero_has_none() {
        let figure = |value, low, high| points(Figure { value, low, high }, 100.0);
        assert_eq!(
            figure(-0.062, -0.081, 0.0),
            "−6.2\u{a0}points (−8.1 to 0.0)"
        );
        assert_eq!(
            figure(0.012, -0.0001, 0.03),
            "+1.2\u{a0}points (0.0 to +3.0)"
        );
    }

    #[test]
    fn long_names_are_cut_by_characters() {
        assert_eq!(shortened("séné", 4), "séné");
        assert_eq!(shortened("sénescent", 4), "sén…");
    }
}
