//! What a build brings in from elsewhere: downloads and repositories. Knows nothing of graphs.

use crate::error::{Error, ErrorKind};
use crate::eval::{Attrs, Builtin, Value, Vm};
use crate::lower::hash::{Algorithm, Hash};
use crate::lower::item::{Git, Http, Item, Origin, Source};
use crate::lower::store_path::{HashMode, StorePath, plain_name};
use crate::suggest;

use super::builds::{Builds, flag, optional_text, refused};
use super::sources::base_name;

/// The table.
pub static BUILTINS: &[Builtin] = &[
    Builtin::task("fetchurl", 1, |vm, args| Box::pin(fetch(vm, args, &FILE))),
    Builtin::task("fetchTarball", 1, |vm, args| Box::pin(fetch(vm, args, &ARCHIVE))),
    Builtin::task("fetchGit", 1, |vm, args| Box::pin(fetch_git(vm, args))),
];

/// What the two functions for downloads differ in.
struct Fetcher {
    who: &'static str,
    takes: &'static [&'static str],
    unpack: bool,
}

const FILE: Fetcher = Fetcher {
    who: "fetchurl",
    takes: &[
        "url",
        "name",
        "hash",
        "sha512",
        "sha256",
        "sha1",
        "md5",
        "executable",
    ],
    unpack: false,
};
const ARCHIVE: Fetcher = Fetcher {
    who: "fetchTarball",
    takes: &["url", "name", "hash", "sha512", "sha256"],
    unpack: true,
};
/// Without effect: a commit is fetched alone where the server lets that be done, and from wherever it is.
const GIT_WITHOUT_EFFECT: [&str; 2] = ["shallow", "allRefs"];
const GIT: [&str; 5] = ["url", "rev", "ref", "name", "submodules"];

/// Refuses attributes that mean nothing: what a person asked for is not left out in silence.
fn check(vm: &Vm, attrs: &Attrs, who: &str, takes: &[&str]) -> Result<(), Error> {
    for (name, attr) in attrs.sorted(vm.symbols()) {
        if !takes.contains(&&*name) {
            let error = Error::new(ErrorKind::Arguments, format!("{who} takes no '{name}'"));
            let error = suggest::help(error, &name, takes.iter().copied());
            return Err(error.at(attr.span));
        }
    }
    Ok(())
}

async fn fetch(vm: Vm, args: Vec<Value>, fetcher: &'static Fetcher) -> Result<Value, Error> {
    let Fetcher { who, takes, unpack } = *fetcher;
    let value = vm.force(&args[0]).await?;
    let (url, hash, name, executable) = match &value {
        Value::Attrs(attrs) => {
            check(&vm, attrs, who, takes)?;
            let url = vm.plain_string(&vm.need(attrs, "url", who)?).await?;
            let hash = hash(&vm, attrs).await?;
            let name = optional_text(&vm, attrs, "name").await?;
            (url, hash, name, flag(&vm, attrs, "executable").await?)
        }
        other => (other.to_plain_string()?, None, None, false),
    };
    let name = match name {
        Some(name) => name,
        None if unpack => "source".to_owned(),
        None => plain_name(&base_name(url.split(['?', '#']).next().unwrap_or_default())),
    };
    // As in Nix the hash of a program is one of the file and of its being a program.
    let mode = if unpack || executable {
        HashMode::Recursive
    } else {
        HashMode::Flat
    };
    let path = match &hash {
        Some(hash) => StorePath::fixed(hash, mode, &name),
        None => {
            let description = format!("{who}\0{url}\0{executable}");
            StorePath::described("download", description.as_bytes(), &name)
        }
    };
    let path = path.map_err(|error| refused(&error))?;
    let is_checked_on_the_way = |hash: &Hash| mode == HashMode::Flat && hash.algorithm == Algorithm::Sha256;
    let (sha256, expected) = match hash {
        Some(hash) if is_checked_on_the_way(&hash) => (Some(hash), None),
        hash => (None, hash.map(|hash| (hash, mode))),
    };
    let http = Http {
        url,
        sha256,
        executable,
        unpack,
    };
    let source = Source {
        origin: Origin::Http(http),
        expected,
    };
    Ok(Builds::of(&vm).add(&vm, path, Item::Source(source)))
}

/// The hash that a set names, in one of nixpkgs' ways. An empty one is none, as with nixpkgs.
async fn hash(vm: &Vm, attrs: &Attrs) -> Result<Option<Hash>, Error> {
    let attributes = [
        ("hash", None),
        ("sha512", Some(Algorithm::Sha512)),
        ("sha256", Some(Algorithm::Sha256)),
        ("sha1", Some(Algorithm::Sha1)),
        ("md5", Some(Algorithm::Md5)),
    ];
    let mut found: Option<(&str, Hash)> = None;
    for (name, algorithm) in attributes {
        let text = optional_text(vm, attrs, name).await?;
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            continue;
        };
        let span = attrs.get(vm.symbol(name)).and_then(|attr| attr.span);
        let hash = Hash::parse(&text, algorithm).map_err(|error| Error::from(error).at(span))?;
        if let Algorithm::Md5 | Algorithm::Sha1 = hash.algorithm {
            let algorithm = hash.algorithm.name();
            let error = Error::new(
                ErrorKind::Build,
                format!("{algorithm} proves nothing any more, and is not checked here"),
            );
            return Err(error.help("use sha256 or sha512").at(span));
        }
        if let Some((other, _)) = found {
            let error = Error::new(
                ErrorKind::Build,
                format!("there are two hashes: '{other}' and '{name}'"),
            );
            return Err(error.help("one of them is enough").at(span));
        }
        found = Some((name, hash));
    }
    Ok(found.map(|(_, hash)| hash))
}

async fn fetch_git(vm: Vm, args: Vec<Value>) -> Result<Value, Error> {
    let value = vm.force(&args[0]).await?;
    let (url, rev, reference, name, submodules) = match &value {
        Value::Attrs(attrs) => {
            check(&vm, attrs, "fetchGit", &[&GIT[..], &GIT_WITHOUT_EFFECT].concat())?;
            let rev = optional_text(&vm, attrs, "rev").await?;
            (
                vm.plain_string(&vm.need(attrs, "url", "fetchGit")?).await?,
                rev.filter(|rev| !rev.is_empty()),
                optional_text(&vm, attrs, "ref").await?,
                optional_text(&vm, attrs, "name").await?,
                flag(&vm, attrs, "submodules").await?,
            )
        }
        other => (other.to_plain_string()?, None, None, None, false),
    };
    let git = Git {
        remote: url,
        reference: rev.clone().or(reference).unwrap_or_default(),
        submodules,
    };
    let description = format!("{}\0{}\0{submodules}", git.remote, git.reference);
    let name = name.unwrap_or_else(|| "source".to_owned());
    let path = StorePath::described("git", description.as_bytes(), &name).map_err(|error| refused(&error))?;
    let source = Source {
        origin: Origin::Git(git),
        expected: None,
    };
    let out = Builds::of(&vm).add(&vm, path, Item::Source(source));
    let mut attrs = vec![("outPath", out), ("submodules", Value::Bool(submodules))];
    if let Some(rev) = rev {
        let short: String = rev.chars().take(7).collect();
        attrs.push(("shortRev", Value::string(short)));
        attrs.push(("rev", Value::string(rev)));
    }
    Ok(Value::attrs(Attrs::of(vm.symbols(), attrs)))
}
