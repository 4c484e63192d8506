//! What a guest asked and the digests of what it was told. Knows nothing of results.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lapstrake_llb::{Definition, Digest, Edge, Report};
use serde::{Deserialize, Serialize};

use crate::gateway::{
    BuildFailure, ByteRange, FileError, FileInfo, Gateway, ImageInfo, ImageRequest, LogLevel, Reference,
    SolveError, Wrap,
};
use crate::request::{BuildResult, Request};

/// The calls that a guest made, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    /// A question, and the digest of its answer.
    Asked { question: Question, answer: Digest },
    /// Warnings are part of what a build shows, whether the guest ran or not.
    Warned(Report),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    ResolveImageConfigs(Vec<ImageRequest>),
    /// Its references are numbered after those before.
    Solve {
        definition: Definition,
        roots: Vec<Edge>,
    },
    Read {
        reference: u32,
        question: ReferenceQuestion,
    },
    BuildFile {
        frontend: Option<String>,
        request: Request,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum ReferenceQuestion {
    File { path: String, part: Option<ByteRange> },
    Text { path: String },
    Dir { path: String, pattern: Option<String> },
    Stat { path: String },
}

impl ReferenceQuestion {
    fn ask(&self, reference: &dyn Reference) -> Option<Digest> {
        match self {
            Self::File { path, part } => digest_file(&reference.read_file(path, *part)),
            Self::Text { path } => digest_text(&reference.read_text(path)),
            Self::Dir { path, pattern } => digest(&reference.read_dir(path, pattern.as_deref())),
            Self::Stat { path } => digest(&reference.stat(path)),
        }
    }
}

fn digest<T: Serialize>(answer: &T) -> Option<Digest> {
    Some(Digest::of(&postcard::to_allocvec(answer).ok()?))
}

fn digest_file(answer: &Result<Vec<u8>, FileError>) -> Option<Digest> {
    digest(&answer.as_ref().map(|data| Digest::of(data)))
}

fn digest_text(answer: &Result<String, FileError>) -> Option<Digest> {
    digest(&answer.as_ref().map(|text| Digest::of(text.as_bytes())))
}

/// Of a solve that succeeds only that it did: what the guest saw of it is in its reads.
fn digest_solve(answer: &Result<Vec<Arc<dyn Reference>>, SolveError>) -> Option<Digest> {
    digest(&answer.as_ref().map(Vec::len))
}

impl Trace {
    /// Number of questions.
    pub fn questions(&self) -> usize {
        self.steps
            .iter()
            .filter(|step| matches!(step, Step::Asked { .. }))
            .count()
    }

    /// Whether a graph that was asked for has credentials in it.
    pub(super) fn is_private(&self) -> bool {
        self.steps.iter().any(|step| {
            let Step::Asked { question, .. } = step else {
                return false;
            };
            matches!(question, Question::Solve { definition, .. } if super::private::definition(definition))
        })
    }

    /// Asks everything again, and says whether every answer is as it was. If so, the warnings are shown again.
    pub fn replay(&self, gateway: &dyn Gateway) -> bool {
        let mut references: Vec<Arc<dyn Reference>> = Vec::new();
        for step in &self.steps {
            let Step::Asked { question, answer } = step else {
                continue;
            };
            let now = match question {
                Question::ResolveImageConfigs(requests) => {
                    digest(&gateway.resolve_image_configs(requests.clone()))
                }
                Question::Solve { definition, roots } => {
                    let solved = gateway.solve(definition.clone(), roots.clone());
                    let now = digest_solve(&solved);
                    references.extend(solved.unwrap_or_default());
                    now
                }
                Question::BuildFile { frontend, request } => {
                    digest(&gateway.build_file(frontend.as_deref(), request.clone(), &|inner| inner))
                }
                Question::Read { reference, question } => references
                    .get(*reference as usize)
                    .and_then(|tree| question.ask(tree.as_ref())),
            };
            if now != Some(*answer) {
                return false;
            }
        }
        for step in &self.steps {
            if let Step::Warned(warnings) = step {
                gateway.warn(warnings.clone());
            }
        }
        true
    }
}

/// Hands everything on to another gateway, and writes down what was asked and told.
pub struct Recorder {
    inner: Arc<dyn Gateway>,
    tape: Arc<Tape>,
}

/// What is written on by the recorder and its references.
#[derive(Default)]
struct Tape(Mutex<Recording>);

#[derive(Default)]
struct Recording {
    steps: Vec<Step>,
    references: u32,
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer that has no digest is written down with one that no answer has, so that it never counts as known.
    fn write(&self, question: Question, answer: Option<Digest>) {
        let answer = answer.unwrap_or(Digest::from_bytes([0; 32]));
        self.lock().steps.push(Step::Asked { question, answer });
    }
}

impl Recorder {
    /// Starts with nothing written down.
    pub fn new(inner: Arc<dyn Gateway>) -> Self {
        Self {
            inner,
            tape: Arc::default(),
        }
    }

    /// What was asked and told so far.
    pub fn trace(&self) -> Trace {
        Trace {
            steps: self.tape.lock().steps.clone(),
        }
    }
}

impl Gateway for Recorder {
    fn resolve_image_configs(&self, requests: Vec<ImageRequest>) -> Vec<Result<ImageInfo, String>> {
        let question = Question::ResolveImageConfigs(requests.clone());
        let answer = self.inner.resolve_image_configs(requests);
        self.tape.write(question, digest(&answer));
        answer
    }

    fn solve(&self, definition: Definition, roots: Vec<Edge>) -> Result<Vec<Arc<dyn Reference>>, SolveError> {
        let question = Question::Solve {
            definition: definition.clone(),
            roots: roots.clone(),
        };
        let answer = self.inner.solve(definition, roots);
        self.tape.write(question, digest_solve(&answer));
        let references = answer?.into_iter().map(|inner| {
            let mut tape = self.tape.lock();
            let number = tape.references;
            tape.references += 1;
            Arc::new(RecordedReference {
                inner,
                number,
                tape: Arc::clone(&self.tape),
            }) as Arc<dyn Reference>
        });
        Ok(references.collect())
    }

    fn build_file(
        &self,
        frontend: Option<&str>,
        request: Request,
        wrap: Wrap<'_>,
    ) -> Result<BuildResult, BuildFailure> {
        let question = Question::BuildFile {
            frontend: frontend.map(str::to_owned),
            request: request.clone(),
        };
        let answer = self.inner.build_file(frontend, request, wrap);
        self.tape.write(question, digest(&answer));
        answer
    }

    fn progress(&self, name: &str, current: u64, total: Option<u64>) {
        self.inner.progress(name, current, total);
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.inner.log(level, message);
    }

    fn warn(&self, warnings: Report) {
        self.tape.lock().steps.push(Step::Warned(warnings.clone()));
        self.inner.warn(warnings);
    }
}

struct RecordedReference {
    inner: Arc<dyn Reference>,
    number: u32,
    tape: Arc<Tape>,
}

impl RecordedReference {
    fn write(&self, question: ReferenceQuestion, answer: Option<Digest>) {
        self.tape.write(
            Question::Read {
                reference: self.number,
                question,
            },
            answer,
        );
    }
}

impl Reference for RecordedReference {
    fn read_file(&self, path: &str, part: Option<ByteRange>) -> Result<Vec<u8>, FileError> {
        let answer = self.inner.read_file(path, part);
        self.write(
            ReferenceQuestion::File {
                path: path.to_owned(),
                part,
            },
            digest_file(&answer),
        );
        answer
    }

    fn read_text(&self, path: &str) -> Result<String, FileError> {
        let answer = self.inner.read_text(path);
        self.write(
            ReferenceQuestion::Text {
                path: path.to_owned(),
            },
            digest_text(&answer),
        );
        answer
    }

    fn read_dir(&self, path: &str, pattern: Option<&str>) -> Result<Vec<FileInfo>, FileError> {
        let answer = self.inner.read_dir(path, pattern);
        let question = ReferenceQuestion::Dir {
            path: path.to_owned(),
            pattern: pattern.map(str::to_owned),
        };
        self.write(question, digest(&answer));
        answer
    }

    fn stat(&self, path: &str) -> Result<FileInfo, FileError> {
        let answer = self.inner.stat(path);
        self.write(
            ReferenceQuestion::Stat {
                path: path.to_owned(),
            },
            digest(&answer),
        );
        answer
    }
}
