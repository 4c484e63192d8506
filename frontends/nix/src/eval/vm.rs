//! What builtins see of an evaluation: its tables, its files, and the requests that a task makes while it runs.
//! Knows nothing of how the machine answers these.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::attrs::Attrs;
use super::io::Io;
use super::machine::Machine;
use super::string::NixString;
use super::symbol::{Symbol, Symbols};
use super::value::{List, Thunk, Value};
use crate::error::{Error, ErrorKind};
use crate::sources::Sources;
use crate::span::Span;

/// Work that may ask for evaluations.
pub type Task = Pin<Box<dyn Future<Output = Result<Value, Error>>>>;

/// What a task asks the machine for.
pub(crate) enum Request {
    /// The value of a promise.
    Force(Thunk),
    /// The value of a function applied to arguments.
    Call(Value, Vec<Value>),
    /// The value of other work, which does not run inside of the one that asks.
    Run(Task),
}

/// One evaluation: symbols, source files, caches, and the outside. Copies are the same evaluation.
#[derive(Clone)]
pub struct Vm(Rc<Session>);

struct Session {
    symbols: Symbols,
    sources: Sources,
    io: Box<dyn Io>,
    system: String,
    globals: RefCell<BTreeMap<Symbol, Value>>,
    extensions: RefCell<BTreeMap<TypeId, Rc<dyn Any>>>,
    request: Cell<Option<Request>>,
    response: Cell<Option<Result<Value, Error>>>,
    steps: Cell<u64>,
    site: Cell<Option<Span>>,
}

impl Vm {
    /// Makes an evaluation for a system such as `x86_64-linux`. Its only globals are those of `set_global`.
    pub fn new(io: Box<dyn Io>, system: impl Into<String>) -> Self {
        Self(Rc::new(Session {
            symbols: Symbols::default(),
            sources: Sources::default(),
            io,
            system: system.into(),
            globals: RefCell::default(),
            extensions: RefCell::default(),
            request: Cell::new(None),
            response: Cell::new(None),
            steps: Cell::new(u64::MAX),
            site: Cell::new(None),
        }))
    }

    /// Says after how many operations the evaluation is given up. Without that it ends when it ends: a component has fuel.
    pub fn limit_steps(&self, steps: u64) {
        self.0.steps.set(steps);
    }

