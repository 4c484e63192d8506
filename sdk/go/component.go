package lapstrake

import (
	"errors"

	exports "github.com/lapstrake/lapstrake/sdk/go/internal/bindings/exports/export_lapstrake_frontend_frontend"
	"github.com/lapstrake/lapstrake/sdk/go/internal/wit/types"
)

// Register says which frontend the component is. A program does so once, in an init function.
func Register(frontend Frontend) {
	exports.This = component{frontend, newHost()}
}

// A component answers the contract's calls with what the frontend has. What it lacks is unsupported.
type component struct {
	frontend Frontend
	host     Host
}

type answer[T any] = exports.Answer[T]

// Makes an answer of what a call gives. What panics leaves as the contract's error: a component that only traps says nothing.
func guarded[T any](call func() (T, error)) (out answer[T]) {
	defer func() {
		if problem := recover(); problem != nil {
			out = types.Err[T](reason(panicked(problem)))
		}
	}()
	value, err := call()
	if err != nil {
		return types.Err[T](reason(err))
	}
	return types.Ok[T, BuildError](value)
}

// Calls a frontend that can do something, or says that it cannot.
func ask[I, T any](frontend Frontend, what string, call func(I) (T, error)) answer[T] {
	return guarded(func() (T, error) {
		able, ok := frontend.(I)
		if !ok {
			var none T
			return none, Unsupported(what)
		}
		return call(able)
	})
}

func (c component) Describe() FrontendInfo { return c.frontend.Describe() }

func (c component) Build(request Request) answer[BuildResult] {
	return ask(c.frontend, "building by itself", func(frontend Builder) (BuildResult, error) {
		return frontend.Build(c.host, &request)
	})
}

func (c component) Lint(request Request) answer[Report] {
	if _, ok := c.frontend.(Linter); ok {
		return ask(c.frontend, "", func(frontend Linter) (Report, error) { return frontend.Lint(c.host, &request) })
	}
	return ask(c.frontend, "building by itself", func(frontend Builder) (Report, error) {
		built, err := frontend.Build(c.host, &request)
		failed, ok := errors.AsType[*BuildFailed](err)
		if ok && failed.Reason.Tag() == BuildErrorInvalid {
			return failed.Reason.Invalid(), nil
		}
		return built.Warnings, err
	})
}

func (c component) GetOutline(request Request) answer[Outline] {
	return ask(c.frontend, "outlines", func(frontend Outliner) (Outline, error) {
		return frontend.Outline(c.host, &request)
	})
}

func (c component) ListTargets(request Request) answer[[]TargetInfo] {
	return ask(c.frontend, "listing targets", func(frontend TargetLister) ([]TargetInfo, error) {
		return frontend.ListTargets(c.host, &request)
	})
}

func (c component) Call(name string, request Request) answer[CallResult] {
	return ask(c.frontend, `the call "`+name+`"`, func(frontend Caller) (CallResult, error) {
		return frontend.Call(c.host, name, &request)
	})
}

func (c component) Completions(request Request, file uint32, at Position) answer[[]Completion] {
	return guarded(func() ([]Completion, error) {
		if frontend, ok := c.frontend.(Completer); ok {
			return frontend.Completions(c.host, &request, file, at)
		}
		return nil, nil
	})
}

func (c component) GetHover(request Request, file uint32, at Position) answer[Option[Hover]] {
	return guarded(func() (Option[Hover], error) {
		if frontend, ok := c.frontend.(Hoverer); ok {
			hover, err := frontend.Hover(c.host, &request, file, at)
			return optional(hover), err
		}
		return None[Hover](), nil
	})
}

func (c component) RewriteSources(request Request) answer[Rewritten] {
	return ask(c.frontend, "rewriting sources", func(frontend SourceRewriter) (Rewritten, error) {
		return frontend.RewriteSources(c.host, &request)
	})
}

func (c component) RewriteImages(request Request, images []ImageRequest) answer[[]ImageRequest] {
	return ask(c.frontend, "rewriting images", func(frontend ImageRewriter) ([]ImageRequest, error) {
		return frontend.RewriteImages(c.host, &request, images)
	})
}

func (c component) RewriteResult(request Request, built BuildResult) answer[BuildResult] {
	return ask(c.frontend, "rewriting results", func(frontend ResultRewriter) (BuildResult, error) {
		return frontend.RewriteResult(c.host, &request, built)
	})
}
