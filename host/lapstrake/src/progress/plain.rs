//! Progress line after line, as `docker buildx --progress plain` looks: for logs and for machines without a terminal.

use std::io::Write;
use std::time::SystemTime;

use super::steps::{Steps, bytes};
use super::{Ending, Event, FoundBy, Renderer, Warning};

/// Writes to `W`, all of what happened once.
pub struct Plain<W> {
    out: W,
    steps: Steps,
    /// The step whose lines were written last.
    current: Option<usize>,
    /// What was written of each step.
    written: Vec<Written>,
}

#[derive(Default)]
struct Written {
    name: bool,
    log: usize,
    statuses: Vec<String>,
    end: bool,
}

impl<W: Write> Plain<W> {
    /// A display that has written nothing.
    pub fn new(out: W) -> Self {
        Self {
            out,
            steps: Steps::default(),
            current: None,
            written: Vec::new(),
        }
    }

    fn show(&mut self, index: usize) -> std::io::Result<()> {
        self.written
            .resize_with(self.steps.all.len().max(self.written.len()), Written::default);
        let step = &self.steps.all[index];
        let written = &mut self.written[index];
        let number = step.number;
        let new_log = step.log.len() > written.log;
        let ended = step.completed.is_some() && !written.end;
        let statuses: Vec<String> = step
            .statuses
            .iter()
            .filter(|status| status.completed.is_some() && !written.statuses.contains(&status.id))
            .map(|status| status.id.clone())
            .collect();
        if written.name && !new_log && !ended && statuses.is_empty() || !step.is_shown() {
            return Ok(());
        }
        if self.current != Some(index) {
            if self.current.is_some() {
                writeln!(self.out)?;
            }
            if written.name && !ended {
                writeln!(self.out, "#{number} ...")?;
            }
            self.current = Some(index);
        }
        if !written.name {
            writeln!(self.out, "#{number} {}", step.name)?;
            written.name = true;
        }
        for id in statuses {
            if let Some(status) = step.statuses.iter().find(|status| status.id == id) {
                let took = status
                    .completed
                    .and_then(|end| end.duration_since(status.started).ok())
                    .unwrap_or_default()
                    .as_secs_f64();
                if status.total > 0 {
                    let (done, all) = (bytes(status.current), bytes(status.total));
                    writeln!(self.out, "#{number} {id} {done} / {all} {took:.1}s done")?;
                } else if status.current > 0 {
                    writeln!(
                        self.out,
                        "#{number} {id} {} {took:.1}s done",
                        bytes(status.current)
                    )?;
                } else {
                    writeln!(self.out, "#{number} {id} {took:.1}s done")?;
                }
            }
            written.statuses.push(id);
        }
        for line in &step.log[written.log..] {
            writeln!(self.out, "#{number} {:.3} {}", line.at.as_secs_f64(), line.text)?;
        }
        written.log = step.log.len();
        if let (true, Some((at, ending))) = (ended, &step.completed) {
            written.end = true;
            match ending {
                Ending::Done => {
                    writeln!(
                        self.out,
                        "#{number} DONE {:.1}s",
                        step.duration(*at).as_secs_f64()
                    )?;
                }
                Ending::Cached(cached) => match cached {
                    FoundBy::Local => writeln!(self.out, "#{number} CACHED")?,
                    FoundBy::Content => writeln!(self.out, "#{number} CACHED by content")?,
                },
                Ending::Skipped => writeln!(self.out, "#{number} SKIPPED")?,
                Ending::Cancelled => writeln!(self.out, "#{number} CANCELED")?,
                Ending::Failed(error) => writeln!(self.out, "#{number} ERROR: {error}")?,
            }
        }
        Ok(())
    }

    fn warn(&mut self, warning: &Warning) -> std::io::Result<()> {
        if self.current.take().is_some() {
            writeln!(self.out)?;
        }
        write!(
            self.out,
            "{}",
            crate::report::diagnostic(&warning.diagnostic, &warning.sources)
        )
    }
}

impl<W: Write + Send> Renderer for Plain<W> {
    fn event(&mut self, event: Event) {
        // A closed standard error cannot be told to anybody.
        let _ = match event {
            Event::Vertex(update) => {
                let index = self.steps.vertex(update);
                self.show(index)
            }
            Event::Status(update) => self.steps.status(update).map_or(Ok(()), |index| self.show(index)),
            Event::Log(chunk) => self.steps.log(&chunk).map_or(Ok(()), |index| self.show(index)),
            Event::Warning(warning) => self.warn(&warning),
        };
    }

    fn flush(&mut self) {
        let _ = self.out.flush();
    }

    fn finish(&mut self) {
        let _ = write_failures(&mut self.out, &self.steps);
        let _ = self.out.flush();
    }
}

/// Writes the whole log of every failed step.
pub fn write_failures(out: &mut impl Write, steps: &Steps) -> std::io::Result<()> {
    for step in &steps.all {
        let Some((_, Ending::Failed(_))) = &step.completed else {
            continue;
        };
        if step.log.is_empty() {
            continue;
        }
        writeln!(out, "------\n > {}:", step.name)?;
        for line in &step.log {
            writeln!(out, "{:.3} {}", line.at.as_secs_f64(), line.text)?;
        }
        writeln!(out, "------")?;
    }
    Ok(())
}

/// The time now, in one place so that tests of displays can see that nothing else asks for it.
pub fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lapstrake_llb::Digest;

    use super::super::{LogChunk, StatusUpdate, VertexUpdate};
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn vertex(name: &str, started: u64, completed: Option<(u64, Ending)>) -> Event {
        Event::Vertex(VertexUpdate {
            digest: Digest::of(name.as_bytes()),
            name: name.to_owned(),
            inputs: vec![],
            started: Some(at(started)),
            completed: completed.map(|(end, ending)| (at(end), ending)),
            result: None,
        })
    }

    fn log(name: &str, time: u64, data: &str) -> Event {
        Event::Log(LogChunk {
            vertex: Digest::of(name.as_bytes()),
            stream: 1,
            data: data.as_bytes().to_vec(),
            timestamp: at(time),
        })
    }

    #[test]
    fn looks_as_buildkits() {
        let cached = Ending::Cached(FoundBy::Local);
        let mut plain = Plain::new(Vec::new());
        let blob = Event::Status(StatusUpdate {
            vertex: Digest::of(b"FROM x"),
            id: "sha256:1".into(),
            current: 2000,
            total: 2000,
            timestamp: at(100),
            started: at(0),
            completed: Some(at(100)),
        });
        for event in [
            vertex("FROM x", 0, None),
            blob,
            vertex("FROM x", 0, Some((100, Ending::Done))),
            vertex("RUN a", 100, None),
            log("RUN a", 150, "one\n"),
            vertex("RUN b", 100, Some((100, cached))),
            log("RUN a", 160, "two"),
            vertex("RUN a", 100, Some((1600, Ending::Failed("exit code: 1".into())))),
        ] {
            plain.event(event);
        }
        plain.finish();
        let text = String::from_utf8(plain.out).unwrap();
        let expected = "#1 FROM x\n\
            #1 sha256:1 2.00kB / 2.00kB 0.1s done\n\
            #1 DONE 0.1s\n\
            \n\
            #2 RUN a\n\
            #2 0.050 one\n\
            \n\
            #3 RUN b\n\
            #3 CACHED\n\
            \n\
            #2 1.500 two\n\
            #2 ERROR: exit code: 1\n\
            ------\n \
            > RUN a:\n\
            0.050 one\n\
            1.500 two\n\
            ------\n";
        assert_eq!(text, expected);
    }
}
