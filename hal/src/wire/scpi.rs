//! Messages of SCPI-1999: what is asked of a board, and what it is asked with.
//!
//! A message is a line of ASCII. Its units are separated by `;`, and each is a header — mnemonics separated by `:`,
//! or one common command that begins with `*` — with `?` behind it when it asks, then parameters separated by `,`.
//! Mnemonics have a short and a long form, and case does not matter (SCPI-1999 volume 1, 6.2).
//!
//! Every unit names its header from the root, as if a `:` stood before it. The rule by which a unit continues the
//! path of the one before (IEEE 488.2-1992, A.1.1) is not followed: no command of a board needs it.

use thiserror::Error;

/// Longest message, in bytes.
pub const MAX_MESSAGE: usize = 4096;
/// Most units of a message.
const MAX_UNITS: usize = 32;
/// Longest mnemonic (SCPI-1999 volume 1, 6.2.1).
const MAX_MNEMONIC: usize = 12;

/// One unit of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// The header without a leading `:` and without `?`.
    pub header: &'a str,
    /// Something is asked for.
    pub query: bool,
    /// The parameters as they were written, without blanks around them.
    pub parameters: Vec<&'a str>,
}

/// Why a message is none, with its SCPI error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// −101: a character that no message has.
    #[error("-101,\"Invalid character\"")]
    Character,
    /// −102: no header, or blanks inside it.
    #[error("-102,\"Syntax error\"")]
    Syntax,
    /// −112: a mnemonic that is too long.
    #[error("-112,\"Program mnemonic too long\"")]
    Mnemonic,
    /// −223: the message is longer, or has more units, than is accepted.
    #[error("-223,\"Too much data\"")]
    Length,
}

/// The units of a message, which may end in `\r`, `\n` or both. An empty message has none.
///
/// # Errors
/// When a unit is none; nothing of the message is to be done then.
pub fn units(message: &[u8]) -> Result<Vec<Unit<'_>>, MessageError> {
    if message.len() > MAX_MESSAGE {
        return Err(MessageError::Length);
    }
    let text = str::from_utf8(message)
        .ok()
        .map(|text| text.trim_end_matches(['\r', '\n']))
        .filter(|text| {
            text.bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
        })
        .ok_or(MessageError::Character)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let units: Vec<_> = text.split(';').take(MAX_UNITS + 1).collect();
    if units.len() > MAX_UNITS {
        return Err(MessageError::Length);
    }
    units.into_iter().map(unit).collect()
}

fn unit(text: &str) -> Result<Unit<'_>, MessageError> {
    let text = text.trim();
    let (header, parameters) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let (header, query) = header
        .strip_suffix('?')
        .map_or((header, false), |header| (header, true));
    let header = header.strip_prefix(':').unwrap_or(header);
    for mnemonic in header.strip_prefix('*').unwrap_or(header).split(':') {
        let mut bytes = mnemonic.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !begins || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(MessageError::Syntax);
        }
        if mnemonic.len() > MAX_MNEMONIC {
            return Err(MessageError::Mnemonic);
        }
    }
    let parameters = parameters.trim();
    Ok(Unit {
        header,
        query,
        parameters: match parameters {
            "" => Vec::new(),
            _ => parameters.split(',').map(str::trim).collect(),
        },
    })
}

impl Unit<'_> {
    /// Whether this unit has the header `pattern`, given in the long form with the short form in capitals, for
    /// example `FETCh:STRip`. A mnemonic is its short or its long form and nothing between.
    pub fn is(&self, pattern: &str) -> bool {
        let mut wanted = pattern.split(':');
        let mut found = self.header.split(':');
        loop {
            match (wanted.next(), found.next()) {
                (None, None) => return true,
                (Some(wanted), Some(found)) if same(wanted, found) => {}
                _ => return false,
            }
        }
    }

    /// The only parameter, as a number; `None` when there is another number of them, or it is none.
    pub fn number<T: std::str::FromStr>(&self) -> Option<T> {
        match self.parameters.as_slice() {
            [number] => number.parse().ok(),
            _ => None,
        }
    }
}

fn same(pattern: &str, found: &str) -> bool {
    let short = pattern.trim_end_matches(|c: char| c.is_ascii_lowercase());
    found.eq_ignore_ascii_case(pattern) || found.eq_ignore_ascii_case(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_and_long_forms_in_any_case_are_one_command() {
        for text in [
            "FETCh:STRip? 7",
            "fetch:strip? 7",
            ":FETC:STR?\t 7 \r\n",
            "fetc:Strip?  7\n",
        ] {
            let units = units(text.as_bytes()).unwrap();
            let [unit] = units.as_slice() else {
                panic!("{units:?}")
            };
            assert!(unit.is("FETCh:STRip") && unit.query, "{text}");
            assert_eq!(unit.number(), Some(7_u64));
        }
        let one = |text: &'static str| units(text.as_bytes()).unwrap().remove(0);
        for text in ["FETCH:STRI? 7", "FETC? 7", "FETC:STR:X? 7", "STR? 7"] {
            assert!(!one(text).is("FETCh:STRip"), "{text}");
        }
        assert!(one("*IDN?").is("*IDN") && one("*cls").is("*CLS"));
        assert!(!one("*IDN?").is("IDN"));
    }

    #[test]
    fn units_and_parameters_are_parted() {
        let found = units(b"*CLS; SCAN:WIDT 512 ;:SCAN:BID ON, 2").unwrap();
        let words: Vec<_> = found
            .iter()
            .map(|unit| (unit.header, unit.query, unit.parameters.clone()))
            .collect();
        assert_eq!(
            words,
            [
                ("*CLS", false, vec![]),
                ("SCAN:WIDT", false, vec!["512"]),
                ("SCAN:BID", false, vec!["ON", "2"]),
            ]
        );
        assert_eq!(found[2].number::<u32>(), None);
        assert_eq!(units(b" \r\n"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_message_has_its_number() {
        for (text, error) in [
            (&b"\xff\xfe"[..], MessageError::Character),
            (b"SCAN\0", MessageError::Character),
            (b"*CLS;", MessageError::Syntax),
            (b"SCAN::WIDT 1", MessageError::Syntax),
            (b"?", MessageError::Syntax),
            (b"9SCAN", MessageError::Syntax),
            (b"SCAN!", MessageError::Syntax),
            (b"ABCDEFGHIJKLM", MessageError::Mnemonic),
            (&[b'A'; MAX_MESSAGE + 1], MessageError::Length),
            (&[b';'; 100], MessageError::Length),
        ] {
            assert_eq!(units(text), Err(error), "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(units) = units(&bytes) {
                for unit in units {
                    let _ = (unit.is("SCAN:WIDTh"), unit.number::<u32>());
                }
            }
        }
    }
}
