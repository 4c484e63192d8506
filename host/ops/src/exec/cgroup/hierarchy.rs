//! Where the machine's cgroups are, and how directories are made in them.
//! Knows nothing of limits.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Component, Path, PathBuf};

/// A tree of cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// Directory of the cgroup that this process was in when it looked.
    pub(crate) own: PathBuf,
    /// Version 1: its controllers. Version 2 lists them in files.
    pub(crate) controllers: Vec<String>,
    /// Whether it is version 2.
    pub(crate) unified: bool,
}

/// Reads the hierarchies of this machine. What cannot be read is not there.
pub(crate) fn of_this_process() -> Vec<Hierarchy> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match fs::File::open("/proc/self/mountinfo") {
        Ok(mountinfo) => parse(BufReader::new(mountinfo), &cgroup),
        Err(_) => Vec::new(),
    }
}

/// Makes hierarchies of the text of proc_pid_mountinfo(5) and of /proc/self/cgroup (cgroups(7)). Of mountinfo no more is
/// read than need be: cgroups are mounted early, and the kernel writes the lines of hundreds of containers slowly.
fn parse(mountinfo: impl BufRead, cgroup: &str) -> Vec<Hierarchy> {
    let memberships: Vec<(Vec<&str>, &str)> = cgroup
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((
                fields.next()?.split(',').filter(|c| !c.is_empty()).collect(),
                fields.next()?,
            ))
        })
        .collect();
    let mut hierarchies: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.split(b'\n').map_while(Result::ok) {
        if hierarchies.len() == memberships.len() {
            break;
        }
        let line = String::from_utf8_lossy(&line);
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let mut right = right.split(' ');
        let unified = match right.next() {
            Some("cgroup2") => true,
            Some("cgroup") => false,
            _ => continue,
        };
        let options: Vec<&str> = right.nth(1).unwrap_or_default().split(',').collect();
        let mut left = left.split(' ').skip(3);
        let (Some(root), Some(mount)) = (left.next(), left.next()) else {
            continue;
        };
        let membership = memberships.iter().find(|(controllers, _)| match unified {
            true => controllers.is_empty(),
            false => !controllers.is_empty() && controllers.iter().all(|c| options.contains(c)),
        });
        let Some((controllers, path)) = membership else {
            continue;
        };
        let mount = PathBuf::from(unescape(mount));
        // The root of the mount can be any cgroup; what is above it cannot be reached.
        let own = match Path::new(path).strip_prefix(unescape(root)) {
            Ok(below) => mount.join(below),
            Err(_) => mount.clone(),
        };
        if hierarchies
            .iter()
            .any(|h| h.unified == unified && h.controllers == *controllers)
        {
            continue;
        }
        let controllers = controllers.iter().map(|c| (*c).to_owned()).collect();
        hierarchies.push(Hierarchy {
            mount,
            own,
            controllers,
            unified,
        });
    }
    hierarchies
}

/// Resolves the octal escapes of mountinfo.
fn unescape(text: &str) -> String {
    ["040", "011", "012", "134"]
        .iter()
        .fold(text.to_owned(), |text, code| {
            let character = u8::from_str_radix(code, 8).map(char::from).unwrap_or_default();
            text.replace(&format!("\\{code}"), &character.to_string())
        })
}

impl Hierarchy {
    /// Whether this is version 1 with `controller`.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }

    /// The directory that a step's cgroup is to be made in.
    pub(crate) fn parent(&self, asked_for: Option<&str>) -> Result<PathBuf, String> {
        let Some(asked_for) = asked_for else {
            return Ok(self.own.clone());
        };
        let mut path = self.mount.clone();
        for component in Path::new(asked_for).components() {
            match component {
                Component::Normal(name) if !name.to_string_lossy().contains(':') => path.push(name),
                Component::RootDir | Component::CurDir => {}
                _ => return Err(format!("`{asked_for}` is not a path of a cgroup")),
            }
        }
        Ok(path)
    }

    /// Makes the cgroup `name` of version 2 with `controller`: in this process's own one where that can pass
    /// the controller on, else at the top.
    pub(crate) fn make_v2(
        &self,
        name: &str,
        controller: &str,
        asked_for: Option<&str>,
    ) -> Result<PathBuf, String> {
        let mut parents = vec![self.parent(asked_for)?];
        if asked_for.is_none() && self.own != self.mount {
            parents.push(self.mount.clone());
        }
        let mut reason = format!("this machine has no cgroup controller `{controller}`");
        for parent in parents {
            let dir = parent.join(name);
            let made = fs::create_dir_all(&parent)
                .and_then(|()| pass_on(&self.mount, &parent, controller))
                .and_then(|()| ignore_existing(fs::create_dir(&dir)));
            match made {
                Ok(()) => return Ok(dir),
                Err(error) => reason = format!("{}: {error}", dir.display()),
            }
        }
        Err(reason)
    }
}

