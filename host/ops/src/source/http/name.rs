//! What a downloaded file is called: as the op says, as the server says, or as the address ends. BuildKit's rules.
//! Knows nothing of downloading.

/// The name of what has no better one.
const UNNAMED: &str = "download";
/// Longest name of a file, bytes.
const LONGEST: usize = 255;

/// Chooses the name of a file.
pub(super) fn choose(wanted: Option<&str>, disposition: Option<&str>, url: &str) -> String {
    let candidates = [
        wanted.and_then(base),
        disposition.and_then(from_disposition),
        from_url(url),
    ];
    candidates
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| UNNAMED.to_owned())
}

/// The last part of a path, if it is a name.
fn base(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let good = !matches!(name, "" | "." | "..") && name.len() <= LONGEST && !name.contains('\0');
    good.then(|| name.to_owned())
}

fn from_url(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let (_, path) = path.split_once('/')?;
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    base(&percent_decode(last)?)
}

/// The file name of a `Content-Disposition` header (RFC 6266): `filename*` before `filename`.
pub(super) fn from_disposition(header: &str) -> Option<String> {
    let parameters = parameters(header);
    let find = |name: &str| parameters.iter().find(|(key, _)| key == name);
    let extended = find("filename*").and_then(|(_, value)| {
        // RFC 8187: charset'language'percent-encoded text.
        let (charset, rest) = value.split_once('\'')?;
        let (_, text) = rest.split_once('\'')?;
        charset
            .eq_ignore_ascii_case("utf-8")
            .then(|| percent_decode(text))?
    });
    let plain = || find("filename").map(|(_, value)| value.clone());
    base(&extended.or_else(plain)?)
}

/// `; key=value; key="quoted \" value"` after the first word, with keys in lower case.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let Some((_, mut rest)) = header.split_once(';') else {
        return out;
    };
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', '\t', ';']).to_ascii_lowercase();
        let after = after.trim_start();
        let mut value = String::new();
        rest = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut chars = quoted.char_indices();
                let mut end = quoted.len();
                while let Some((at, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = at + 1;
                            break;
                        }
                        '\\' => value.extend(chars.next().map(|(_, c)| c)),
                        c => value.push(c),
                    }
                }
                &quoted[end..]
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                value.push_str(after[..end].trim());
                &after[end..]
            }
        };
        out.push((key, value));
    }
    out
}

/// Undoes `%41`. None: not UTF-8 then.
fn percent_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|b| (*b as char).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_op_comes_before_the_server_and_that_before_the_address() {
        let url = "https://example.com/a/b.tar?x=1";
        let server = Some("attachment; filename=c.tar");
        assert_eq!(choose(Some("d"), server, url), "d");
        assert_eq!(choose(None, server, url), "c.tar");
        assert_eq!(choose(None, None, url), "b.tar");
        assert_eq!(choose(None, Some("inline"), url), "b.tar");
    }

    #[test]
    fn a_server_cannot_name_another_folder() {
        let named = |header: &str| from_disposition(header);
        assert_eq!(
            named("attachment; filename=\"../../etc/passwd\"").as_deref(),
            Some("passwd")
        );
        assert_eq!(named("attachment; filename=\"..\""), None);
        assert_eq!(named("attachment; filename=\"x/\""), None);
        assert_eq!(
            named("attachment; filename=\"a\\\"b; c\"").as_deref(),
            Some("a\"b; c")
        );
        assert_eq!(
            named("attachment; filename=x; filename*=UTF-8''%e2%82%ac.txt").as_deref(),
            Some("€.txt")
        );
        assert_eq!(named("attachment; FileName = x ; a=b").as_deref(), Some("x"));
        assert_eq!(
            named("attachment; filename=\"unclosed").as_deref(),
            Some("unclosed")
        );
    }

    #[test]
    fn addresses_without_a_name() {
        for url in [
            "https://example.com",
            "https://example.com/",
            "https://h/?q",
            "https://h/..",
        ] {
            assert_eq!(choose(None, None, url), UNNAMED, "{url}");
        }
        assert_eq!(choose(None, None, "https://h/a%2Fb"), "b");
        assert_eq!(choose(None, None, "https://h/a%20b/"), "a b");
    }
}
