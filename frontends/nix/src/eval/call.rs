//! Calls: of functions and builtins, with one argument or several. Knows nothing of operations.

use std::rc::Rc;

use super::code::Param;
use super::env::Scope;
use super::frame::{CodeFrame, Flow, Frame, Site, Update};
use super::machine::Machine;
use super::registry::{Builtin, Run};
use super::value::{Lambda, Partial, Value};
use super::vm::Task;
use crate::error::{Error, ErrorKind};
use crate::sources;

impl Machine {
    /// Calls a function with one argument or more. `update` is the promise that its value keeps.
    pub(super) fn apply(
        &mut self,
        function: Value,
        mut args: Vec<Value>,
        site: Site,
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
                    self.push(Frame::Apply { args: rest, site })?;
                }
                self.enter(&lambda, args.pop().unwrap_or(Value::Null), site, update)
            }
            Value::Builtin(partial) => self.apply_builtin(&partial, args, site),
            Value::Thunk(thunk) => {
                self.push(Frame::Apply { args, site })?;
                self.force(&thunk)
            }
            Value::Attrs(ref attrs) => match attrs.get(self.functor) {
                Some(functor) => {
                    args.insert(0, function.clone());
                    self.apply(functor.value.clone(), args, site, None)
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
        site: Site,
        update: Option<Update>,
    ) -> Result<Flow, Error> {
        let function = &lambda.function;
        let origin = site.span.filter(|_| sources::is_own(function.span));
        let scope = match &function.param {
            Param::Any => Scope::of(arg, lambda.env.clone(), origin),
            Param::Set(formals) => {
                let scope = Scope::called(formals.list.len() + 1, lambda.env.clone(), origin);
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
            caller: site,
        }))
    }

    fn apply_builtin(&mut self, partial: &Partial, args: Vec<Value>, site: Site) -> Result<Flow, Error> {
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
            self.push(Frame::Apply { args: rest, site })?;
            return self.push_builtin(builtin, all, site);
        }
        match builtin.run {
            Run::Strict(run) if !all.iter().any(Value::is_pending) => {
                let all: Vec<Value> = all.iter().map(Value::peek).collect();
                self.vm.enter_site(site.span);
                let result = run(&self.vm, &all).map(Flow::Value);
                result.map_err(|error| in_builtin(error, builtin.name, site))
            }
            Run::Task(run) => {
                let task = run(self.vm.clone(), all);
                self.push(Frame::Native { task, name, site })
            }
            Run::Strict(_) => self.push_builtin(builtin, all, site),
        }
    }

    fn push_builtin(
        &mut self,
        builtin: &'static Builtin,
        args: Vec<Value>,
        site: Site,
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
        self.push(Frame::Native { task, name, site })
    }
}

/// Says where and in which builtin an error arose. What came with the frontend calls builtins that nobody wrote down.
pub(super) fn in_builtin(error: Error, name: &str, site: Site) -> Error {
    let error = site.place(error);
    match site.is_inside {
        true => error,
        false => error.note(format!("while calling the '{name}' builtin"), site.span),
    }
}

fn not_callable(value: &Value) -> Error {
    let what = value.type_phrase();
    Error::new(
        ErrorKind::Type,
        format!("attempt to call something which is not a function but {what}"),
    )
}
