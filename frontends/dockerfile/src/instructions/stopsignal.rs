//! `STOPSIGNAL`: what ends a container. Knows no system's signals but Linux's.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lower::stage::{self, Cx, Stage};
use crate::parse::Arguments;
use crate::syntax::flags::Flags;
use crate::syntax::words::Word;

/// Names without `SIG`, as Docker knows them for Linux.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Reads the argument.
pub fn parse(arguments: &Arguments<'_>, diagnostics: &mut Diagnostics) -> Option<Word> {
    Flags::check("STOPSIGNAL", &arguments.flags, &[], &[], diagnostics);
    if arguments.rest.is_empty() {
        arguments.missing("a signal", "write STOPSIGNAL SIGTERM or a number", diagnostics);
        return None;
    }
    Some(arguments.word())
}

/// Sets the signal.
pub fn lower(signal: &Word, stage: &mut Stage, cx: &mut Cx<'_>) {
    let name = cx.expand(stage, signal);
    if !is_signal(&name) {
        let upper = name.to_ascii_uppercase();
        let help = stage::one_of(upper.strip_prefix("SIG").unwrap_or(&upper), SIGNALS);
        cx.diagnostics.push(
            Diagnostic::error("InvalidSignal", signal.span, format!("`{name}` is no signal")).help(help),
        );
    }
    stage.image.stop_signal = Some(name.clone());
    cx.record(stage, format!("STOPSIGNAL {name}"), false);
}

fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i32>() {
        return number != 0;
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |base: &str, limit: u32, sign: char| {
        name.strip_prefix(base)
            .and_then(|rest| rest.strip_prefix(sign))
            .and_then(|n| n.parse::<u32>().ok())
            .is_some_and(|n| (1..=limit).contains(&n))
    };
    SIGNALS.contains(&name) || real_time("RTMIN", 15, '+') || real_time("RTMAX", 14, '-')
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn signals() {
        for good in ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1", "SIGKILL"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "SIGFOO", "RTMIN+99", "TERMINATE"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
