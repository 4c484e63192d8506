//! The first process of a container: makes the namespaces, has the bundle put together and the plan made,
//! carries it out on itself and becomes the command's program. Runs in a process that has nothing else to do.
//! Knows nothing of other steps.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lapstrake_llb::SecurityMode;
use oci_spec::runtime::Spec;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{fchdir, setsid, umask};
use rustix::thread::UnshareFlags;

use super::bundle::{Bundle, Surroundings};
use super::capabilities::DEFAULT_CAPABILITIES;
use super::cgroup::{Cgroups, StepCgroups};
use super::error::SetupError;
use super::external;
use super::message::{Failure, Job, Report, send};
use super::mounts;
use super::network::GateKey;
use super::plan::{DeviceRule, Facts, plan};
use super::process::{Filters, Program, restrict};
use super::request::{ExecRequest, Network, Warning};
use super::run::Runtime;
use super::seccomp;
use super::sys::{self, SockFilter};
use super::target::{Make, Root, file_type, open_in};
use super::user::{ResolvedUser, resolve_user};

/// What is the same for all containers of a helper.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) runtime: Runtime,
    pub(crate) cgroups: Cgroups,
    /// Of the default profile; empty: there is none for this machine.
    pub(crate) filter: Vec<SockFilter>,
    /// Holds the calls that begin with a network; empty: there is none for this machine.
    pub(crate) gate_filter: Vec<SockFilter>,
    pub(crate) user_namespace: bool,
}

/// What one container is given.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) control: OwnedFd,
    pub(crate) job: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// To have its own network connected by.
    pub(crate) gate: Option<OwnedFd>,
    pub(crate) cgroups: StepCgroups,
    /// Unique on this machine, with the start that all our cgroups have.
    pub(crate) name: String,
}

/// Becomes the program of the job, or says why not and ends.
pub(crate) fn run(container: &Container, machine: &Machine) -> ! {
    let failure = match catch_unwind(AssertUnwindSafe(|| start(container, machine))) {
        Ok(Err(failure)) => failure,
        Ok(Ok(never)) => match never {},
        Err(_) => Failure::Setup(SetupError::Request),
    };
    // Nobody to tell it to is no reason to stay.
    let _ = send(&container.control, &Report::Failed(failure), &[]);
    sys::exit_now(1)
}

fn start(container: &Container, machine: &Machine) -> Result<Infallible, Failure> {
    sys::reset_signals();
    umask(Mode::empty());
    // Fails only for a leader of a process group, which a new process is not.
    let _ = setsid();
    let job = read_job(&container.job)?;
    let request = &job.request;
    let insecure = request.op.security == SecurityMode::Insecure;

    container
        .cgroups
        .join()
        .map_err(SetupError::system("enter the cgroups of the command"))?;
    if insecure {
        machine
            .cgroups
            .leave_device_control()
            .map_err(SetupError::system("leave the cgroup without devices"))?;
    }
    make_namespaces(request.network)?;
    let gate = container.gate.as_ref().map(GateKey::new).transpose()?;

    let surroundings = Surroundings {
        no_devices: !machine.cgroups.control_devices() && !insecure,
        user_namespace: machine.user_namespace,
    };
    let mut bundle = Bundle::assemble(&job, &container.name, surroundings)?;
    let mut user = user_of(request, &bundle.root)?;
    user.groups.extend(&request.groups);
    let external = match &machine.runtime {
        Runtime::BuiltIn => None,
        Runtime::External(program) => Some(program),
    };
    let facts = Facts {
        root: bundle.root_dir(),
        root_read_only: request.root.read_only,
        user,
        mounts: std::mem::take(&mut bundle.mounts),
        device_mounts: std::mem::take(&mut bundle.device_mounts),
        devices: request.devices.iter().map(DeviceRule::of_node).collect(),
        secret_env: request.secret_env.clone(),
        network: request.network,
        no_new_privileges: request.no_new_privileges,
        no_devices: surroundings.no_devices,
        unified_cgroups: machine.cgroups.unified(),
        cgroup_path: external.map(|_| Path::new("/").join(&container.name)),
        limits: external.and(request.resources.clone()),
        seccomp: match external {
            Some(_) => seccomp::oci_profile(DEFAULT_CAPABILITIES).map_err(|_| SetupError::Request)?,
            None => None,
        },
    };
    let spec = plan(&request.op, facts)?;
    if machine.filter.is_empty() && !insecure {
        report(container, &Report::Warning(Warning::NoSeccomp))?;
    }
    let filters = Filters::new(machine, insecure, gate);
    match external {
        Some(program) => {
            filters.connect_now()?;
            external::run(program, bundle, &spec, container)
        }
        None => carry_out(&spec, bundle, container, surroundings, filters),
    }
}

fn read_job(fd: &OwnedFd) -> Result<Job, SetupError> {
    let mut bytes = Vec::new();
    fd.try_clone()
        .and_then(|fd| File::from(fd).read_to_end(&mut bytes))
        .map_err(SetupError::system("read the request"))?;
    postcard::from_bytes(&bytes).map_err(|_| SetupError::Request)
}

