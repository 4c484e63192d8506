//! Reads `--call WHAT[,format=text|json][,ignorestatus=BOOL]`, docker buildx's words. Knows no frontend.

use crate::cli::words::AnswerFormat;
use crate::suggest::closest;

/// What is asked of a frontend, and how the answer is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The engine's name of it.
    pub what: String,
    /// How it is written; none: as `--format` says.
    pub format: Option<AnswerFormat>,
    /// Whether a check that found something ends with 0 all the same.
    pub ignore_status: bool,
}

impl Asked {
    /// Reads the option's value; none: a build.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let mut parts = text.split(',');
        let what = match parts.next().unwrap_or_default() {
            "" => return Err("it names nothing (--call check, for one)".to_owned()),
            "lint" | "frontend.lint" => "check",
            "frontend.outline" => "outline",
            "frontend.targets" => "targets",
            "subrequests.describe" | "frontend.subrequests.describe" => "subrequests.describe",
            what => what,
        };
        let mut asked = Self {
            what: what.to_owned(),
            format: None,
            ignore_status: false,
        };
        for part in parts {
            match part.split_once('=').unwrap_or((part, "true")) {
                ("format", "json") => asked.format = Some(AnswerFormat::Json),
                ("format", "text") => asked.format = Some(AnswerFormat::Text),
                ("format", other) => return Err(format!("the format is {other:?}, not text or json")),
                ("ignorestatus", "true" | "1") => asked.ignore_status = true,
                ("ignorestatus", "false" | "0") => asked.ignore_status = false,
                ("ignorestatus", other) => {
                    return Err(format!("ignorestatus is {other:?}, not true or false"));
                }
                (key, _) => {
                    let near = closest(key, ["format", "ignorestatus"]);
                    let hint = near
                        .map(|near| format!("; did you mean {near}?"))
                        .unwrap_or_default();
                    return Err(format!("there is no option {key:?}{hint}"));
                }
            }
        }
        Ok((asked.what != "build").then_some(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_buildx() {
        let asked = Asked::parse("lint,format=json,ignorestatus=true")
            .unwrap()
            .unwrap();
        assert_eq!(asked.what, "check");
        assert_eq!(asked.format, Some(AnswerFormat::Json));
        assert!(asked.ignore_status);
        assert_eq!(Asked::parse("build"), Ok(None));
        assert_eq!(Asked::parse("eval").unwrap().unwrap().what, "eval");
    }

    #[test]
    fn mistakes_are_told() {
        assert!(Asked::parse("").is_err());
        assert!(
            Asked::parse("check,fromat=json")
                .unwrap_err()
                .contains("did you mean format?")
        );
        assert!(Asked::parse("check,format=yaml").unwrap_err().contains("yaml"));
    }
}
