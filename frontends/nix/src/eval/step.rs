//! Single operations of the machine. What needs another evaluation says so instead of doing it.
//! Knows nothing of frames.

use std::rc::Rc;

use super::attrs::{Attr, Attrs};
use super::code::{Code, Op};
use super::env::{Scope, outward};
use super::frame::{CodeFrame, Step};
use super::machine::Machine;
use super::symbol::Symbol;
use super::value::{Lambda, State, Value};
use super::{formals, operators};
use crate::error::{Error, ErrorKind};
use crate::suggest;

impl Machine {
    /// Carries out the next operation of some code.
    pub(super) fn step(&mut self, frame: &mut CodeFrame) -> Result<Step, Error> {
        let Some(op) = frame.code.ops.get(frame.next).copied() else {
            return Ok(Step::Done(self.pop()));
        };
        frame.next += 1;
        match op {
            Op::Const(index) => self.stack.push(constant(&frame.code, index)),
            Op::Local { depth, slot } => {
                let scope = outward(&frame.env, depth as usize);
                let value = scope.map_or(Value::Null, |scope| scope.get(slot as usize));
                self.stack.push(value);
            }
            Op::Thunk(index) => {
                let code = frame.code.codes[index as usize].clone();
                self.stack
                    .push(Value::thunk(State::Code(code, frame.env.clone())));
            }
            Op::Closure(index) => {
                let lambda = Lambda {
                    function: frame.code.functions[index as usize].clone(),
                    env: frame.env.clone(),
                };
                self.stack.push(Value::Lambda(Rc::new(lambda)));
            }
            Op::Force => {
                if let Some(Value::Thunk(thunk)) = self.stack.last() {
                    match thunk.kept() {
                        Some(value) => self.replace(value),
                        None => {
                            let thunk = thunk.clone();
                            self.stack.pop();
                            return Ok(Step::Force(thunk));
                        }
                    }
                }
            }
            Op::Call(count) => {
                let args = self.take(count);
                return Ok(Step::Call(self.pop(), args));
            }
            Op::TailCall(count) => {
                let args = self.take(count);
                return Ok(Step::Tail(self.pop(), args));
            }
            Op::Return => return Ok(Step::Done(self.pop())),
            Op::Enter(count) => frame.env = Some(Scope::new(count as usize, frame.env.take())),
            Op::SetSlot(slot) => {
                let value = self.pop();
                if let Some(scope) = &frame.env {
                    scope.set(slot as usize, value);
                }
            }
            Op::Leave => frame.env = frame.env.take().and_then(|scope| scope.parent().clone()),
            Op::Jump(target) => frame.next = target as usize,
            Op::JumpIfFalse(target) => {
                if !self.pop().to_bool()? {
                    frame.next = target as usize;
                }
            }
            Op::JumpIfTrue(target) => {
                if self.pop().to_bool()? {
                    frame.next = target as usize;
                }
            }
            Op::CheckBool => {
                if let Some(value) = self.stack.last() {
                    value.to_bool()?;
                }
            }
            Op::Pop => {
                self.pop();
            }
            other => return self.step_more(other, frame),
        }
        Ok(Step::Next)
    }

    /// The operations that are not of every expression.
    fn step_more(&mut self, op: Op, frame: &mut CodeFrame) -> Result<Step, Error> {
        match op {
            Op::Binary(operator) => {
                let (right, left) = (self.pop(), self.pop());
                return match operators::binary(&self.vm, operator, left, right)? {
                    operators::Outcome::Value(value) => {
                        self.stack.push(value);
                        Ok(Step::Next)
                    }
                    operators::Outcome::Task(task) => Ok(Step::Task(task)),
                };
            }
            Op::Interpolate(count) | Op::InterpolatePath(count) => {
                let parts = self.take(count);
                let outcome = match op {
                    Op::Interpolate(_) => operators::interpolate(&self.vm, parts)?,
                    _ => operators::interpolate_path(&self.vm, parts),
                };
                return match outcome {
                    operators::Outcome::Value(value) => {
                        self.stack.push(value);
                        Ok(Step::Next)
                    }
                    operators::Outcome::Task(task) => Ok(Step::Task(task)),
                };
            }
            Op::Not => {
                let value = self.pop().to_bool()?;
                self.stack.push(Value::Bool(!value));
            }
            Op::Negate => {
                let value = operators::negate(&self.pop())?;
                self.stack.push(value);
            }
            Op::MakeList(count) => {
                let items = self.take(count);
                self.stack.push(Value::list(items));
            }
            Op::MakeAttrs(_) | Op::AddDynamic(_) => self.step_set(op, frame)?,
            Op::BindFormals => {
                let attrs = self.pop().to_attrs()?;
                if let Some(list) = &frame.code.formals {
                    formals::bind(&self.vm, list, &attrs, &frame.env)?;
                }
            }
            Op::Assert(index) => {
                if !self.pop().to_bool()? {
                    let text = constant(&frame.code, index).to_nix_string()?;
                    let message = format!("assertion '{}' failed", text.text());
                    return Err(Error::new(ErrorKind::Assertion, message));
                }
            }
            Op::Refuse(index) => {
                let text = constant(&frame.code, index).to_nix_string()?;
                return Err(Error::new(ErrorKind::NotAvailable, text.text()));
            }
            other => self.step_select(other, frame)?,
        }
        Ok(Step::Next)
    }

