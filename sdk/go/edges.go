package lapstrake

import "slices"

// Gives an op with its edges changed. The old one stays as it is.
func mapEdges(op Op, change func(Edge) Edge) Op {
	switch op.Tag() {
	case OpExec:
		exec := op.Exec()
		exec.Mounts = slices.Clone(exec.Mounts)
		for i := range exec.Mounts {
			exec.Mounts[i].Kind = mapMount(exec.Mounts[i].Kind, change)
		}
		return MakeOpExec(exec)
	case OpFile:
		actions := slices.Clone(op.File())
		for i := range actions {
			actions[i].Base = mapInput(actions[i].Base, change)
			if actions[i].Kind.Tag() == FileActionKindCopy {
				action := actions[i].Kind.Copy()
				action.Src = mapInput(action.Src, change)
				actions[i].Kind = MakeFileActionKindCopy(action)
			}
		}
		return MakeOpFile(actions)
	case OpMerge:
		edges := slices.Clone(op.Merge())
		for i := range edges {
			edges[i] = change(edges[i])
		}
		return MakeOpMerge(edges)
	case OpDiff:
		diff := op.Diff()
		return MakeOpDiff(DiffOp{Lower: mapOptional(diff.Lower, change), Upper: mapOptional(diff.Upper, change)})
	case OpBuild:
		build := op.Build()
		build.Input = change(build.Input)
		return MakeOpBuild(build)
	}
	return op
}

func mapMount(kind MountKind, change func(Edge) Edge) MountKind {
	switch kind.Tag() {
	case MountKindBind:
		bind := kind.Bind()
		bind.Input = mapOptional(bind.Input, change)
		return MakeMountKindBind(bind)
	case MountKindCache:
		cache := kind.Cache()
		cache.Input = mapOptional(cache.Input, change)
		return MakeMountKindCache(cache)
	}
	return kind
}

func mapInput(input FileInput, change func(Edge) Edge) FileInput {
	if input.Tag() == FileInputEdge {
		return MakeFileInputEdge(change(input.Edge()))
	}
	return input
}

func mapOptional(edge Option[Edge], change func(Edge) Edge) Option[Edge] {
	if edge.IsSome() {
		return Some(change(edge.Some()))
	}
	return edge
}
