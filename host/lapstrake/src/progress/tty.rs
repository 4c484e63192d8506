//! Progress in place on a terminal: one line a step with its time, and the last lines of what runs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use console::{Term, style};

use super::plain::{now, write_failures};
use super::steps::{Step, Steps, bytes};
use super::{Ending, Event, Renderer, Warning};

/// Lines of a running step's log that are shown.
const LOG_TAIL: usize = 6;
/// The screen is not drawn more often than this.
const FRAME: Duration = Duration::from_millis(80);

/// Draws on standard error.
pub struct Tty {
    term: Term,
    steps: Steps,
    warnings: Vec<Warning>,
    began: Instant,
    drawn_at: Option<Instant>,
    drawn_lines: usize,
}

impl Tty {
    /// A display that has drawn nothing.
    pub fn new() -> Self {
        Self {
            term: Term::buffered_stderr(),
            steps: Steps::default(),
            warnings: Vec::new(),
            began: Instant::now(),
            drawn_at: None,
            drawn_lines: 0,
        }
    }

    fn draw(&mut self, last: bool) {
        let (height, width) = self.term.size();
        let lines = frame(&self.steps, self.began.elapsed(), usize::from(width), last);
        // What is above the screen cannot be drawn over: only the end is drawn until everything is over.
        let room = if last {
            usize::MAX
        } else {
            usize::from(height).saturating_sub(1).max(1)
        };
        let from = lines.len().saturating_sub(room);
        let shown = if from > 0 {
            [&lines[..1], &lines[from + 1..]].concat()
        } else {
            lines
        };
        let _ = self.term.clear_last_lines(self.drawn_lines);
        for line in &shown {
            let _ = self.term.write_line(line);
        }
        let _ = self.term.flush();
        self.drawn_lines = shown.len();
        self.drawn_at = Some(Instant::now());
    }
}

impl Renderer for Tty {
    fn event(&mut self, event: Event) {
        match event {
            Event::Vertex(update) => {
                self.steps.vertex(update);
            }
            Event::Status(update) => {
                self.steps.status(update);
            }
            Event::Log(chunk) => {
                self.steps.log(&chunk);
            }
            Event::Warning(warning) => self.warnings.push(*warning),
        }
    }

    fn flush(&mut self) {
        // A build that is over within the first frame is drawn once.
        if self.drawn_at.unwrap_or(self.began).elapsed() >= FRAME {
            self.draw(false);
        }
    }

    fn tick(&mut self) {
        self.draw(false);
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn finish(&mut self) {
        self.draw(true);
        let mut text = Vec::new();
        let _ = write_failures(&mut text, &self.steps);
        let _ = self.term.write_str(&String::from_utf8_lossy(&text));
        for warning in &self.warnings {
            let _ = self
                .term
                .write_str(&crate::report::diagnostic(&warning.diagnostic, &warning.sources));
        }
        let _ = self.term.flush();
    }
}

fn frame(steps: &Steps, elapsed: Duration, width: usize, last: bool) -> Vec<String> {
    let done = steps.all.iter().filter(|step| step.completed.is_some()).count();
    let state = if last { "FINISHED" } else { "" };
    let title = format!(
        "[+] Building {:.1}s ({done}/{}) {state}",
        elapsed.as_secs_f64(),
        steps.all.len()
    );
    let mut lines = vec![cut(title.trim_end(), width)];
    for step in steps.all.iter().filter(|step| step.is_shown()) {
        lines.push(step_line(step, width));
        if step.running() && !last {
            let statuses = step.statuses.iter().filter(|status| status.completed.is_none());
            for status in statuses {
                let mut line = format!(" => => {}", status.id);
                if status.total > 0 {
                    let _ = write!(line, " {} / {}", bytes(status.current), bytes(status.total));
                } else if status.current > 0 {
                    let _ = write!(line, " {}", bytes(status.current));
                }
                lines.push(cut(&line, width));
            }
            for line in &step.log[step.log.len().saturating_sub(LOG_TAIL)..] {
                let plain = console::strip_ansi_codes(&line.text).replace('\t', "    ");
                lines.push(
                    style(cut(&format!(" => => # {plain}"), width))
                        .for_stderr()
                        .dim()
                        .to_string(),
                );
            }
        }
    }
    lines
}

fn step_line(step: &Step, width: usize) -> String {
    let time = format!("{:.1}s", step.duration(now()).as_secs_f64());
    let mark = match &step.completed {
        Some((_, Ending::Cached(_))) => "CACHED ",
        Some((_, Ending::Skipped)) => "SKIPPED ",
        Some((_, Ending::Cancelled)) => "CANCELED ",
        Some((_, Ending::Failed(_))) => "ERROR ",
        Some((_, Ending::Done)) | None => "",
    };
    let room = width.saturating_sub(time.len() + 1);
    let text = cut(&format!(" => {mark}{}", step.name), room);
    let line = format!(
        "{text}{}{time}",
        " ".repeat(width.saturating_sub(console::measure_text_width(&text) + time.len()))
    );
    let styled = style(line).for_stderr();
    match &step.completed {
        Some((_, Ending::Failed(_))) => styled.red().to_string(),
        Some((_, Ending::Cancelled)) => styled.yellow().to_string(),
        Some((_, Ending::Skipped)) => styled.dim().to_string(),
        Some(_) => styled.cyan().to_string(),
        None => styled.to_string(),
    }
}

fn cut(text: &str, width: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    console::truncate_str(first, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use lapstrake_llb::Digest;

    use super::super::{LogChunk, VertexUpdate};
    use super::*;

    #[test]
    fn a_frame_shows_steps_times_and_the_tail_of_the_log() {
        console::set_colors_enabled_stderr(false);
        let mut steps = Steps::default();
        let started = SystemTime::now();
        let step = |name: &str, completed| VertexUpdate {
            digest: Digest::of(name.as_bytes()),
            name: name.to_owned(),
            inputs: vec![],
            started: Some(started),
            completed,
            result: None,
        };
        steps.vertex(step(
            "[1/2] FROM x",
            Some((started + Duration::from_millis(1500), Ending::Done)),
        ));
        steps.vertex(step("[2/2] RUN a very long command that does not fit", None));
        let data = (0..9)
            .map(|n| format!("line {n}\n"))
            .collect::<String>()
            .into_bytes();
        let vertex = Digest::of(b"[2/2] RUN a very long command that does not fit");
        steps.log(&LogChunk {
            vertex,
            stream: 1,
            data,
            timestamp: started,
        });
        let lines = frame(&steps, Duration::from_millis(2000), 40, false);
        assert_eq!(lines[0], "[+] Building 2.0s (1/2)");
        assert_eq!(lines[1], " => [1/2] FROM x                    1.5s");
        assert!(
            lines[2].starts_with(" => [2/2] RUN a very long") && lines[2].contains('…'),
            "{}",
            lines[2]
        );
        assert!(
            lines.iter().all(|line| console::measure_text_width(line) <= 40),
            "{lines:?}"
        );
        assert_eq!(
            lines[3..],
            (3..9).map(|n| format!(" => => # line {n}")).collect::<Vec<_>>()
        );
        assert_eq!(frame(&steps, Duration::ZERO, 40, true).len(), 3);
    }
}
