//! "Did you mean": the help that names the word which was probably meant.
//! Knows nothing of where the words come from.

/// Returns "did you mean …?", where one of the words is near.
pub fn did_you_mean<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    lapstrake_sdk::did_you_mean(word, options).map(|option| format!("did you mean `{option}`?"))
}