/// Makes the cgroup `dir` of version 1, parents included.
pub(crate) fn make_v1(dir: &Path, controller: &str) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_v1(parent, controller)?;
    }
    ignore_existing(fs::create_dir(dir))?;
    // A new cpuset has no CPUs, and nothing can run in it.
    if controller == "cpuset"
        && let Some(parent) = dir.parent()
    {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            fs::write(dir.join(file), fs::read_to_string(parent.join(file))?)?;
        }
    }
    Ok(())
}

/// Lets the children of the cgroups from `top` to `dir` use `controller`.
fn pass_on(top: &Path, dir: &Path, controller: &str) -> io::Result<()> {
    let mut way: Vec<&Path> = dir.ancestors().take_while(|d| d.starts_with(top)).collect();
    way.reverse();
    for dir in way {
        let file = dir.join("cgroup.subtree_control");
        if !fs::read_to_string(&file)?
            .split_whitespace()
            .any(|c| c == controller)
        {
            fs::write(&file, format!("+{controller}"))?;
        }
    }
    Ok(())
}

fn ignore_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_of_versions() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,memory\n\
            36 31 0:33 /docker/abc /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            nonsense\n";
        let cgroup = "9:name=systemd:/\n8:cpu,cpuacct:/a\n5:devices:/docker/abc/x\n4:memory:/b/c\n0::/u\n";
        let found = parse(mountinfo.as_bytes(), cgroup);
        let own = |controller: &str| {
            found
                .iter()
                .find(|h| h.has(controller))
                .map(|h| h.own.to_str().unwrap())
        };
        assert_eq!(own("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct/a"));
        assert_eq!(own("memory"), Some("/sys/fs/cgroup/mem ory/b/c"));
        assert_eq!(own("devices"), Some("/sys/fs/cgroup/devices/x"));
        assert_eq!(own("pids"), None);
        let unified = found.iter().find(|h| h.unified).unwrap();
        assert_eq!(unified.own.to_str(), Some("/sys/fs/cgroup/unified/u"));
    }

    #[test]
    fn version_two_alone() {
        let found = parse(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n".as_bytes(),
            "0::/user.slice/x.scope\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].own, Path::new("/sys/fs/cgroup/user.slice/x.scope"));
    }

    #[test]
    fn mounts_after_the_last_cgroup_are_not_read() {
        struct NotRead;
        impl io::Read for NotRead {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("the rest was read");
            }
        }
        let cgroups =
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n31 23 0:28 / /x rw - overlay overlay rw\n";
        let reader = io::Read::chain(cgroups.as_bytes(), BufReader::new(NotRead));
        assert_eq!(parse(reader, "0::/\n").len(), 1);
    }

    #[test]
    fn a_parent_cannot_lead_out() {
        let hierarchy = Hierarchy {
            mount: "/cg".into(),
            own: "/cg/me".into(),
            controllers: vec![],
            unified: false,
        };
        assert_eq!(hierarchy.parent(None).unwrap(), Path::new("/cg/me"));
        assert_eq!(hierarchy.parent(Some("/a/./b")).unwrap(), Path::new("/cg/a/b"));
        assert!(hierarchy.parent(Some("/a/../../etc")).is_err());
        assert!(hierarchy.parent(Some("system.slice:docker:x")).is_err());
    }

    #[test]
    fn version_two_passes_controllers_on() {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path().join("cg");
        fs::create_dir_all(mount.join("me")).unwrap();
        fs::write(mount.join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        fs::write(mount.join("me/cgroup.subtree_control"), "").unwrap();
        let hierarchy = Hierarchy {
            mount: mount.clone(),
            own: mount.join("me"),
            controllers: vec![],
            unified: true,
        };
        assert_eq!(
            hierarchy.make_v2("x", "memory", None).unwrap(),
            mount.join("me/x")
        );
        assert_eq!(
            fs::read_to_string(mount.join("me/cgroup.subtree_control")).unwrap(),
            "+memory"
        );
        fs::remove_file(mount.join("me/cgroup.subtree_control")).unwrap();
        assert_eq!(
            hierarchy.make_v2("y", "memory", None).unwrap(),
            mount.join("y"),
            "the top, where the own one cannot"
        );
    }
}