fn report(container: &Container, report: &Report) -> Result<(), SetupError> {
    send(&container.control, report, &[]).map_err(SetupError::system("talk to the engine"))
}

/// Tells the engine, in pieces that fit into messages, which mount points were made.
pub(crate) fn report_stubs(container: &Container, root: Root) -> Result<(), SetupError> {
    const AT_ONCE: usize = 16;
    root.into_stubs()
        .chunks(AT_ONCE)
        .try_for_each(|stubs| report(container, &Report::Stubs(stubs.to_vec())))
}

fn make_namespaces(network: Network) -> Result<(), SetupError> {
    let mut namespaces =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if network != Network::Host {
        namespaces |= UnshareFlags::NEWNET;
    }
    sys::unshare_namespaces(namespaces)
        // A kernel may be built without cgroup namespaces.
        .or_else(|_| sys::unshare_namespaces(namespaces.difference(UnshareFlags::NEWCGROUP)))
        .map_err(|e| SetupError::Namespaces { source: e.into() })?;
    if network != Network::Host {
        sys::loopback_up().map_err(SetupError::system("switch the loopback interface on"))?;
    }
    Ok(())
}

/// No image has more users than fit in this.
const MOST_USERS: u64 = 16 << 20;

fn user_of(request: &ExecRequest, root: &Root) -> Result<ResolvedUser, SetupError> {
    let read = |path: &str| {
        let mut bytes = Vec::new();
        // Not existing, not being a file or not being readable: nobody is known by name.
        if let Ok(fd) = open_in(root.as_fd(), path, OFlags::RDONLY | OFlags::NONBLOCK) {
            let _ = File::from(fd).take(MOST_USERS).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let user = request.op.user.as_deref();
    resolve_user(user, &read("etc/passwd"), &read("etc/group")).map_err(|source| SetupError::User {
        user: user.unwrap_or_default().to_owned(),
        source,
    })
}

/// Does by itself what the specification says.
fn carry_out(
    spec: &Spec,
    bundle: Bundle,
    container: &Container,
    surroundings: Surroundings,
    filters: Filters<'_>,
) -> Result<Infallible, Failure> {
    let (Some(process), Some(linux)) = (spec.process(), spec.linux()) else {
        return Err(SetupError::Request.into());
    };
    let covers = bundle.make_covers(surroundings)?;
    let mut root = bundle.root;
    for mount in spec.mounts().iter().flatten() {
        mounts::attach(&mut root, mount, surroundings)?;
    }
    let cwd = process.cwd().to_string_lossy();
    let make = Make::Directory {
        uid: process.user().uid(),
        gid: process.user().gid(),
    };
    let cwd_failed = |e: Errno| SetupError::Cwd {
        cwd: cwd.to_string(),
        source: e.into(),
    };
    let cwd_fd = root.open_or_make(&cwd, make).map_err(cwd_failed)?;

    mounts::protect(&root, linux.readonly_paths().as_deref().unwrap_or_default())?;
    mounts::mask(
        &root,
        linux.masked_paths().as_deref().unwrap_or_default(),
        &covers,
    )?;
    mounts::enter(&root)?;
    report_stubs(container, root)?;
    if let Some(name) = spec.hostname() {
        rustix::system::sethostname(name.as_bytes()).map_err(SetupError::system("set the host name"))?;
    }
    if spec.root().as_ref().and_then(|r| r.readonly()) == Some(true) {
        mounts::protect_root()?;
    }
    fchdir(&cwd_fd).map_err(cwd_failed)?;
    drop(cwd_fd);

    let program = Program::new(process)?;
    connect_stdio(container)?;
    umask(Mode::from_raw_mode(0o022));
    restrict(process, filters)?;
    sys::close_others(container.control.as_fd()).map_err(SetupError::system("close descriptors"))?;
    Err(Failure::Program(program.execute()))
}

/// stdin is empty, stdout and stderr go to the engine.
pub(crate) fn connect_stdio(container: &Container) -> Result<(), SetupError> {
    let stdin = null()
        .or_else(|_| empty_pipe())
        .map_err(SetupError::system("make an empty stdin"))?;
    [
        (stdin.as_fd(), 0),
        (container.stdout.as_fd(), 1),
        (container.stderr.as_fd(), 2),
    ]
    .into_iter()
    .try_for_each(|(fd, target)| sys::replace_stdio(fd, target))
    .map_err(SetupError::system("connect stdin, stdout and stderr"))
}

/// The container's own /dev/null, and nothing else of that name: its owner can change it.
fn null() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open("/dev/null", flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    if file_type(&stat) != FileType::CharacterDevice || stat.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(Errno::NODEV);
    }
    Ok(opened)
}

fn empty_pipe() -> Result<OwnedFd, Errno> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map(|(reader, _)| reader)
}
