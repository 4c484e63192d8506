//! Throws words, values and patterns at the expansion and at the ignore file: nothing may panic, an error has its place in
//! the word, and a word without anything special stays as it is.
#![no_main]

use lapstrake_dockerfile::expand::{Expander, Variables};
use lapstrake_dockerfile::lower::ignore;
use libfuzzer_sys::fuzz_target;

/// The input's first lines are the values.
struct Values<'a>([&'a str; 2]);

impl Variables for Values<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "A" => Some(self.0[0]),
            "B" => Some(self.0[1]),
            _ => None,
        }
    }
}

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let values = Values([lines.next().unwrap_or_default(), lines.next().unwrap_or_default()]);
    let word = lines.next().unwrap_or_default();
    for escape in ['\\', '`'] {
        for bits in 0..16 {
            let expander = Expander {
                keep_quotes: bits & 1 > 0,
                keep_escapes: bits & 2 > 0,
                plain_quotes: bits & 4 > 0,
                keep_unset: bits & 8 > 0,
                ..Expander::new(escape)
            };
            match expander.expand(word, &values) {
                Ok(found) if !word.contains(['$', '\'', '"', escape]) => assert_eq!(found.text, word),
                Ok(_) => {}
                Err(error) => assert!(word.is_char_boundary(error.offset), "{error:?}"),
            }
            if let Err(error) = expander.words(word, &values) {
                assert!(word.is_char_boundary(error.offset), "{error:?}");
            }
        }
    }
    if let Ok(patterns) = ignore::parse(word) {
        ignore::leaves_out(&patterns, values.0[0]);
    }
});
