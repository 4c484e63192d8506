//! The machine: runs code and tasks on a stack of its own, so that recursion in the language costs memory and not the
//! native stack. Knows nothing of single operations; `step.rs` does.

use std::task::{Context, Poll, Waker};

use super::call::in_builtin;
use super::code::Label;
use super::frame::{CodeFrame, Flow, Frame, Site, Step, Update};
use super::symbol::Symbol;
use super::value::{State, Thunk, Value};
use super::vm::{Request, Task, Vm};
use crate::error::{Error, ErrorKind};

/// Evaluations that may wait for each other: some 100,000 calls inside of each other, of which libraries use hundreds.
const MAX_FRAMES: usize = 200_000;

/// Runs one root task.
pub(super) struct Machine {
    pub(super) vm: Vm,
    pub(super) frames: Vec<Frame>,
    pub(super) stack: Vec<Value>,
    pub(super) functor: Symbol,
}

impl Machine {
    pub(super) fn new(vm: Vm) -> Self {
        let functor = vm.symbol("__functor");
        Self {
            vm,
            frames: Vec::new(),
            stack: Vec::new(),
            functor,
        }
    }

    /// Runs a task and all that it asks for.
    pub(super) fn run(mut self, root: Task) -> Result<Value, Error> {
        self.frames.push(Frame::Native {
            task: root,
            name: None,
            site: Site::default(),
        });
        let mut result = None;
        while let Some(frame) = self.frames.pop() {
            result = self.resume(frame, result);
        }
        result.unwrap_or(Ok(Value::Null))
    }

