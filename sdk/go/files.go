package lapstrake

import "slices"

// Files are changes of files, one after another, that Done adds to the graph as one vertex. Relative paths are below the state's
// working directory. The functions that methods take can set more of an action.
type Files struct {
	state   State
	actions []FileAction
}

// Copy copies from another tree, parents of the target included.
func (f *Files) Copy(tree State, source, target string, set ...func(*CopyAction)) *Files {
	action := CopyAction{
		Src:           input(tree),
		SrcPath:       JoinPath("/", source),
		DstPath:       JoinPathKeepingSlash(f.state.directory, target),
		CreateDstPath: true,
	}
	apply(&action, set)
	return f.Action(MakeFileActionKindCopy(action))
}

// Write writes a file.
func (f *Files) Write(path, data string, set ...func(*MkfileAction)) *Files {
	action := MkfileAction{Path: f.path(path), Data: []byte(data), Mode: 0o644}
	apply(&action, set)
	return f.Action(MakeFileActionKindMkfile(action))
}

// Mkdir makes a directory and its missing parents.
func (f *Files) Mkdir(path string, set ...func(*MkdirAction)) *Files {
	action := MkdirAction{Path: f.path(path), Mode: 0o755, MakeParents: true}
	apply(&action, set)
	return f.Action(MakeFileActionKindMkdir(action))
}

// Rm removes a file or directory, which must be there.
func (f *Files) Rm(path string, set ...func(*RmAction)) *Files {
	action := RmAction{Path: f.path(path)}
	apply(&action, set)
	return f.Action(MakeFileActionKindRm(action))
}

// Symlink makes a symbolic link at a path that says target.
func (f *Files) Symlink(target, path string, set ...func(*SymlinkAction)) *Files {
	action := SymlinkAction{Target: target, Path: f.path(path)}
	apply(&action, set)
	return f.Action(MakeFileActionKindSymlink(action))
}

// Action adds any change, as it is.
func (f *Files) Action(kind FileActionKind) *Files {
	base := input(f.state)
	if last := len(f.actions) - 1; last >= 0 {
		base = MakeFileInputAction(uint32(last))
	}
	f.actions = append(f.actions, FileAction{Base: base, Kind: kind})
	return f
}

// Done adds the changes and gives the tree after the last one, with the state's surroundings.
func (f *Files) Done() State {
	if len(f.actions) == 0 {
		return f.state
	}
	actions := slices.Clone(f.actions)
	actions[len(actions)-1].Output = true
	return f.state.WithEdge(Edge{Vertex: f.state.graph.Vertex(MakeOpFile(actions), nil)})
}

func (f *Files) path(path string) string {
	return JoinPath(f.state.directory, path)
}

func input(tree State) FileInput {
	if edge, ok := tree.Edge(); ok {
		return MakeFileInputEdge(edge)
	}
	return MakeFileInputScratch()
}
