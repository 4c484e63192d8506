//! Starts the container helper, hands commands to it and turns what comes back into results.
//! Knows nothing of what happens inside the helper.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lapstrake_llb::SecurityMode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, MemfdFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::cancel::CancelToken;
use super::cgroup::{PREFIX, process_id};
use super::error::ExecError;
use super::hosts::{DEFAULT_HOSTNAME, Resolving, has_name_server, hosts_file, resolv_conf};
use super::layer::remove_work;
use super::message::{Hello, Job, Launch, connection, send};
use super::network::{Connection, FoundTool, NetworkTools};
use super::pump::Watch;
use super::request::{ExecRequest, ExecStatus, Network, Output, Warning};
use super::state::{discards, leftovers, prepare_state, written};
use super::sys;

/// How containers are run.
#[derive(Debug, Clone, Default)]
pub struct RunnerOptions {
    /// The helper process.
    pub helper: HelperCommand,
    /// What carries the OCI runtime specification out.
    pub runtime: Runtime,
    /// What keeps containers from opening the machine's devices.
    pub devices: DeviceControl,
    /// What connects networks of commands' own.
    pub network: NetworkTools,
}

/// A command that calls [`helper_main`](super::helper_main) and nothing else.
#[derive(Debug, Clone)]
pub struct HelperCommand {
    /// Program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// All its variables: none of this process's, among which there may be secrets.
    pub env: Vec<(OsString, OsString)>,
}

impl Default for HelperCommand {
    /// This program itself, with the argument `__container`.
    fn default() -> HelperCommand {
        HelperCommand {
            program: "/proc/self/exe".into(),
            args: vec!["__container".into()],
            env: Vec::new(),
        }
    }
}

/// What carries an OCI runtime specification out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runtime {
    /// The helper itself.
    #[default]
    BuiltIn,
    /// A program with the command line of runc.
    External(PathBuf),
}

/// What keeps containers from opening the machine's devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceControl {
    /// The first of the others that works.
    #[default]
    Auto,
    /// The controller `devices` of cgroups version 1.
    CgroupV1,
    /// A program on a cgroup of version 2.
    CgroupV2,
    /// Mounts on which devices cannot be opened. Commands that make devices and use them, such as
    /// debootstrap, do not work.
    Mounts,
}

/// Runs commands in containers. Can be used by several threads at once; dropping it kills what runs.
#[derive(Debug)]
pub struct Runner {
    options: RunnerOptions,
    id: String,
    steps: AtomicU64,
    /// None: not started yet, or found dead.
    helper: Mutex<Option<Arc<Helper>>>,
    /// What connects networks; unset: no command has needed to know.
    tool: OnceLock<Option<FoundTool>>,
    /// Whether it was said that there is none.
    told_no_tool: AtomicBool,
}

/// A network that a command gets.
struct ChosenNetwork {
    kind: Network,
    tool: Option<FoundTool>,
    warning: Option<Warning>,
}

#[derive(Debug)]
struct Helper {
    /// None only while it is dropped.
    socket: Option<OwnedFd>,
    process: Child,
}

impl Drop for Helper {
    fn drop(&mut self) {
        // The end of the connection makes it kill everything, clean up and end. A process that waits for a
        // disk cannot be killed: it, and the helper, end when they can.
        self.socket = None;
        let patience = Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let ended = pidfd_open(Pid::from_child(&self.process), PidfdFlags::empty())
            .and_then(|pidfd| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience)));
        if ended != Ok(0) {
            let _ = self.process.wait();
        }
    }
}

impl Runner {
    /// Makes a runner. Nothing is started before it is needed.
    pub fn new(options: RunnerOptions) -> Runner {
        static RUNNERS: AtomicU64 = AtomicU64::new(0);
        let id = format!(
            "{}-{}",
            process_id(std::process::id()),
            RUNNERS.fetch_add(1, Ordering::Relaxed)
        );
        Runner {
            options,
            id,
            steps: AtomicU64::new(0),
            helper: Mutex::new(None),
            tool: OnceLock::new(),
            told_no_tool: AtomicBool::new(false),
        }
    }

