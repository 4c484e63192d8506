//! Shows a build's events to the person or the program that started it.
//! Knows nothing of how a build works.

mod event;
mod plain;
mod quiet;
mod rawjson;
mod steps;
mod tty;
pub(crate) mod wire;

use std::io::{BufWriter, IsTerminal};
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

/// Something else that hears a build's events, on the thread that shows them.
pub trait Listener: Send {
    /// Hears one event.
    fn event(&mut self, event: &Event);
    /// Called when no further event waits.
    fn flush(&mut self);
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

    /// Sends one event, without the credentials of URLs in it.
    pub fn send(&self, mut event: Event) {
        event.redact();
        let _ = self.0.send(event);
    }
}

/// The running display of one build.
pub struct Display {
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Display {
    /// Starts to show what is sent to the sink that it returns, and to tell it to a listener.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(mode: Mode, mut listener: Option<Box<dyn Listener>>) -> std::io::Result<(Sink, Self)> {
        let mut renderer = renderer(mode);
        let (sink, receiver) = Sink::channel();
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || show(&receiver, renderer.as_mut(), &mut listener))?;
        Ok((sink, Self { thread: Some(thread) }))
    }

    /// Waits until everything is shown. All sinks MUST have been dropped.
    pub fn finish(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn renderer(mode: Mode) -> Box<dyn Renderer> {
    let stderr = std::io::stderr();
    let terminal = || stderr.is_terminal() && console::Term::stderr().features().is_attended();
    match mode {
        Mode::Tty => Box::new(tty::Tty::new()),
        Mode::Auto if terminal() => Box::new(tty::Tty::new()),
        Mode::RawJson => Box::new(rawjson::RawJson::new(BufWriter::new(std::io::stdout()))),
        Mode::Quiet => Box::new(quiet::Quiet::new(BufWriter::new(stderr))),
        Mode::Plain | Mode::Auto => Box::new(plain::Plain::new(BufWriter::new(stderr))),
    }
}

/// Shows on standard output what was recorded of a build that is over, or goes on elsewhere.
///
/// # Errors
/// The mode is made for terminals.
pub fn replay(mode: Mode, events: impl IntoIterator<Item = Event>) -> Result<(), String> {
    let out = BufWriter::new(std::io::stdout());
    let mut renderer: Box<dyn Renderer> = match mode {
        Mode::RawJson => Box::new(rawjson::RawJson::new(out)),
        Mode::Plain | Mode::Auto => Box::new(plain::Plain::new(out)),
        Mode::Tty | Mode::Quiet => return Err("what is over is shown as plain or rawjson".to_owned()),
    };
    for event in events {
        renderer.event(event);
    }
    renderer.flush();
    Ok(())
}

fn show(receiver: &Receiver<Event>, renderer: &mut dyn Renderer, listener: &mut Option<Box<dyn Listener>>) {
    use crossbeam_channel::RecvTimeoutError;
    loop {
        let first = if renderer.wants_ticks() {
            receiver.recv_timeout(std::time::Duration::from_millis(100))
        } else {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match first {
            Ok(first) => {
                let mut next = Some(first);
                while let Some(event) = next {
                    if let Some(listener) = listener {
                        listener.event(&event);
                    }
                    renderer.event(event);
                    next = receiver.try_recv().ok();
                }
                renderer.flush();
                if let Some(listener) = listener {
                    listener.flush();
                }
            }
            Err(RecvTimeoutError::Timeout) => renderer.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    renderer.finish();
}
