// Package export_lapstrake_frontend_frontend is what the generated exports call, by the name that they call it by. The frontend
// that the component is has put itself into This.
package export_lapstrake_frontend_frontend

import (
	"github.com/lapstrake/lapstrake/sdk/go/internal/bindings/imports/lapstrake_frontend_diagnostics"
	"github.com/lapstrake/lapstrake/sdk/go/internal/bindings/imports/lapstrake_frontend_frontend"
	"github.com/lapstrake/lapstrake/sdk/go/internal/bindings/imports/lapstrake_frontend_llb"
	"github.com/lapstrake/lapstrake/sdk/go/internal/bindings/imports/lapstrake_frontend_requests"
	"github.com/lapstrake/lapstrake/sdk/go/internal/wit/types"
)

// Short names of what every call has.
type (
	Answer[T any] = types.Result[T, lapstrake_frontend_requests.BuildError]
	Request       = lapstrake_frontend_requests.Request
	Position      = lapstrake_frontend_llb.Position
)

// Exports are the calls of the contract.
type Exports interface {
	Describe() lapstrake_frontend_frontend.FrontendInfo
	Build(Request) Answer[lapstrake_frontend_requests.BuildResult]
	Lint(Request) Answer[lapstrake_frontend_diagnostics.Report]
	GetOutline(Request) Answer[lapstrake_frontend_frontend.Outline]
	ListTargets(Request) Answer[[]lapstrake_frontend_frontend.TargetInfo]
	Call(string, Request) Answer[lapstrake_frontend_frontend.CallResult]
	Completions(Request, uint32, Position) Answer[[]lapstrake_frontend_frontend.Completion]
	GetHover(Request, uint32, Position) Answer[types.Option[lapstrake_frontend_frontend.Hover]]
	RewriteSources(Request) Answer[lapstrake_frontend_frontend.Rewritten]
	RewriteImages(Request, []lapstrake_frontend_requests.ImageRequest) Answer[[]lapstrake_frontend_requests.ImageRequest]
	RewriteResult(Request, lapstrake_frontend_requests.BuildResult) Answer[lapstrake_frontend_requests.BuildResult]
}

// This is the frontend.
var This Exports

func Describe() lapstrake_frontend_frontend.FrontendInfo { return This.Describe() }

func Build(request Request) Answer[lapstrake_frontend_requests.BuildResult] {
	return This.Build(request)
}

func Lint(request Request) Answer[lapstrake_frontend_diagnostics.Report] { return This.Lint(request) }

func GetOutline(request Request) Answer[lapstrake_frontend_frontend.Outline] {
	return This.GetOutline(request)
}

func ListTargets(request Request) Answer[[]lapstrake_frontend_frontend.TargetInfo] {
	return This.ListTargets(request)
}

func Call(name string, request Request) Answer[lapstrake_frontend_frontend.CallResult] {
	return This.Call(name, request)
}

func Completions(request Request, file uint32, at Position) Answer[[]lapstrake_frontend_frontend.Completion] {
	return This.Completions(request, file, at)
}

func GetHover(request Request, file uint32, at Position) Answer[types.Option[lapstrake_frontend_frontend.Hover]] {
	return This.GetHover(request, file, at)
}

func RewriteSources(request Request) Answer[lapstrake_frontend_frontend.Rewritten] {
	return This.RewriteSources(request)
}

func RewriteImages(request Request, images []lapstrake_frontend_requests.ImageRequest) Answer[[]lapstrake_frontend_requests.ImageRequest] {
	return This.RewriteImages(request, images)
}

func RewriteResult(request Request, built lapstrake_frontend_requests.BuildResult) Answer[lapstrake_frontend_requests.BuildResult] {
	return This.RewriteResult(request, built)
}
