//! Names that somebody may have meant. Knows nothing of where they come from.

use lapstrake_sdk::did_you_mean;

use crate::error::Error;

/// How many names an error lists where none is near.
const LISTED: usize = 8;

/// Adds to an error which of the names that there are was meant.
pub fn help<'a>(error: Error, wrong: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    if let Some(near) = did_you_mean(wrong, names.clone()) {
        return error.help(format!("did you mean '{near}'?"));
    }
    let listed: Vec<&str> = names.take(LISTED + 1).collect();
    match listed.len() {
        0 => error.help("the set is empty"),
        count if count > LISTED => error,
        _ => error.help(format!("there are: {}", listed.join(", "))),
    }
}
