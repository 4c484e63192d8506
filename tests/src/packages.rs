//! A Debian with dnf, and repositories of apt and dnf with a package each, signed by a key of their own: made from Debian's
//! packages by the Mockerfile of tests/packages, once, and kept under the target folder.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::web::{Page, Web};
use crate::{base, layout, place};

/// What was made.
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// What is there; none where it cannot be made, which takes a Debian base, root and Debian's mirror. Where it can, it
    /// is: that it fails fails the test.
    pub fn get() -> Option<&'static Self> {
        static MADE: OnceLock<Option<Packages>> = OnceLock::new();
        MADE.get_or_init(|| {
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            let sources = ["Mockerfile.yaml", "greeting", "greeting.control", "greeting.spec"];
            let sources = sources.map(|name| std::fs::read(here.join("packages").join(name)).unwrap());
            // What is made of other files has another name.
            let name = layout::digest(&sources.concat())["sha256:".len()..][..12].to_owned();
            let folder = here.join("../target/packages").join(name);
            if !folder.is_dir() {
                make(&folder)?;
            }
            let folder = folder.canonicalize().unwrap();
            Some(Self { folder })
        })
        .as_ref()
    }

    /// The system with dnf as the named context `fedora`.
    pub fn dnf_context(&self) -> String {
        format!("fedora=oci-layout://{}:dnf", self.folder.join("dnf").display())
    }

    /// A file of the repositories: `own.asc`, `own.gpg` (the key that signs), `other.asc`.
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join("files/repositories").join(name)).unwrap()
    }

    /// Serves the repositories as `/apt` and `/dnf`, and the keys beside them.
    pub fn serve(&self) -> Web {
        let web = Web::new();
        let root = self.folder.join("files/repositories");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                web.put(name, Page::of(std::fs::read(&path).unwrap()));
            }
        }
        web
    }
}

/// Whether Debian's packages can be had.
pub fn can_reach_debian() -> bool {
    static REACHED: OnceLock<bool> = OnceLock::new();
    *REACHED.get_or_init(|| {
        let addresses = ("deb.debian.org", 80).to_socket_addrs();
        addresses.is_ok_and(|mut addresses| {
            addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok())
        })
    })
}

fn make(folder: &Path) -> Option<()> {
    let debian = base::debian_with_gcc()?;
    if !crate::is_root() || !can_reach_debian() {
        return None;
    }
    let parent = folder.parent().unwrap();
    std::fs::create_dir_all(parent).unwrap();
    // Whole or not at all, whoever makes it at the same time.
    let work = tempfile::tempdir_in(parent).unwrap();
    let made = work.path().join("made");
    std::fs::create_dir(&made).unwrap();
    let outputs = [
        (
            "repositories",
            format!("type=local,dest={}", made.join("files").display()),
        ),
        (
            "dnf",
            format!(
                "type=oci,tar=false,compression=zstd,compression-level=1,dest={}",
                made.join("dnf").display()
            ),
        ),
    ];
    for (target, output) in outputs {
        let context = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages");
        let built = Command::new(place::program())
            .arg("build")
            .arg(context)
            .args([
                "--target",
                target,
                "-t",
                "debian:dnf",
                "--progress",
                "plain",
                "-o",
            ])
            .arg(output)
            .args(["--build-context", &debian_context(debian)])
            .env("LAPSTRAKE_ROOT", work.path().join("state"))
            .output()
            .unwrap();
        place::Ran::of(built).ok();
    }
    // Somebody else's is as good.
    let _ = std::fs::rename(&made, folder);
    folder.is_dir().then_some(())
}

/// A Debian of [`base::debian_with_gcc`] as the image that its name means.
pub fn debian_context(layout: &Path) -> String {
    format!("debian:12=oci-layout://{}:bookworm", layout.display())
}
