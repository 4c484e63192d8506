//! Explains a build instead of doing it: what would run, and what differs from the nearest record.
//! Knows nothing of how that is said.

use lapstrake_llb::{Definition, Digest};
use lapstrake_solver::Explained;

use crate::error::Error;
use crate::options::BuildOptions;
use crate::suggest;

use super::build::{Build, prepared};
use super::{Client, Engine};

/// What a build would do, and why.
pub struct Explanation {
    /// The graph.
    pub definition: Definition,
    /// What would become of each vertex that is needed, inputs first.
    pub steps: Vec<Explained>,
    /// Places of the steps that were asked for; none: nobody asked for any.
    pub asked: Option<Vec<usize>>,
}

/// A step that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its label, its digest or a part of its name.
    Word(String),
    /// A step of an earlier build.
    Vertex {
        /// Its digest then.
        digest: Digest,
        /// Its name then.
        name: String,
    },
}

impl Engine {
    /// Explains what a build would do. Runs nothing but what the frontend asks for, and writes no result.
    ///
    /// # Errors
    /// As [`Engine::build`], as far as that looks at build file, sources and records; or there is no such step.
    pub fn why(
        &self,
        options: &BuildOptions,
        step: Option<&Wanted>,
        client: &Client,
    ) -> Result<Explanation, Error> {
        let taken = self.take_stdin(options)?;
        let options = &*taken.options;
        let build = Build::new(self, options, client)?;
        let compiled = self.compile_in(&build, &options.compile)?;
        let roots: Vec<_> = compiled.images.iter().filter_map(|image| image.root).collect();
        let definition = prepared(&compiled.definition).into_owned();
        let asked = step.map(|step| find(&definition, step)).transpose()?;
        let steps = build.explain(&definition, &roots, asked.as_deref().unwrap_or_default())?;
        let place = |vertex: u32| {
            let digest = definition.digests().get(vertex as usize).copied()?;
            steps.iter().position(|step| step.digest == digest)
        };
        let asked = asked.map(|asked| asked.into_iter().filter_map(place).collect());
        Ok(Explanation {
            definition,
            steps,
            asked,
        })
    }
}

/// The vertices that a word means: those of this name or label or with this digest, else those with it in their names.
fn find(definition: &Definition, wanted: &Wanted) -> Result<Vec<u32>, Error> {
    let word = match wanted {
        Wanted::Word(word) => word,
        Wanted::Vertex { digest, name } => {
            let digests = definition.digests();
            let place = digests.iter().position(|known| known == digest);
            if let Some(place) = place.and_then(|place| u32::try_from(place).ok()) {
                return Ok(vec![place]);
            }
            // It is another one by now: its place and name tell.
            name
        }
    };
    let digests = definition.digests();
    let names: Vec<&str> = definition
        .vertices
        .iter()
        .map(|vertex| vertex.metadata.name.as_str())
        .collect();
    let label = |name: &str| Some(format!("{}]", name.strip_prefix('[')?.split_once("] ")?.0));
    let wanted = word.trim();
    let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    let by_digest = hex.len() >= 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let inner = wanted.trim_start_matches('[');
    let lower = wanted.to_lowercase();
    let tests: [&dyn Fn(usize) -> bool; 4] = [
        &|index| names[index] == wanted,
        &|index| {
            label(names[index]).is_some_and(|label| label == inner || label.trim_end_matches(']') == inner)
        },
        &|index| by_digest && digests[index].hex().starts_with(hex),
        &|index| names[index].to_lowercase().contains(&lower),
    ];
    let all = || 0..names.len();
    let found = tests.iter().find_map(|test| {
        let found: Vec<usize> = all().filter(|index| test(*index)).collect();
        (!wanted.is_empty() && !found.is_empty()).then_some(found)
    });
    let Some(found) = found else {
        let rest = names.iter().map(|name| lapstrake_solver::split_name(name).1);
        let near = suggest::closest(
            wanted,
            names.iter().copied().chain(rest.filter(|name| !name.is_empty())),
        );
        return Err(Error::NoSuchStep {
            step: wanted.to_owned(),
            near: near.map(str::to_owned),
            known: names
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| (*name).to_owned())
                .collect(),
        });
    };
    let mut different: Vec<_> = found.iter().map(|index| digests[*index]).collect();
    different.sort_unstable();
    different.dedup();
    if different.len() > 1 {
        return Err(Error::SeveralSteps {
            step: wanted.to_owned(),
            found: found
                .into_iter()
                .map(|index| format!("{} ({})", names[index], digests[index].short()))
                .collect(),
        });
    }
    let first = found.first().and_then(|index| u32::try_from(*index).ok());
    Ok(first.into_iter().collect())
}
