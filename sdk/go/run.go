package lapstrake

import "slices"

// A Run is a command that is about to be added to the graph; Root or Trees adds it. What has no method is a field of Op.
type Run struct {
	// Op is the command so far.
	Op    ExecOp
	state State
}

// Env sets an environment variable for this command alone.
func (r *Run) Env(key, value string) *Run {
	r.Op.Env = SetPair(r.Op.Env, key, value)
	return r
}

// Dir sets the working directory for this command alone.
func (r *Run) Dir(path string) *Run {
	r.Op.Cwd = JoinPath(r.Op.Cwd, path)
	return r
}

// User sets the user for this command alone.
func (r *Run) User(user string) *Run {
	r.Op.User = Some(user)
	return r
}

// Network sets the network: [NetworkModeSandbox], [NetworkModeHostNetwork] or [NetworkModeNoNetwork].
func (r *Run) Network(network NetworkMode) *Run {
	r.Op.Network = network
	return r
}

// Mount shows a tree at a target. What the command writes there is a tree of its own, which Trees gives.
func (r *Run) Mount(target string, tree State) *Run {
	return r.MountKind(target, MakeMountKindBind(BindMount{Input: tree.edge, Output: true}))
}

// MountReadOnly shows a tree at a target, where nothing can be written.
func (r *Run) MountReadOnly(target string, tree State) *Run {
	return r.MountKind(target, MakeMountKindBind(BindMount{Input: tree.edge, ReadOnly: true}))
}

// Cache shows a directory at a target that later builds see again under the same id. A function can set more of it.
func (r *Run) Cache(target, id string, set ...func(*CacheMount)) *Run {
	cache := CacheMount{Id: id}
	apply(&cache, set)
	return r.MountKind(target, MakeMountKindCache(cache))
}

// Secret shows a secret as a file that its owner, root, alone may read. A function can set more of it.
func (r *Run) Secret(target, id string, set ...func(*SecretMount)) *Run {
	secret := SecretMount{Id: id, Mode: 0o400}
	apply(&secret, set)
	return r.MountKind(target, MakeMountKindSecret(secret))
}

// SecretEnv gives the command a secret as an environment variable.
func (r *Run) SecretEnv(name, id string) *Run {
	r.Op.SecretEnvs = append(r.Op.SecretEnvs, SecretEnv{Name: name, SecretId: id})
	return r
}

// SSH shows the socket of an SSH agent, which its owner, root, alone may use. A function can set more of it.
func (r *Run) SSH(target, id string, set ...func(*SshMount)) *Run {
	ssh := SshMount{Id: id, Mode: 0o600}
	apply(&ssh, set)
	return r.MountKind(target, MakeMountKindSsh(ssh))
}

// Tmpfs shows an empty directory in memory, of a size in bytes; 0: the system's own limit.
func (r *Run) Tmpfs(target string, size uint64) *Run {
	var tmpfs TmpfsMount
	if size > 0 {
		tmpfs.Size = Some(size)
	}
	return r.MountKind(target, MakeMountKindTmpfs(tmpfs))
}

// MountKind adds any mount. A relative target is below the working directory.
func (r *Run) MountKind(target string, kind MountKind) *Run {
	r.Op.Mounts = append(r.Op.Mounts, Mount{Target: JoinPath(r.Op.Cwd, target), Kind: kind})
	return r
}

// Root adds the command and gives the root tree after it, with the state's surroundings.
func (r *Run) Root() State {
	return r.Trees()["/"]
}

// Trees adds the command and gives the trees that it leaves, by the targets of the bind mounts.
func (r *Run) Trees() map[string]State {
	op := r.Op
	// What is changed in the command from now on is another command.
	op.Args, op.Env, op.Mounts = slices.Clone(op.Args), slices.Clone(op.Env), slices.Clone(op.Mounts)
	vertex := r.state.graph.Vertex(MakeOpExec(op), r.state.platform)
	trees := make(map[string]State)
	output := uint32(0)
	for _, mount := range op.Mounts {
		if mount.Kind.Tag() != MountKindBind {
			continue
		}
		bind := mount.Kind.Bind()
		after := r.state
		if bind.Output {
			after.edge = Some(Edge{Vertex: vertex, Output: output})
			output++
		} else {
			after.edge = bind.Input
		}
		trees[mount.Target] = after
	}
	return trees
}
