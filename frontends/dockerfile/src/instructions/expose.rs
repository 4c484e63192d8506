//! `EXPOSE`: ports that a container listens on. Knows nothing of publishing them.

use std::net::IpAddr;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lint;
use crate::lower::golang;
use crate::lower::stage::{Cx, Stage, report_expansion};
use crate::parse::Arguments;
use crate::span::Span;
use crate::suggest;
use crate::syntax::flags::Flags;
use crate::syntax::words::{self, Word};

/// `EXPOSE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expose {
    /// The ports, sorted as texts: that is their order in the history.
    pub ports: Vec<Word>,
}

impl Expose {
    /// Reads the arguments.
    pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        Flags::check("EXPOSE", &arguments.flags, &[], &[], diagnostics);
        let mut ports = words::split(arguments.line, arguments.rest.clone());
        if ports.is_empty() {
            arguments.missing("a port", "write EXPOSE 80 or EXPOSE 53/udp", diagnostics);
            return None;
        }
        ports.sort_by(|a, b| a.text.cmp(&b.text));
        Some(Self { ports })
    }

    /// Adds the ports; a variable may hold several.
    pub fn lower(&self, stage: &mut Stage, cx: &mut Cx<'_>) {
        let mut all = Vec::new();
        for word in &self.ports {
            match cx.expander.words(&word.text, &stage.env) {
                Ok(texts) => {
                    for text in texts {
                        match ports(&text, word.span, cx) {
                            Ok(ports) => all.extend(ports),
                            Err(problem) => cx.diagnostics.push(
                                Diagnostic::error(
                                    "InvalidPort",
                                    word.span,
                                    format!("`{text}` is no port: {problem}"),
                                )
                                .help("write a port or a range, and maybe a protocol: 80, 8000-8010/udp"),
                            ),
                        }
                    }
                }
                Err(error) => report_expansion(&error, word, cx.diagnostics),
            }
            if let Ok(expansion) = cx.expander.expand(&word.text, &stage.env) {
                cx.undefined(stage, &expansion.unmatched, word.span);
            }
        }
        stage.image.ports.extend(all.iter().cloned());
        cx.record(stage, format!("EXPOSE {}", golang::list(&all)), false);
    }
}

/// Reads `[ip:][host:]port[-port][/protocol]`; only the container's ports are of use.
fn ports(text: &str, span: Span, cx: &mut Cx<'_>) -> Result<Vec<String>, String> {
    let (address, host, container) = match text.rsplitn(3, ':').collect::<Vec<_>>().as_slice() {
        [container] => ("", "", *container),
        [container, host] => ("", *host, *container),
        [container, host, address] => (*address, *host, *container),
        _ => return Err("it has no port".to_owned()),
    };
    let (range, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
    if range.is_empty() {
        return Err("it has no port".to_owned());
    }
    let lower = if protocol.is_empty() {
        "tcp".to_owned()
    } else {
        protocol.to_ascii_lowercase()
    };
    if !matches!(lower.as_str(), "tcp" | "udp" | "sctp") {
        let near = suggest::did_you_mean(&lower, ["tcp", "udp", "sctp"]);
        let near = near.map(|near| format!("; {near}")).unwrap_or_default();
        return Err(format!("`{protocol}` is not tcp, udp or sctp{near}"));
    }
    if !protocol.is_empty() && protocol != lower {
        cx.lint(lint::EXPOSE_PROTO_CASING, span, || {
            format!("the protocol in `{text}` should be lower case")
        });
    }
    if !address.is_empty() || !host.is_empty() {
        cx.lint(lint::EXPOSE_INVALID_FORMAT, span, || {
            format!("`{text}` maps a port of the host: only the container's port belongs here")
        });
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    if !address.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(format!("`{address}` is no address"));
    }
    let (first, last) = range_of(range)?;
    if !host.is_empty() {
        let (host_first, host_last) = range_of(host)?;
        if last != first && host_last - host_first != last - first {
            return Err(format!("the ranges {host} and {range} differ in length"));
        }
    }
    Ok((first..=last).map(|port| format!("{port}/{lower}")).collect())
}

fn range_of(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("`{text}` is not a number from 0 to 65535"))
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if last < first {
        return Err(format!("the range {text} runs backwards"));
    }
    Ok((first, last))
}