    /// Gives a frame what it waited for, if it did, and runs it until it ends or waits again.
    fn resume(&mut self, frame: Frame, result: Option<Result<Value, Error>>) -> Option<Result<Value, Error>> {
        match frame {
            Frame::Code(frame) => match result {
                Some(Err(error)) => self.fail(frame, error),
                Some(Ok(value)) => {
                    self.stack.push(value);
                    self.run_code(frame)
                }
                None => self.run_code(frame),
            },
            Frame::Native { mut task, name, site } => {
                self.vm.respond(result);
                self.vm.enter_site(site.span);
                match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(value)) => Some(Ok(value)),
                    Poll::Ready(Err(error)) => Some(Err(match name {
                        Some(name) => in_builtin(error, name, site),
                        None => error,
                    })),
                    Poll::Pending => {
                        let request = self.vm.take_request();
                        self.frames.push(Frame::Native { task, name, site });
                        self.answer(request?, site)
                    }
                }
            }
            Frame::Apply { args, site } => match result {
                Some(Ok(function)) => self.flow(|machine| machine.apply(function, args, site, None)),
                other => other,
            },
            Frame::Update(update) => match result {
                Some(Ok(value)) => {
                    update.thunk.end(Ok(value.clone()));
                    Some(Ok(value))
                }
                Some(Err(error)) => Some(Err(self.broken(error, &update))),
                None => None,
            },
            Frame::Called { name, caller } => match result {
                Some(Err(error)) => Some(Err(error.note(self.calling(name), Some(caller)))),
                result => result,
            },
        }
    }

    /// Runs code until it ends or has to wait. What it waits for goes on top of it.
    fn run_code(&mut self, mut frame: CodeFrame) -> Option<Result<Value, Error>> {
        loop {
            match self.step(&mut frame) {
                Ok(Step::Next) => {}
                Ok(Step::Done(value)) => {
                    self.stack.truncate(frame.base);
                    if let Some(update) = &frame.update {
                        update.thunk.end(Ok(value.clone()));
                    }
                    return Some(Ok(value));
                }
                Ok(Step::Force(thunk)) => return self.wait(frame, |machine, _| machine.force(&thunk)),
                Ok(Step::Call(function, args)) => {
                    return self.wait(frame, |machine, site| machine.apply(function, args, site, None));
                }
                Ok(Step::Task(task)) => {
                    return self.wait(frame, |machine, site| {
                        machine.push(Frame::Native {
                            task,
                            name: None,
                            site,
                        })
                    });
                }
                Ok(Step::Tail(function, args)) => {
                    let site = frame.site();
                    self.stack.truncate(frame.base);
                    let update = frame.update.take();
                    let caller = frame.caller;
                    if let (Label::Function(name), Some(caller)) = (frame.code.label, caller.written())
                        && !matches!(self.frames.last(), Some(Frame::Called { .. }))
                    {
                        self.frames.push(Frame::Called { name, caller });
                    }
                    drop(frame);
                    return self.flow(|machine| {
                        let result = machine.apply(function, args, site, update);
                        result.map_err(|error| error.at(site.span.or(caller.span)))
                    });
                }
                Err(error) => return self.fail(frame, error),
            }
        }
    }

    fn wait(
        &mut self,
        frame: CodeFrame,
        run: impl FnOnce(&mut Self, Site) -> Result<Flow, Error>,
    ) -> Option<Result<Value, Error>> {
        let site = frame.site();
        self.frames.push(Frame::Code(frame));
        self.flow(|machine| run(machine, site))
    }

    fn fail(&mut self, frame: CodeFrame, error: Error) -> Option<Result<Value, Error>> {
        self.stack.truncate(frame.base);
        let error = self.annotate(error, &frame);
        Some(Err(match &frame.update {
            Some(update) => self.broken(error, update),
            None => error,
        }))
    }

    /// Breaks a promise and says which attribute it was.
    fn broken(&self, error: Error, update: &Update) -> Error {
        let error = match update.attribute {
            Some((name, span)) => {
                let name = self.vm.symbols().text(name);
                error.note(format!("while evaluating the attribute '{name}'"), Some(span))
            }
            None => error,
        };
        update.thunk.end(Err(error.clone()));
        error
    }

    fn annotate(&self, error: Error, frame: &CodeFrame) -> Error {
        let error = frame.site().place(error);
        match frame.code.label {
            Label::Plain | Label::Attribute(_) => error,
            Label::Function(_) if frame.caller.is_inside => error,
            Label::Function(name) => error.note(self.calling(name), frame.caller.span),
        }
    }

    fn calling(&self, name: Option<Symbol>) -> String {
        match name {
            Some(name) => format!("while calling '{}'", self.vm.symbols().text(name)),
            None => "while calling an anonymous function".to_owned(),
        }
    }

    fn answer(&mut self, request: Request, site: Site) -> Option<Result<Value, Error>> {
        self.flow(|machine| match request {
            Request::Force(thunk) => machine.force(&thunk),
            Request::Call(function, args) => machine.apply(function, args, site, None),
            Request::Run(task) => machine.push(Frame::Native {
                task,
                name: None,
                site,
            }),
        })
    }

    fn flow(&mut self, run: impl FnOnce(&mut Self) -> Result<Flow, Error>) -> Option<Result<Value, Error>> {
        match run(self) {
            Ok(Flow::Value(value)) => Some(Ok(value)),
            Ok(Flow::Wait) => None,
            Err(error) => Some(Err(error)),
        }
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<Flow, Error> {
        self.vm.step()?;
        if self.frames.len() >= MAX_FRAMES {
            let message = format!("stack overflow: more than {MAX_FRAMES} evaluations wait for each other");
            return Err(Error::new(ErrorKind::StackOverflow, message).help(
                "a function calls itself without an end, or a list is built up by very deep recursion",
            ));
        }
        self.frames.push(frame);
        Ok(Flow::Wait)
    }

    /// Evaluates a promise.
    pub(super) fn force(&mut self, thunk: &Thunk) -> Result<Flow, Error> {
        match thunk.begin() {
            State::Done(value) => Ok(Flow::Value(value)),
            State::Failed(error) => Err(error),
            State::Running => Err(
                Error::new(ErrorKind::InfiniteRecursion, "infinite recursion encountered")
                    .help("the value is needed to compute itself"),
            ),
            State::Code(ref code, ref env) => {
                let frame = CodeFrame {
                    code: code.clone(),
                    next: 0,
                    env: env.clone(),
                    update: Some(Update {
                        thunk: thunk.clone(),
                        attribute: match code.label {
                            Label::Attribute(name) => Some((name, code.span)),
                            _ => None,
                        },
                    }),
                    base: self.stack.len(),
                    caller: Site::default(),
                };
                self.push(Frame::Code(frame))
            }
            State::Apply(ref function, ref args) => {
                self.push(Frame::Update(Update::of(thunk)))?;
                self.apply(function.clone(), args.clone(), Site::default(), None)
            }
            State::Native(work) => {
                self.push(Frame::Update(Update::of(thunk)))?;
                let task = work(self.vm.clone());
                self.push(Frame::Native {
                    task,
                    name: None,
                    site: Site::default(),
                })
            }
        }
    }
}