    fn step_set(&mut self, op: Op, frame: &CodeFrame) -> Result<(), Error> {
        match op {
            Op::MakeAttrs(index) => {
                let shape = &frame.code.shapes[index as usize];
                let values = self.take(shape.len() as u32);
                let attr = |(&(name, span), value)| Attr {
                    name,
                    value,
                    span: Some(span),
                };
                let attrs = Attrs::new(shape.iter().zip(values).map(attr).collect());
                self.stack.push(Value::attrs(attrs));
            }
            Op::AddDynamic(count) => {
                let pairs = self.take(count * 2);
                let set = self.pop().to_attrs()?;
                let span = frame.code.spans.get(frame.next - 1).copied();
                let mut entries: Vec<Attr> = set.iter().cloned().collect();
                let mut pairs = pairs.into_iter();
                while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
                    if matches!(key, Value::Null) {
                        continue;
                    }
                    let text = key.to_plain_string()?;
                    let name = self.vm.symbol(&text);
                    if entries.iter().any(|attr| attr.name == name) {
                        let message = format!("dynamic attribute '{text}' already defined");
                        return Err(Error::new(ErrorKind::Value, message));
                    }
                    entries.push(Attr { name, value, span });
                }
                self.stack.push(Value::attrs(Attrs::new(entries)));
            }
            _ => {}
        }
        Ok(())
    }

    fn step_select(&mut self, op: Op, frame: &mut CodeFrame) -> Result<(), Error> {
        match op {
            Op::Select(name) => {
                let attrs = self.pop().to_attrs()?;
                match attrs.get(name) {
                    Some(attr) => self.stack.push(attr.value.clone()),
                    None => return Err(self.missing(&attrs, name)),
                }
            }
            Op::SelectOr { name, target } => {
                let value = self.pop();
                self.select_or(&value, name, target, frame);
            }
            Op::SelectDynamic => {
                let (key, set) = (self.pop(), self.pop());
                let name = self.vm.symbol(&key.to_plain_string()?);
                let attrs = set.to_attrs()?;
                match attrs.get(name) {
                    Some(attr) => self.stack.push(attr.value.clone()),
                    None => return Err(self.missing(&attrs, name)),
                }
            }
            Op::SelectDynamicOr(target) => {
                let (key, set) = (self.pop(), self.pop());
                let name = self.vm.symbol(&key.to_plain_string()?);
                self.select_or(&set, name, target, frame);
            }
            Op::WithSelect { name, target } => {
                let attrs = self.pop().to_attrs()?;
                if let Some(attr) = attrs.get(name) {
                    self.stack.push(attr.value.clone());
                    frame.next = target as usize;
                }
            }
            Op::Undefined(name) => {
                let text = self.vm.symbols().text(name);
                let message = format!("undefined variable '{text}'");
                return Err(Error::new(ErrorKind::UndefinedVariable, message)
                    .help("no `with` around it has an attribute of this name"));
            }
            _ => {}
        }
        Ok(())
    }

    fn select_or(&mut self, value: &Value, name: Symbol, target: u32, frame: &mut CodeFrame) {
        let found = match value {
            Value::Attrs(attrs) => attrs.get(name).map(|attr| attr.value.clone()),
            _ => None,
        };
        match found {
            Some(value) => self.stack.push(value),
            None => frame.next = target as usize,
        }
    }

    fn missing(&self, attrs: &Attrs, name: Symbol) -> Error {
        let text = self.vm.symbols().text(name);
        let error = Error::new(ErrorKind::MissingAttribute, format!("attribute '{text}' missing"));
        let names: Vec<_> = attrs.sorted(self.vm.symbols());
        suggest::help(error, &text, names.iter().map(|(name, _)| &**name))
    }

    fn pop(&mut self) -> Value {
        // The compiler leaves as many values as it takes; an empty stack would be a mistake of it.
        self.stack.pop().unwrap_or(Value::Null)
    }

    fn replace(&mut self, value: Value) {
        if let Some(top) = self.stack.last_mut() {
            *top = value;
        }
    }

    fn take(&mut self, count: u32) -> Vec<Value> {
        let from = self.stack.len().saturating_sub(count as usize);
        self.stack.split_off(from)
    }
}

fn constant(code: &Code, index: u32) -> Value {
    code.consts.get(index as usize).cloned().unwrap_or(Value::Null)
}