    /// Notes an operation.
    pub(crate) fn step(&self) -> Result<(), Error> {
        match self.0.steps.get().checked_sub(1) {
            Some(rest) => {
                self.0.steps.set(rest);
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::StackOverflow,
                "the evaluation takes too many steps",
            )),
        }
    }

    /// Where the builtin under way was called, if it was by a build file or for one.
    pub fn site(&self) -> Option<Span> {
        self.0.site.get()
    }

    pub(crate) fn enter_site(&self, site: Option<Span>) {
        self.0.site.set(site);
    }

    /// The names.
    pub fn symbols(&self) -> &Symbols {
        &self.0.symbols
    }

    /// The files read so far.
    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }

    /// The outside.
    pub fn io(&self) -> &dyn Io {
        &*self.0.io
    }

    /// What `builtins.currentSystem` is.
    pub fn system(&self) -> &str {
        &self.0.system
    }

    /// Returns the symbol of a name.
    pub fn symbol(&self, name: &str) -> Symbol {
        self.0.symbols.intern(name)
    }

    /// Makes a variable that every expression compiled from now on sees.
    pub fn set_global(&self, name: &str, value: Value) {
        let symbol = self.symbol(name);
        self.0.globals.borrow_mut().insert(symbol, value);
    }

    /// Returns a global variable.
    pub fn global(&self, name: Symbol) -> Option<Value> {
        self.0.globals.borrow().get(&name).cloned()
    }

    /// The names of the global variables.
    pub fn global_names(&self) -> Vec<Rc<str>> {
        let globals = self.0.globals.borrow();
        globals.keys().map(|name| self.0.symbols.text(*name)).collect()
    }

    /// Returns the part of the evaluation's state that belongs to `T`, making it when it is first asked for.
    pub fn extension<T: Default + 'static>(&self) -> Rc<T> {
        let mut extensions = self.0.extensions.borrow_mut();
        let entry = extensions.entry(TypeId::of::<T>());
        let any = entry
            .or_insert_with(|| Rc::new(T::default()) as Rc<dyn Any>)
            .clone();
        // The key says the type, so this is always what was put in.
        any.downcast::<T>().unwrap_or_default()
    }

    /// Runs work to its end. MUST NOT be called by a builtin.
    pub fn block_on<T: 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + 'static,
    ) -> Result<T, Error> {
        let slot = Rc::new(RefCell::new(None));
        let out = slot.clone();
        let task: Task = Box::pin(async move {
            *out.borrow_mut() = Some(work.await?);
            Ok(Value::Null)
        });
        Machine::new(self.clone()).run(task)?;
        let value = slot.borrow_mut().take();
        value.ok_or_else(|| Error::new(ErrorKind::StackOverflow, "the evaluation ended without a value"))
    }

    /// Evaluates a promise; everything else is itself.
    pub async fn force(&self, value: &Value) -> Result<Value, Error> {
        match value {
            Value::Thunk(thunk) => match thunk.kept() {
                Some(value) => Ok(value),
                None => self.ask(Request::Force(thunk.clone())).await,
            },
            value => Ok(value.clone()),
        }
    }

    /// Calls a function.
    pub async fn call(&self, function: &Value, args: Vec<Value>) -> Result<Value, Error> {
        self.ask(Request::Call(function.clone(), args)).await
    }

    /// Runs other work outside of this one: recursion by this way does not nest on the native stack.
    pub async fn run(&self, work: Task) -> Result<Value, Error> {
        self.ask(Request::Run(work)).await
    }

    /// Evaluates to a set.
    pub async fn attrs(&self, value: &Value) -> Result<Rc<Attrs>, Error> {
        self.force(value).await?.to_attrs()
    }

    /// Evaluates to a list.
    pub async fn list(&self, value: &Value) -> Result<Rc<List>, Error> {
        self.force(value).await?.to_list()
    }

    /// Evaluates to a string. Nothing else becomes one; see `coerce`.
    pub async fn string(&self, value: &Value) -> Result<Rc<NixString>, Error> {
        self.force(value).await?.to_nix_string()
    }

    /// Evaluates to a string that refers to nothing, such as a name.
    pub async fn plain_string(&self, value: &Value) -> Result<String, Error> {
        self.force(value).await?.to_plain_string()
    }

    /// Evaluates to a Boolean.
    pub async fn bool(&self, value: &Value) -> Result<bool, Error> {
        self.force(value).await?.to_bool()
    }

    /// Evaluates to an integer.
    pub async fn int(&self, value: &Value) -> Result<i64, Error> {
        self.force(value).await?.to_int()
    }

    /// Returns an attribute as it is.
    pub fn get(&self, attrs: &Attrs, name: &str) -> Option<Value> {
        let symbol = self.0.symbols.find(name)?;
        attrs.get(symbol).map(|attr| attr.value.clone())
    }

    /// Returns an attribute as it is, or an error that names the builtin that needs it.
    pub fn need(&self, attrs: &Attrs, name: &str, who: &str) -> Result<Value, Error> {
        self.get(attrs, name).ok_or_else(|| {
            Error::new(
                ErrorKind::MissingAttribute,
                format!("attribute '{name}' missing in the argument of '{who}'"),
            )
        })
    }

    fn ask(&self, request: Request) -> Ask {
        Ask {
            vm: self.clone(),
            request: Some(request),
        }
    }

    pub(crate) fn take_request(&self) -> Option<Request> {
        self.0.request.take()
    }

    pub(crate) fn respond(&self, response: Option<Result<Value, Error>>) {
        self.0.response.set(response);
    }
}

/// A request under way. The machine polls a task again only when its request is answered.
struct Ask {
    vm: Vm,
    request: Option<Request>,
}

impl Future for Ask {
    type Output = Result<Value, Error>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(request) = self.request.take() {
            self.vm.0.request.set(Some(request));
            return Poll::Pending;
        }
        match self.vm.0.response.take() {
            Some(response) => Poll::Ready(response),
            None => Poll::Pending,
        }
    }
}
