//! Derivations: what is built, from what, by which command; and the store paths that follow from that, as Nix computes
//! them (Nix manual, "Complete Store Path Calculation", and E. Dolstra's thesis, chapter 5). Knows nothing of graphs.

use std::collections::{BTreeMap, BTreeSet};

use super::error::LowerError;
use super::hash::Hash;
use super::store_path::{HashMode, StorePath, check_name};

/// The variable that names the image whose files a builder runs in. Part of the definition, not of the environment.
const IMAGE: &str = "image";

/// What a derivation is made of. Its store paths are not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Name, without an output's.
    pub name: String,
    /// Such as `x86_64-linux`.
    pub system: String,
    /// Path of the program.
    pub builder: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables, but for those of the outputs and of the image.
    pub env: BTreeMap<String, String>,
    /// Names of the outputs, the first one is the default. MUST NOT be empty, and none is there twice.
    pub outputs: Vec<String>,
    /// Derivations whose outputs are used, by their paths.
    pub inputs: BTreeMap<StorePath, BTreeSet<String>>,
    /// Everything else that is used.
    pub sources: BTreeSet<StorePath>,
    /// What the only output must hold, where that is known.
    pub fixed: Option<Fixed>,
    /// The files that the builder runs in; none: nothing but the inputs.
    pub image: Option<StorePath>,
    /// Variables whose values are passed as files.
    pub files: Vec<String>,
    /// Whether the builder has a network though nothing says what it makes.
    pub impure: bool,
    /// Where the build file defines it: a number of the caller's.
    pub place: Option<usize>,
}

/// The contents of an output that are known before it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Their hash.
    pub hash: Hash,
    /// What is hashed.
    pub mode: HashMode,
}

/// A derivation with its store paths.
#[derive(Clone, Debug)]
pub struct Derivation {
    /// What it is made of.
    pub definition: Definition,
    /// Its own path.
    pub path: StorePath,
    /// The paths of its outputs.
    pub outputs: BTreeMap<String, StorePath>,
    /// What stands for it in the definitions of those that use it.
    modulo: Hash,
}

/// Finds derivations by their paths.
pub trait Derivations {
    /// Returns one.
    fn derivation(&self, path: &StorePath) -> Option<&Derivation>;
}

impl Definition {
    /// Computes the store paths. Every input MUST be among the derivations that are known.
    ///
    /// # Errors
    /// A name that no path may have, or an input that nobody knows.
    pub fn finish(self, known: &dyn Derivations) -> Result<Derivation, LowerError> {
        check_name(&self.name)?;
        let mut outputs = BTreeMap::new();
        let mut inputs = BTreeMap::new();
        for (path, names) in &self.inputs {
            let unknown = || LowerError::UnknownPath(path.to_string());
            let input = known.derivation(path).ok_or_else(unknown)?;
            let of_hash: &mut BTreeSet<String> = inputs.entry(input.modulo.hex()).or_default();
            of_hash.extend(names.iter().cloned());
        }
        if let Some(fixed) = &self.fixed {
            let path = StorePath::fixed(&fixed.hash, fixed.mode, &self.name)?;
            outputs.insert("out".to_owned(), path);
        } else {
            let masked = Hash::sha256(self.term(&BTreeMap::new(), &inputs).as_bytes());
            for output in &self.outputs {
                outputs.insert(output.clone(), StorePath::output(&masked, output, &self.name)?);
            }
        }
        let modulo = match (&self.fixed, outputs.get("out")) {
            (Some(fixed), Some(path)) => {
                let (mode, name) = (fixed.mode.prefix(), fixed.hash.algorithm.name());
                Hash::sha256(format!("fixed:out:{mode}{name}:{}:{path}", fixed.hash.hex()).as_bytes())
            }
            _ => Hash::sha256(self.term(&outputs, &inputs).as_bytes()),
        };
        let by_path = self
            .inputs
            .iter()
            .map(|(path, names)| (path.to_string(), names.clone()))
            .collect();
        let sources = self.all_sources();
        let references: BTreeSet<&StorePath> = self.inputs.keys().chain(sources).collect();
        let references: Vec<&StorePath> = references.into_iter().collect();
        let term = self.term(&outputs, &by_path);
        let path = StorePath::text(term.as_bytes(), &references, &format!("{}.drv", self.name))?;
        Ok(Derivation {
            definition: self,
            path,
            outputs,
            modulo,
        })
    }

    /// The sources and the image.
    fn all_sources(&self) -> BTreeSet<&StorePath> {
        self.sources.iter().chain(&self.image).collect()
    }

    /// The variables of a builder: those of the definition and its outputs' paths, empty where they are not known.
    pub fn variables(&self, outputs: &BTreeMap<String, StorePath>) -> BTreeMap<&str, String> {
        let mut env: BTreeMap<&str, String> = self.env.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        for output in &self.outputs {
            let path = outputs.get(output).map(StorePath::to_string);
            env.insert(output, path.unwrap_or_default());
        }
        env
    }

