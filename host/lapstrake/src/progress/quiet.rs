//! No progress: nothing but the whole log of a failed step, and warnings not at all.

use std::io::Write;

use super::plain::write_failures;
use super::steps::Steps;
use super::{Event, Renderer};

/// Writes failed steps to `W`.
pub struct Quiet<W> {
    out: W,
    steps: Steps,
}

impl<W> Quiet<W> {
    /// A display that has written nothing.
    pub fn new(out: W) -> Self {
        Self {
            out,
            steps: Steps::default(),
        }
    }
}

impl<W: Write + Send> Renderer for Quiet<W> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Vertex(update) => {
                self.steps.vertex(update);
            }
            Event::Log(chunk) => {
                self.steps.log(&chunk);
            }
            Event::Status(_) | Event::Warning(_) => {}
        }
    }

    fn flush(&mut self) {}

    fn finish(&mut self) {
        let _ = write_failures(&mut self.out, &self.steps);
        let _ = self.out.flush();
    }
}
