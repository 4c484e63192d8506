//! Questions to frontends, off the thread that reads messages: one lane for checks, which may take long, and one for what a
//! person waits for. Knows nothing of messages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use lapstrake_frontend::{Completion, Hover};
use lapstrake_llb::Position;
use lapstrake_solver::CancelToken;

use crate::engine::editor::{Checked, Editor, Page, Standing, Structure};
use crate::error::{Error, Kind, chain};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub enum Question {
    /// What is wrong.
    Check,
    /// What it has.
    Structure,
    /// What could stand at a position.
    Completions(Position),
    /// What is known of a position.
    Hover(Position),
}

/// A question about a page; `ticket` comes back with the answer.
pub struct Job<T> {
    /// Whose.
    pub ticket: T,
    /// The build file.
    pub page: Page,
    /// Whether the editor says that it is a build file, whatever it is called.
    pub meant: bool,
    /// The question.
    pub question: Question,
    /// Ends it.
    pub cancel: CancelToken,
}

/// What came of a question.
pub enum Answer {
    /// What is wrong.
    Checked(Checked),
    /// What it has.
    Structure(Structure),
    /// What could stand there.
    Completions(Vec<Completion>),
    /// What is known of it.
    Hover(Option<Hover>),
    /// It is no build file.
    NotOurs,
}

/// Why there is no answer.
pub enum Failure {
    /// Nobody wants it any more.
    Cancelled,
    /// The frontend cannot be used, or failed.
    Failed(Box<Error>),
    /// A bug of this program.
    Panicked,
}

/// A question that was answered.
pub struct Done<T> {
    /// Whose.
    pub ticket: T,
    /// The answer.
    pub answer: Result<Answer, Failure>,
}

/// A thread that answers questions in order, until no more can come.
pub struct Lane<T> {
    jobs: Option<Sender<Job<T>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Lane<T> {
    /// Starts it.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(name: &str, editor: Arc<Editor>, done: Sender<Done<T>>) -> std::io::Result<Self> {
        let (jobs, receiver) = unbounded();
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&editor, &receiver, &done))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Asks.
    pub fn ask(&self, job: Job<T>) {
        if let Some(jobs) = &self.jobs {
            // The thread ends after this sender only.
            let _ = jobs.send(job);
        }
    }
}

impl<T> Drop for Lane<T> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work<T>(editor: &Editor, jobs: &Receiver<Job<T>>, done: &Sender<Done<T>>) {
    for job in jobs {
        let answer = match job.cancel.is_cancelled() {
            true => Err(Failure::Cancelled),
            false => {
                catch_unwind(AssertUnwindSafe(|| answer(editor, &job))).unwrap_or(Err(Failure::Panicked))
            }
        };
        let ticket = job.ticket;
        if done.send(Done { ticket, answer }).is_err() {
            return;
        }
    }
}

fn answer<T>(editor: &Editor, job: &Job<T>) -> Result<Answer, Failure> {
    let (page, cancel) = (&job.page, &job.cancel);
    let standing = match job.meant {
        true => Standing::BuildFile,
        false => editor.standing(page),
    };
    let answer = match job.question {
        _ if standing == Standing::Other => return Ok(Answer::NotOurs),
        Question::Check if standing == Standing::InLanguage => return Ok(Answer::NotOurs),
        Question::Check => editor.check(page, cancel).map(Answer::Checked),
        Question::Structure => editor.structure(page, cancel).map(Answer::Structure),
        Question::Completions(at) => editor.completions(page, at, cancel).map(Answer::Completions),
        Question::Hover(at) => editor.hover(page, at, cancel).map(Answer::Hover),
    };
    answer.map_err(|error| match error.kind() {
        Kind::Interrupted => Failure::Cancelled,
        _ => Failure::Failed(Box::new(error)),
    })
}

impl Failure {
    /// What people read; none: nothing went wrong.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Cancelled => None,
            Self::Failed(error) => Some(chain(error.as_ref())),
            Self::Panicked => Some("internal error: this is a bug of lapstrake".to_owned()),
        }
    }
}
