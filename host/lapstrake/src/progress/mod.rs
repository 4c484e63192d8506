//! Shows a build's events to the person or the program that started it.
//! Knows nothing of how a build works.

mod event;
mod plain;
mod quiet;
mod rawjson;
mod steps;
mod tty;

use std::io::IsTerminal;
use std::str::FromStr;

use crossbeam_channel::{Receiver, Sender, unbounded};

pub use event::*;
pub(crate) use steps::bytes;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// `tty` where standard error is a terminal, `plain` else.
    #[default]
    Auto,
    /// In place.
    Tty,
    /// Line after line.
    Plain,
    /// One JSON object a line, on standard output.
    RawJson,
    /// Nothing but errors.
    Quiet,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "tty" => Self::Tty,
            "plain" => Self::Plain,
            "rawjson" => Self::RawJson,
            "quiet" | "none" => Self::Quiet,
            _ => return Err("it is one of auto, tty, plain, rawjson, quiet".to_owned()),
        })
    }
}

/// Something that shows events. One file a kind.
trait Renderer: Send {
    /// Takes one event in.
    fn event(&mut self, event: Event);
    /// Shows what was taken in. Called when no further event waits.
    fn flush(&mut self);
    /// Called some times a second while nothing happens.
    fn tick(&mut self) {}
    /// Whether `tick` does anything.
    fn wants_ticks(&self) -> bool {
        false
    }
    /// Shows what remains, once.
    fn finish(&mut self);
}

/// Where a build sends its events. Cheap to clone; events sent after the end are lost.
#[derive(Clone)]
pub struct Sink(Sender<Event>);

impl Sink {
    /// A sink, and the receiver of what is sent to it.
    pub fn channel() -> (Self, Receiver<Event>) {
        let (sender, receiver) = unbounded();
        (Self(sender), receiver)
    }

    /// Sends one event.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

/// The running display of one build.
pub struct Display {
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Display {
    /// Starts to show what is sent to the sink that it returns.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(mode: Mode) -> std::io::Result<(Sink, Self)> {
        let stderr = std::io::stderr();
        let mode = match mode {
            Mode::Auto if stderr.is_terminal() && console::Term::stderr().features().is_attended() => {
                Mode::Tty
            }
            Mode::Auto => Mode::Plain,
            other => other,
        };
        let mut renderer: Box<dyn Renderer> = match mode {
            Mode::Tty => Box::new(tty::Tty::new()),
            Mode::RawJson => Box::new(rawjson::RawJson::new(std::io::stdout())),
            Mode::Quiet => Box::new(quiet::Quiet::new(stderr)),
            Mode::Plain | Mode::Auto => Box::new(plain::Plain::new(stderr)),
        };
        let (sink, receiver) = Sink::channel();
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show(&receiver, renderer.as_mut()))?;
        Ok((sink, Self { thread: Some(thread) }))
    }

    /// Waits until everything is shown. All sinks MUST have been dropped.
    pub fn finish(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(receiver: &Receiver<Event>, renderer: &mut dyn Renderer) {
    use crossbeam_channel::RecvTimeoutError;
    loop {
        let first = if renderer.wants_ticks() {
            receiver.recv_timeout(std::time::Duration::from_millis(100))
        } else {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match first {
            Ok(event) => {
                renderer.event(event);
                while let Ok(event) = receiver.try_recv() {
                    renderer.event(event);
                }
                renderer.flush();
            }
            Err(RecvTimeoutError::Timeout) => renderer.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    renderer.finish();
}
