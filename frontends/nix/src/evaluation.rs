//! One evaluation from source text to value. Knows nothing of requests and graphs.

use std::rc::Rc;

use crate::builtins;
use crate::compile;
use crate::error::Error;
use crate::eval::code::Code;
use crate::eval::{Attr, Attrs, Io, Value, Vm};
use crate::primitives;

/// An evaluation with all builtins.
pub struct Evaluation {
    /// Its tables.
    pub vm: Vm,
}

impl Evaluation {
    /// Makes one for a system such as `x86_64-linux`.
    pub fn new(io: Box<dyn Io>, system: &str) -> Result<Self, Error> {
        let vm = Vm::new(io, system);
        primitives::install(&vm);
        builtins::install(&vm);
        let this = Self { vm };
        this.install_prelude()?;
        Ok(this)
    }

    /// Evaluates a text, as if it was a file in the directory `base` of the build context. The value may hold promises.
    pub fn text(&self, name: &str, base: &str, text: &str) -> Result<Value, Error> {
        let value = promise(&self.vm, name, None, base, text)?;
        let vm = self.vm.clone();
        self.vm.block_on(async move { vm.force(&value).await })
    }

    /// Evaluates everything inside of a value.
    pub fn deep(&self, value: &Value) -> Result<Value, Error> {
        let (vm, value) = (self.vm.clone(), value.clone());
        self.vm.block_on(async move {
            builtins::control::deep_force(&vm, &value).await?;
            Ok(value)
        })
    }

    fn install_prelude(&self) -> Result<(), Error> {
        let file = self.vm.sources().add_own("<prelude>", primitives::PRELUDE);
        let function = of_code(compile::compile(&self.vm, file, "/", &[])?);
        let vm = self.vm.clone();
        let extra = self.vm.block_on(async move {
            let builtins = vm.global(vm.symbol("builtins")).unwrap_or(Value::Null);
            vm.call(&function, vec![builtins]).await?.to_attrs()
        })?;
        let entries: Vec<Attr> = extra.iter().cloned().collect();
        for attr in &entries {
            let name = self.vm.symbols().text(attr.name);
            self.vm.set_global(&name, attr.value.clone());
        }
        builtins::add(&self.vm, &Attrs::new(entries))
    }
}

/// Makes the promise of a file's value.
pub fn promise(vm: &Vm, name: &str, path: Option<String>, base: &str, text: &str) -> Result<Value, Error> {
    let file = vm.sources().add(name, path, text);
    let code = compile::compile(vm, file, base, &[])?;
    Ok(of_code(code))
}

fn of_code(code: Rc<Code>) -> Value {
    Value::thunk(crate::eval::value::State::Code(code, None))
}
