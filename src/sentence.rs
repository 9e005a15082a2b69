//! What others wrote, in a sentence for a person.

/// `text` without control characters, which would act on a terminal, and in at most `most` characters: what is more is
/// left out of its middle, because sentences say what at their beginning and where at their end.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let shown = |c: char| match c {
        _ if !c.is_control() => c,
        '\n' | '\t' => ' ',
        _ => '\u{fffd}',
    };
    let count = text.chars().count();
    if count <= most {
        return text.chars().map(shown).collect();
    }
    let kept = most.saturating_sub(1);
    let end = kept / 2;
    text.chars()
        .take(kept - end)
        .chain(['…'])
        .chain(text.chars().skip(count - end))
        .map(shown)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_keeps_both_ends_and_nothing_acts_on_a_terminal() {
        assert_eq!(printable("à la carte", 10), "à la carte");
        assert_eq!(printable("à la carte", 6), "à l…te");
        assert_eq!(printable("à la carte", 1), "…");
        assert_eq!(printable("\u{1b}[2J\n\u{9b}", 9), "\u{fffd}[2J \u{fffd}");
    }
}
