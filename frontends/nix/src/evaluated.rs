//! The answer to the call `eval`: the value of the build file. Knows nothing of builds but that what can be built is
//! shown as its store path.

use lapstrake_sdk::types::{BuildError, CallResult};

use crate::builtins::{control, json};
use crate::error::Error;
use crate::eval::{Attrs, Value, Vm, print};
use crate::run::Run;

/// The value that a request asks for, evaluated whole: as Nix prints it, and as JSON (null where JSON has no word for
/// it, such as for a function).
pub fn evaluated(run: &Run<'_>) -> Result<CallResult, BuildError> {
    let vm = run.vm();
    let (inner, found) = (vm.clone(), run.value()?);
    let answer = vm.block_on(async move {
        let shown = shown(&inner, found.value).await?;
        control::deep_force(&inner, &shown.value).await?;
        let text = print::print(&inner, &shown.value);
        let json = json::to_json(&inner, &shown.data).await?.to_utf8()?;
        Ok(CallResult { text, json })
    });
    answer.map_err(|error| run.invalid(&error.or_at(found.place)))
}

/// A value to be shown.
#[derive(Clone)]
struct Shown {
    value: Value,
    /// The same without functions.
    data: Value,
}

/// What is left to be made of a value.
enum Step {
    Enter(Value),
    List(usize),
    Attrs(Vec<std::rc::Rc<str>>),
}

/// A value with the paths of what can be built in place of the sets that describe it: these have no end.
async fn shown(vm: &Vm, value: Value) -> Result<Shown, Error> {
    let (mut next, mut made) = (vec![Step::Enter(value)], Vec::<Shown>::new());
    let same = |value: Value| Shown {
        data: value.clone(),
        value,
    };
    while let Some(step) = next.pop() {
        match step {
            Step::List(count) => {
                let items = made.split_off(made.len() - count);
                made.push(Shown {
                    value: Value::list(items.iter().map(|item| item.value.clone()).collect()),
                    data: Value::list(items.into_iter().map(|item| item.data).collect()),
                });
            }
            Step::Attrs(names) => {
                let values = made.split_off(made.len() - names.len());
                let attrs =
                    |values: Vec<Value>| Value::attrs(Attrs::of(vm.symbols(), names.iter().zip(values)));
                made.push(Shown {
                    value: attrs(values.iter().map(|shown| shown.value.clone()).collect()),
                    data: attrs(values.into_iter().map(|shown| shown.data).collect()),
                });
            }
            Step::Enter(value) => match vm.force(&value).await? {
                Value::Attrs(attrs) => {
                    if let Some(path) = vm.get(&attrs, "outPath") {
                        made.push(same(vm.force(&path).await?));
                        continue;
                    }
                    let sorted = attrs.sorted(vm.symbols());
                    next.push(Step::Attrs(sorted.iter().map(|(name, _)| name.clone()).collect()));
                    next.extend(
                        sorted
                            .iter()
                            .rev()
                            .map(|(_, attr)| Step::Enter(attr.value.clone())),
                    );
                }
                Value::List(list) => {
                    next.push(Step::List(list.0.len()));
                    next.extend(list.0.iter().rev().cloned().map(Step::Enter));
                }
                function @ (Value::Lambda(_) | Value::Builtin(_)) => made.push(Shown {
                    value: function,
                    data: Value::Null,
                }),
                other => made.push(same(other)),
            },
        }
    }
    Ok(made.pop().unwrap_or_else(|| same(Value::Null)))
}