    /// Writes it as a term of the ATerm format, as .drv files hold it.
    fn term(
        &self,
        outputs: &BTreeMap<String, StorePath>,
        inputs: &BTreeMap<String, BTreeSet<String>>,
    ) -> String {
        let (algorithm, hash) = match &self.fixed {
            Some(fixed) => {
                let name = fixed.hash.algorithm.name();
                (format!("{}{name}", fixed.mode.prefix()), fixed.hash.hex())
            }
            None => Default::default(),
        };
        let names: BTreeSet<&String> = self.outputs.iter().collect();
        let output = |name: &&String| {
            let path = outputs.get(*name).map(StorePath::to_string).unwrap_or_default();
            tuple([name.as_str(), &path, &algorithm, &hash])
        };
        let input = |(path, names): (&String, &BTreeSet<String>)| {
            format!(
                "({},{})",
                quoted(path),
                list(names.iter().map(|name| quoted(name)))
            )
        };
        let mut env = self.variables(outputs);
        if let Some(image) = &self.image {
            env.insert(IMAGE, image.to_string());
        }
        let sources = self
            .all_sources()
            .into_iter()
            .map(|path| quoted(&path.to_string()));
        format!(
            "Derive({},{},{},{},{},{},{})",
            list(names.iter().map(output)),
            list(inputs.iter().map(input)),
            list(sources),
            quoted(&self.system),
            quoted(&self.builder),
            list(self.args.iter().map(|arg| quoted(arg))),
            list(env.iter().map(|(name, value)| tuple([*name, value.as_str()]))),
        )
    }
}

impl Derivation {
    /// The path of an output.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn output(&self, name: &str) -> Result<&StorePath, LowerError> {
        self.outputs.get(name).ok_or_else(|| LowerError::UnknownOutput {
            derivation: self.path.to_string(),
            output: name.to_owned(),
        })
    }

    /// Whether what it makes refers to nothing, as its hash is known.
    pub fn is_fixed(&self) -> bool {
        self.definition.fixed.is_some()
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn tuple<const N: usize>(items: [&str; N]) -> String {
    format!("({})", items.map(quoted).join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Known(BTreeMap<StorePath, Derivation>);

    impl Derivations for Known {
        fn derivation(&self, path: &StorePath) -> Option<&Derivation> {
            self.0.get(path)
        }
    }

    /// As `derivation { name = "myname"; builder = "mybuilder"; system = "mysystem"; }` gives it.
    fn simple(name: &str, builder: &str, system: &str) -> Definition {
        let env = [("name", name), ("builder", builder), ("system", system)];
        Definition {
            name: name.to_owned(),
            builder: builder.to_owned(),
            system: system.to_owned(),
            env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            outputs: vec!["out".to_owned()],
            ..Definition::default()
        }
    }

    #[test]
    fn a_derivation_has_the_paths_that_nix_gives_it() {
        let drv = simple("myname", "mybuilder", "mysystem")
            .finish(&Known::default())
            .unwrap();
        assert_eq!(
            drv.path.to_string(),
            "/nix/store/z3hhlxbckx4g3n9sw91nnvlkjvyw754p-myname.drv"
        );
        assert_eq!(
            drv.outputs["out"].to_string(),
            "/nix/store/40s0qmrfb45vlh6610rk29ym318dswdr-myname"
        );
    }

    #[test]
    fn a_fixed_output_has_the_path_of_its_hash() {
        // bar has a fixed output, foo refers to it.
        let hash = "08813cbee9903c62be4c5027726a418a300da4500b2d369d3af9286f4815ceba";
        let mut bar = simple("bar", ":", ":");
        bar.env.extend(
            [
                ("outputHash", hash),
                ("outputHashAlgo", "sha256"),
                ("outputHashMode", "recursive"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        bar.fixed = Some(Fixed {
            hash: Hash::parse(hash, Some(super::super::hash::Algorithm::Sha256)).unwrap(),
            mode: HashMode::Recursive,
        });
        let mut known = Known::default();
        let bar = bar.finish(&known).unwrap();
        assert_eq!(
            bar.path.to_string(),
            "/nix/store/0hm2f1psjpcwg8fijsmr4wwxrx59s092-bar.drv"
        );
        let out = bar.outputs["out"].clone();
        assert_eq!(out.to_string(), "/nix/store/4q0pg5zpfmznxscq3avycvf9xdvx50n3-bar");

        let mut foo = simple("foo", ":", ":");
        foo.env.insert("bar".to_owned(), out.to_string());
        foo.inputs
            .insert(bar.path.clone(), BTreeSet::from(["out".to_owned()]));
        known.0.insert(bar.path.clone(), bar);
        let foo = foo.finish(&known).unwrap();
        assert_eq!(
            foo.path.to_string(),
            "/nix/store/4wvvbi4jwn0prsdxb7vs673qa5h9gr7x-foo.drv"
        );
        assert_eq!(
            foo.outputs["out"].to_string(),
            "/nix/store/5vyvcwah9l9kf07d52rcgdk70g2f4y13-foo"
        );
    }

    #[test]
    fn everything_of_a_definition_is_in_its_hash() {
        let out = |change: &dyn Fn(&mut Definition)| {
            let mut definition = simple("x", "/bin/sh", "x86_64-linux");
            change(&mut definition);
            definition.finish(&Known::default()).unwrap().outputs["out"].clone()
        };
        let source = StorePath::text(b"", &[], "source").unwrap();
        let paths = [
            out(&|_| ()),
            out(&|d| d.args.push("\"a\"".to_owned())),
            out(&|d| d.system = "aarch64-linux".to_owned()),
            out(&|d| d.builder = "/bin/bash".to_owned()),
            out(&|d| d.image = Some(source.clone())),
            out(&|d| d.sources = BTreeSet::from([source.clone()])),
            out(&|d| d.outputs.push("dev".to_owned())),
        ];
        assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
    }

    #[test]
    fn outputs_have_paths_of_their_own() {
        let mut definition = simple("x", "/bin/sh", "x86_64-linux");
        definition.outputs.push("dev".to_owned());
        let drv = definition.finish(&Known::default()).unwrap();
        assert_eq!(drv.output("dev").unwrap().name(), "x-dev");
        assert_eq!(drv.output("out").unwrap().name(), "x");
        assert!(drv.output("doc").is_err());
    }

    #[test]
    fn strings_of_terms_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n\r\t"), r#""a\"b\\c\n\r\t""#);
    }
}
