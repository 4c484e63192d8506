//! The machine: runs code and tasks on a stack of its own, so that recursion in the language costs memory and not the
//! native stack. Knows nothing of single operations; `step.rs` does.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::code::{Label, Param};
use super::env::Scope;
use super::frame::{CodeFrame, Flow, Frame, Step, Update};
use super::registry::Run;
use super::symbol::Symbol;
use super::value::{Lambda, Partial, State, Thunk, Value};
use super::vm::{Request, Task, Vm};
use crate::error::{Error, ErrorKind};
use crate::span::Span;

/// Evaluations that may wait for each other: some 100,000 calls inside of each other, of which libraries use hundreds.
const MAX_FRAMES: usize = 200_000;

/// Runs one root task.
pub(super) struct Machine {
    pub(super) vm: Vm,
    frames: Vec<Frame>,
    pub(super) stack: Vec<Value>,
    functor: Symbol,
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
            span: None,
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
            Frame::Native { mut task, name, span } => {
                self.vm.respond(result);
                match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(Ok(value)) => Some(Ok(value)),
                    Poll::Ready(Err(error)) => Some(Err(match name {
                        Some(name) => error
                            .at(span)
                            .note(format!("while calling the '{name}' builtin"), span),
                        None => error,
                    })),
                    Poll::Pending => {
                        let request = self.vm.take_request();
                        self.frames.push(Frame::Native { task, name, span });
                        self.answer(request?, span)
                    }
                }
            }
            Frame::Apply { args, span } => match result {
                Some(Ok(function)) => self.flow(|machine| machine.apply(function, args, span, None)),
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
                    return self.wait(frame, |machine, span| machine.apply(function, args, span, None));
                }
                Ok(Step::Task(task)) => {
                    return self.wait(frame, |machine, span| {
                        machine.push(Frame::Native {
                            task,
                            name: None,
                            span,
                        })
                    });
                }
                Ok(Step::Tail(function, args)) => {
                    let span = frame.span();
                    self.stack.truncate(frame.base);
                    let update = frame.update.take();
                    let caller = frame.caller;
                    if let (Label::Function(name), Some(caller)) = (frame.code.label, caller)
                        && !matches!(self.frames.last(), Some(Frame::Called { .. }))
                    {
                        self.frames.push(Frame::Called { name, caller });
                    }
                    drop(frame);
                    return self.flow(|machine| {
                        let result = machine.apply(function, args, span, update);
                        result.map_err(|error| error.at(span.or(caller)))
                    });
                }
                Err(error) => return self.fail(frame, error),
            }
        }
    }

    fn wait(
        &mut self,
        frame: CodeFrame,
        run: impl FnOnce(&mut Self, Option<Span>) -> Result<Flow, Error>,
    ) -> Option<Result<Value, Error>> {
        let span = frame.span();
        self.frames.push(Frame::Code(frame));
        self.flow(|machine| run(machine, span))
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
        let error = error.at(frame.span());
        match frame.code.label {
            Label::Plain | Label::Attribute(_) => error,
            Label::Function(name) => error.note(self.calling(name), frame.caller),
        }
    }

    fn calling(&self, name: Option<Symbol>) -> String {
        match name {
            Some(name) => format!("while calling '{}'", self.vm.symbols().text(name)),
            None => "while calling an anonymous function".to_owned(),
        }
    }

    fn answer(&mut self, request: Request, span: Option<Span>) -> Option<Result<Value, Error>> {
        self.flow(|machine| match request {
            Request::Force(thunk) => machine.force(&thunk),
            Request::Call(function, args) => machine.apply(function, args, span, None),
            Request::Run(task) => machine.push(Frame::Native {
                task,
                name: None,
                span: None,
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

    fn push(&mut self, frame: Frame) -> Result<Flow, Error> {
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
    fn force(&mut self, thunk: &Thunk) -> Result<Flow, Error> {
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
                    caller: None,
                };
                self.push(Frame::Code(frame))
            }
            State::Apply(ref function, ref args) => {
                self.push(Frame::Update(Update::of(thunk)))?;
                self.apply(function.clone(), args.clone(), None, None)
            }
            State::Native(work) => {
                self.push(Frame::Update(Update::of(thunk)))?;
                let task = work(self.vm.clone());
                self.push(Frame::Native {
                    task,
                    name: None,
                    span: None,
                })
            }
        }
    }

    /// Calls a function with one argument or more. `update` is the promise that its value keeps.
    fn apply(
        &mut self,
        function: Value,
        mut args: Vec<Value>,
        span: Option<Span>,
        update: Option<Update>,
    ) -> Result<Flow, Error> {
        let mut update = update;
        if let Some(update) = update.take_if(|_| !matches!(&function, Value::Lambda(_) if args.len() == 1)) {
            self.push(Frame::Update(update))?;
        }
        if args.is_empty() {
            return match &function {
                Value::Thunk(thunk) => self.force(thunk),
                _ => Ok(Flow::Value(function)),
            };
        }
        match function {
            Value::Lambda(lambda) => {
                let rest = args.split_off(1);
                if !rest.is_empty() {
                    self.push(Frame::Apply { args: rest, span })?;
                }
                self.enter(&lambda, args.pop().unwrap_or(Value::Null), span, update)
            }
            Value::Builtin(partial) => self.apply_builtin(&partial, args, span),
            Value::Thunk(thunk) => {
                self.push(Frame::Apply { args, span })?;
                self.force(&thunk)
            }
            Value::Attrs(ref attrs) => match attrs.get(self.functor) {
                Some(functor) => {
                    args.insert(0, function.clone());
                    self.apply(functor.value.clone(), args, span, None)
                }
                None => Err(not_callable(&function)),
            },
            other => Err(not_callable(&other)),
        }
    }

    /// Begins a function's body. With `update`, its value keeps that promise.
    fn enter(
        &mut self,
        lambda: &Lambda,
        arg: Value,
        span: Option<Span>,
        update: Option<Update>,
    ) -> Result<Flow, Error> {
        let function = &lambda.function;
        let scope = match &function.param {
            Param::Any => Scope::of(arg, lambda.env.clone()),
            Param::Set(formals) => {
                let scope = Scope::new(formals.list.len() + 1, lambda.env.clone());
                scope.set(0, arg);
                scope
            }
        };
        let base = self.stack.len();
        self.push(Frame::Code(CodeFrame {
            code: function.body.clone(),
            next: 0,
            env: Some(scope),
            update,
            base,
            caller: span,
        }))
    }

    fn apply_builtin(
        &mut self,
        partial: &Partial,
        args: Vec<Value>,
        span: Option<Span>,
    ) -> Result<Flow, Error> {
        let builtin = partial.builtin;
        let mut all = partial.args.clone();
        all.extend(args);
        if all.len() < builtin.arity {
            return Ok(Flow::Value(Value::Builtin(Rc::new(Partial {
                builtin,
                args: all,
            }))));
        }
        let rest = all.split_off(builtin.arity);
        let name = Some(builtin.name);
        if !rest.is_empty() {
            self.push(Frame::Apply { args: rest, span })?;
            return self.push_builtin(builtin, all, span);
        }
        match builtin.run {
            Run::Strict(run) if !all.iter().any(Value::is_pending) => {
                let all: Vec<Value> = all.iter().map(Value::peek).collect();
                let result = run(&self.vm, &all).map(Flow::Value);
                result.map_err(|error| {
                    let message = format!("while calling the '{}' builtin", builtin.name);
                    error.at(span).note(message, span)
                })
            }
            Run::Task(run) => {
                let task = run(self.vm.clone(), all);
                self.push(Frame::Native { task, name, span })
            }
            Run::Strict(_) => self.push_builtin(builtin, all, span),
        }
    }

    fn push_builtin(
        &mut self,
        builtin: &'static super::registry::Builtin,
        args: Vec<Value>,
        span: Option<Span>,
    ) -> Result<Flow, Error> {
        let vm = self.vm.clone();
        let task: Task = match builtin.run {
            Run::Task(run) => run(vm, args),
            Run::Strict(run) => Box::pin(async move {
                let mut evaluated = Vec::with_capacity(args.len());
                for arg in &args {
                    evaluated.push(vm.force(arg).await?);
                }
                run(&vm, &evaluated)
            }),
        };
        let name = Some(builtin.name);
        self.push(Frame::Native { task, name, span })
    }
}

fn not_callable(value: &Value) -> Error {
    let what = value.type_phrase();
    Error::new(
        ErrorKind::Type,
        format!("attempt to call something which is not a function but {what}"),
    )
}
