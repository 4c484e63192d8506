//! The cache of compiled components: one file for each component and engine, in a directory that only this user can
//! write to. Whatever is wrong with it, the component is compiled again. Knows nothing of what it compiles.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapstrake_llb::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::precompiled;

/// Ends a file, before the digest of all that is before it: what wasmtime reads of an artifact is found from its start.
const TRAILER: &[u8; 16] = b"lapstrake cwasm\n";

const TRAILER_SIZE: u64 = TRAILER.len() as u64 + 32;

/// What a killed process left behind is removed after this time.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

const TEMPORARY: &str = ".tmp-";

/// A directory of compiled components.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    directory: PathBuf,
}

impl CompiledCache {
    /// Uses a directory of its own inside the given one; made when it is first needed.
    pub(crate) fn new(parent: &Path) -> Self {
        Self {
            directory: parent.join("components"),
        }
    }

    /// Loads a component, or compiles it and keeps the result if it can. Only the compiler's error is one.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &Digest,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let path = self.directory.join(file_name(engine, digest));
        if let Ok(component) = self.load(engine, &path) {
            return Ok(component);
        }
        let artifact = engine.precompile_component(wasm)?;
        let kept = self
            .keep(&path, &artifact)
            .and_then(|()| self.load(engine, &path));
        match kept {
            Ok(component) => Ok(component),
            // A full disk or a read-only store costs time and not the build.
            Err(_) => Component::from_binary(engine, wasm),
        }
    }

    /// Loads a file that is whole, of this directory, and for this engine.
    fn load(&self, engine: &Engine, path: &Path) -> io::Result<Component> {
        self.check_owner()?;
        check_digest(path)?;
        precompiled::load_file(engine, path).map_err(io::Error::other)
    }

    fn keep(&self, path: &Path, artifact: &[u8]) -> io::Result<()> {
        match DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
        {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => self.check_owner()?,
        }
        self.remove_orphans();
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempfile_in(&self.directory)?;
        file.write_all(artifact)?;
        file.write_all(TRAILER)?;
        file.write_all(&Sha256::digest(artifact))?;
        file.persist(path)?;
        Ok(())
    }

    /// Whoever can write here can run code as this user.
    fn check_owner(&self) -> io::Result<()> {
        let meta = fs::symlink_metadata(&self.directory)?;
        let own = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
        if !own || meta.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others can write to the directory",
            ));
        }
        Ok(())
    }

    fn remove_orphans(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let now = SystemTime::now();
        for entry in entries.flatten() {
            let age = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .map(|time| now.duration_since(time));
            if entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(TEMPORARY.as_bytes())
                && matches!(age, Ok(Ok(age)) if age > ORPHAN_AGE)
            {
                // Somebody else may have been faster.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// `<component>-<engine>.cwasm`. The engine's part covers wasmtime's version, its settings, and the processor's
/// features.
fn file_name(engine: &Engine, component: &Digest) -> String {
    let mut hasher = StableHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let engine = Digest::from_bytes(hasher.0.finalize().into());
    format!("{}-{}.cwasm", component.hex(), &engine.hex()[..16])
}

/// The standard library promises no hash that stays the same; this one does.
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_le_bytes(std::array::from_fn(|index| digest[index]))
    }
}

/// Reads a file and compares the digest in its trailer.
fn check_digest(path: &Path) -> io::Result<()> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged");
    let mut file = File::open(path)?;
    let size = file
        .metadata()?
        .len()
        .checked_sub(TRAILER_SIZE)
        .ok_or_else(damaged)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut left = size;
    while left > 0 {
        let part = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = file.read(&mut buffer[..part])?;
        if read == 0 {
            return Err(damaged());
        }
        hasher.update(&buffer[..read]);
        left -= read as u64;
    }
    let mut trailer = Vec::new();
    file.take(TRAILER_SIZE + 1).read_to_end(&mut trailer)?;
    let digest: [u8; 32] = hasher.finalize().into();
    if trailer.strip_prefix(TRAILER) != Some(&digest[..]) {
        return Err(damaged());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn setup() -> (tempfile::TempDir, CompiledCache, Engine, Vec<u8>, Digest) {
        let root = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(root.path());
        let engine = Engine::new(&crate::engine_config::config()).unwrap();
        let wasm = wat::parse_str("(component (core module (func (export \"f\") (loop br 0))))").unwrap();
        let digest = Digest::of(&wasm);
        (root, cache, engine, wasm, digest)
    }

    fn only_file(cache: &CompiledCache) -> PathBuf {
        let mut files: Vec<_> = fs::read_dir(&cache.directory)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.pop().unwrap()
    }

    #[test]
    fn keeps_what_it_compiled() {
        let (_root, cache, engine, wasm, digest) = setup();
        cache.component(&engine, &digest, &wasm).unwrap();
        let path = only_file(&cache);
        // Not WebAssembly: it can only come from the cache.
        cache.component(&engine, &digest, b"x").unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&digest.hex()) && name.ends_with(".cwasm"));
        let mut other = crate::engine_config::config();
        other.consume_fuel(false);
        let other = Engine::new(&other).unwrap();
        assert_ne!(file_name(&other, &digest), name);
        assert!(cache.component(&other, &digest, b"x").is_err());
    }

    #[test]
    fn compiles_again_what_is_damaged() {
        let (_root, cache, engine, wasm, digest) = setup();
        cache.component(&engine, &digest, &wasm).unwrap();
        let path = only_file(&cache);
        let whole = fs::read(&path).unwrap();
        let mut damaged = vec![
            Vec::new(),
            whole[..whole.len() / 2].to_vec(),
            [&whole[..], b"x"].concat(),
        ];
        for place in [0, 100, whole.len() / 2, whole.len() - 40, whole.len() - 1] {
            let mut copy = whole.clone();
            copy[place] ^= 1;
            damaged.push(copy);
        }
        for bytes in damaged {
            fs::write(&path, &bytes).unwrap();
            assert!(check_digest(&path).is_err());
            cache.component(&engine, &digest, &wasm).unwrap();
            assert!(check_digest(&path).is_ok(), "it was not written again");
        }
    }

    #[test]
    fn does_not_trust_a_directory_that_others_can_write_to() {
        let (_root, cache, engine, wasm, digest) = setup();
        cache.component(&engine, &digest, &wasm).unwrap();
        assert_eq!(fs::metadata(&cache.directory).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&cache.directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(cache.component(&engine, &digest, b"x").is_err());
        cache.component(&engine, &digest, &wasm).unwrap();
    }

    #[test]
    fn works_without_a_directory() {
        let (root, _, engine, wasm, digest) = setup();
        let file = root.path().join("file");
        fs::write(&file, b"").unwrap();
        CompiledCache::new(&file)
            .component(&engine, &digest, &wasm)
            .unwrap();
    }

    #[test]
    fn removes_what_killed_processes_left() {
        let (_root, cache, engine, wasm, digest) = setup();
        cache.component(&engine, &digest, &wasm).unwrap();
        let path = only_file(&cache);
        let old = cache.directory.join(".tmp-old");
        let young = cache.directory.join(".tmp-young");
        fs::write(&young, b"").unwrap();
        let time = SystemTime::now() - ORPHAN_AGE * 2;
        File::create(&old).unwrap().set_modified(time).unwrap();
        fs::remove_file(&path).unwrap();
        cache.component(&engine, &digest, &wasm).unwrap();
        assert!(!old.exists() && young.exists() && path.exists());
    }
}
