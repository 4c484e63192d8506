//! Base images of the tests, made once a run and kept under the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use crate::layout;

/// Where things that several tests and runs share are kept.
fn shared() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own
        .ancestors()
        .find(|folder| folder.ends_with("target"))
        .map(Path::to_owned);
    let shared = target.unwrap_or_else(std::env::temp_dir).join("tests");
    // Who may only run what another user compiled has a place of their own.
    let writable = std::fs::create_dir_all(&shared).is_ok() && tempfile::tempdir_in(&shared).is_ok();
    match writable {
        true => shared,
        false => {
            std::env::temp_dir().join(format!("lapstrake-tests-{}", rustix::process::geteuid().as_raw()))
        }
    }
}

/// An OCI layout with one image, `latest`: a static busybox and the files that every system has.
pub fn busybox() -> &'static Path {
    static LAYOUT: OnceLock<PathBuf> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
        let mut tar = tar::Builder::new(Vec::new());
        for folder in [
            "bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin", "var",
        ] {
            let mode = if folder == "tmp" { 0o1777 } else { 0o755 };
            entry(&mut tar, folder, tar::EntryType::Directory, mode, b"", None);
        }
        entry(
            &mut tar,
            "bin/busybox",
            tar::EntryType::Regular,
            0o755,
            &program,
            None,
        );
        let applets = Command::new("/bin/busybox")
            .arg("--list")
            .output()
            .unwrap()
            .stdout;
        let applets = String::from_utf8(applets).unwrap();
        for applet in applets.lines().filter(|name| *name != "busybox") {
            entry(
                &mut tar,
                &format!("bin/{applet}"),
                tar::EntryType::Symlink,
                0o777,
                b"",
                Some("busybox"),
            );
        }
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n";
        entry(
            &mut tar,
            "etc/passwd",
            tar::EntryType::Regular,
            0o644,
            passwd,
            None,
        );
        let group = b"root:x:0:\nuser:x:1000:\nextra:x:2000:user\n";
        entry(&mut tar, "etc/group", tar::EntryType::Regular, 0o644, group, None);
        let folder = shared().join(format!("busybox-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let config = json!({ "Env": ["PATH=/bin:/usr/bin"], "Cmd": ["/bin/sh"] });
        layout::image(
            &folder,
            ("linux", architecture()),
            config,
            &[tar.into_inner().unwrap()],
        );
        let place = shared().join("busybox");
        // Several test processes may do this at once: each renames its own whole folder.
        let _ = std::fs::remove_dir_all(&place);
        match std::fs::rename(&folder, &place) {
            Ok(()) => place,
            Err(_) => folder,
        }
    })
}

/// The named context `base` of the base image, as `--build-context` takes it.
pub fn context() -> String {
    format!("base=oci-layout://{}:latest", busybox().display())
}

/// An OCI layout with one image, `bookworm`: a minimal Debian with a C compiler, the one of `make demo`. None where it
/// cannot be made: that takes mmdebstrap, root, and Debian's packages.
pub fn debian_with_gcc() -> Option<&'static Path> {
    static LAYOUT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let layout = LAYOUT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = root.join("target/demo/debian");
        let script = root.join("examples/hello/base.sh");
        if !folder.join("index.json").is_file() && crate::find_program("mmdebstrap").is_none() {
            return None;
        }
        let state = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .arg(script)
            .arg(crate::place::program())
            .arg(&folder)
            .env("LAPSTRAKE_ROOT", state.path())
            .status();
        made.is_ok_and(|status| status.success())
            .then(|| folder.canonicalize().unwrap())
    });
    layout.as_deref()
}

/// This machine's architecture in OCI words.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn entry(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    data: &[u8],
    link: Option<&str>,
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    header.set_mtime(1_600_000_000);
    match link {
        Some(link) => tar.append_link(&mut header, path, link).unwrap(),
        None => tar.append_data(&mut header, path, data).unwrap(),
    }
}