    /// Runs a command to its end and hands its output to `output` as it comes.
    ///
    /// A command that fails is no error: see [`ExecStatus::is_success`]. When this returns, in whatever way,
    /// no process of the command is left, nothing is mounted, and the work and state directories are cleaned
    /// up. After `Ok` the upper directories are layers in overlayfs' form; they have not been written out to
    /// the disk.
    pub fn run(
        &self,
        request: &ExecRequest,
        output: &mut dyn FnMut(Output<'_>),
        cancel: &CancelToken,
    ) -> Result<ExecStatus, ExecError> {
        check(request)?;
        if cancel.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        let name = format!(
            "{PREFIX}{}-{}",
            self.id,
            self.steps.fetch_add(1, Ordering::Relaxed)
        );
        prepare_state(request)?;
        let result = self.network(request.network).and_then(|network| {
            let watch = self.launch(request, &name, network.kind, network.tool)?;
            let mut seen = watch.until_end(request.timeout, cancel, output)?;
            seen.warnings.splice(..0, network.warning);
            Ok(seen)
        });
        discards(request, &name).for_each(|dir| {
            let _ = remove_work(&dir.join("work"));
            // The caller removes the directory around it in the end: what stays for some reason is in
            // nobody's way.
            let _ = lapstrake_store::remove_tree(&dir);
        });
        let layers = written(request);
        let seen = match result {
            Ok(seen) => seen,
            Err(error) => {
                layers.iter().for_each(|(_, layer)| drop(remove_work(layer.work)));
                return Err(error);
            }
        };
        for (reference, layer) in layers {
            layer.finish(seen.stubs.iter().filter(|s| s.layer == reference))?;
        }
        Ok(ExecStatus {
            exit: seen.exit,
            out_of_memory: seen.out_of_memory,
            warnings: seen.warnings,
        })
    }

    /// What becomes of a wish on this machine.
    fn network(&self, wanted: Network) -> Result<ChosenNetwork, ExecError> {
        let chosen = |kind| ChosenNetwork {
            kind,
            tool: None,
            warning: None,
        };
        if wanted != Network::Isolated {
            return Ok(chosen(wanted));
        }
        let tools = &self.options.network;
        match (self.tool.get_or_init(|| tools.find()), tools.only) {
            (Some(found), _) => Ok(ChosenNetwork {
                tool: Some(found.clone()),
                ..chosen(wanted)
            }),
            (None, Some(tool)) => Err(ExecError::NoNetworkTool { tool }),
            (None, None) => {
                let first = !self.told_no_tool.swap(true, Ordering::Relaxed);
                Ok(ChosenNetwork {
                    warning: first.then_some(Warning::HostNetwork),
                    ..chosen(Network::Host)
                })
            }
        }
    }

    fn launch(
        &self,
        request: &ExecRequest,
        name: &str,
        network: Network,
        tool: Option<FoundTool>,
    ) -> Result<Watch, ExecError> {
        let hostname = request
            .op
            .hostname
            .as_deref()
            .filter(|h| !h.is_empty())
            .unwrap_or(DEFAULT_HOSTNAME);
        let resolver = tool.as_ref().map(|found| found.tool.resolver());
        let resolv_conf = resolv_conf(match network {
            Network::Host => Resolving::Machine,
            Network::Loopback | Network::Isolated => Resolving::Elsewhere(resolver),
        });
        let connected = tool.map(|found| Connection {
            forward_names: has_name_server(&resolv_conf, found.tool.resolver()),
            found,
        });
        let job = Job {
            hosts: hosts_file(hostname, &request.op.extra_hosts),
            resolv_conf,
            request: ExecRequest {
                network,
                ..request.clone()
            },
        };
        let job = postcard::to_allocvec(&job).map_err(|source| ExecError::Encode { source })?;
        let launch = Launch {
            name: name.to_owned(),
            limits: request.resources.clone(),
            cgroup_parent: request.op.cgroup_parent.clone().filter(|p| !p.is_empty()),
            all_devices: request.op.security == SecurityMode::Insecure,
            devices: request.devices.clone(),
            connection: connected,
            leftovers: leftovers(request, name),
        };
        let failed = |source: io::Error| ExecError::Helper { source };
        let job = in_memory(&job).map_err(failed)?;
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()));
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let (control, control_end) = connection().map_err(failed)?;
        let descriptors = [
            control_end.as_fd(),
            job.as_fd(),
            stdout_end.as_fd(),
            stderr_end.as_fd(),
        ];
        let send_to = |helper: &Helper| match &helper.socket {
            Some(socket) => send(socket, &launch, &descriptors),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        let helper = self.helper()?;
        match send_to(&helper) {
            Err(error) if is_disconnected(&error) => {
                // It was killed since the last step: another one is as good.
                self.forget(&helper);
                send_to(&*self.helper()?).map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        Ok(Watch {
            control,
            stdout: Some(stdout),
            stderr: Some(stderr),
        })
    }

    fn helper(&self) -> Result<Arc<Helper>, ExecError> {
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*helper {
            return Ok(running.clone());
        }
        let new = Arc::new(self.start()?);
        *helper = Some(new.clone());
        Ok(new)
    }

    fn forget(&self, dead: &Arc<Helper>) {
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        if helper.as_ref().is_some_and(|known| Arc::ptr_eq(known, dead)) {
            *helper = None;
        }
    }

    fn start(&self) -> Result<Helper, ExecError> {
        let HelperCommand { program, args, env } = &self.options.helper;
        let (socket, end) = connection().map_err(|source| ExecError::Helper { source })?;
        let unwritable = unwritable(program);
        let process = Command::new(unwritable.as_ref().map_or(program.clone(), own_path))
            .arg0(program)
            .args(args)
            .env_clear()
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(end))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(|source| ExecError::StartHelper {
                program: program.clone(),
                source,
            })?;
        let hello = Hello {
            id: self.id.clone(),
            runtime: self.options.runtime.clone(),
            devices: self.options.devices,
        };
        let helper = Helper {
            socket: Some(socket),
            process,
        };
        if let Some(socket) = &helper.socket {
            send(socket, &hello, &[]).map_err(|source| ExecError::Helper { source })?;
        }
        Ok(helper)
    }
}

/// The program over a mount that nothing can be written through, where this process may make one. A step whose
/// first program is told to be `/proc/self/exe` is a copy of the helper, and could else overwrite it.
fn unwritable(program: &Path) -> Option<OwnedFd> {
    read_only_mount(program).or_else(|| {
        // Root of a user namespace may only in a mount namespace of it, which a thread of its own can be in.
        let in_own_mounts = || {
            sys::unshare_namespaces(UnshareFlags::NEWNS).ok()?;
            read_only_mount(program)
        };
        std::thread::scope(|scope| scope.spawn(in_own_mounts).join().ok().flatten())
    })
}

fn read_only_mount(program: &Path) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, program, flags).ok()?;
    sys::set_mount_attributes(&tree, sys::mount_attr::READ_ONLY, false).ok()?;
    Some(tree)
}

fn own_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn is_disconnected(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

/// Bytes in a file that is nowhere.
fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("lapstrake-step", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

fn check(request: &ExecRequest) -> Result<(), ExecError> {
    let invalid = |what| Err(ExecError::InvalidRequest { what });
    if request.op.args.is_empty() {
        return invalid("a command needs arguments");
    }
    if !request.op.cwd.is_empty() && !request.op.cwd.starts_with('/') {
        return invalid("the working directory is not absolute");
    }
    if request
        .mounts
        .iter()
        .any(|m| !m.target.starts_with('/') || Path::new(&m.target) == Path::new("/"))
    {
        return invalid("a mount's target is not an absolute path below the root");
    }
    let state_dir = [request.state_dir.clone()];
    if leftovers(request, "")
        .iter()
        .chain(&request.root.lower)
        .chain(&state_dir)
        .any(|path| path.is_relative())
    {
        return invalid("a directory is not absolute");
    }
    Ok(())
}
