//! Modes of `--chmod`: octal digits, or symbolic as chmod(1) takes them. Knows nothing of files.

use crate::types::FileMode;

/// Reads a mode; the error says what is wrong.
pub fn parse(text: &str) -> Result<FileMode, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(FileMode::Octal(mode)),
            Ok(_) => Err("it is above 07777".to_owned()),
            Err(_) => Err("it is not octal".to_owned()),
        };
    }
    for clause in text.split(',') {
        symbolic(clause)?;
    }
    Ok(FileMode::Symbolic(text.to_owned()))
}

/// Checks `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`.
fn symbolic(clause: &str) -> Result<(), String> {
    let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    if !rest.starts_with(['+', '-', '=']) {
        return Err(match rest.chars().next() {
            Some(c) => format!("`{c}` stands where +, - or = is expected"),
            None => "+, - or = is missing".to_owned(),
        });
    }
    for permissions in rest.split(['+', '-', '=']).skip(1) {
        let copied = matches!(permissions, "u" | "g" | "o");
        if !copied
            && let Some(c) = permissions
                .chars()
                .find(|c| !matches!(c, 'r' | 'w' | 'x' | 'X' | 's' | 't'))
        {
            return Err(format!("`{c}` is no permission"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal() {
        assert_eq!(parse("0755"), Ok(FileMode::Octal(0o755)));
        assert_eq!(parse("7777"), Ok(FileMode::Octal(0o7777)));
        assert!(parse("10000").is_err());
        assert!(parse("0888").is_err());
    }

    #[test]
    fn symbols() {
        for good in ["u=rwX,go=rX", "+x", "a-w", "u+s,+t", "g=u", "u=,go="] {
            assert_eq!(parse(good), Ok(FileMode::Symbolic(good.to_owned())), "{good}");
        }
        for bad in ["u", "x+r", "u+q", "u=rw,", "755x", "u+ug"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
