package lapstrake

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// A BuildFailed is the error of a build that cannot be done, as the contract has it.
type BuildFailed struct {
	// Reason is one of the contract's build errors.
	Reason BuildError
}

// Error tells the reason in a line; diagnostics are told by their first message.
func (e *BuildFailed) Error() string {
	switch e.Reason.Tag() {
	case BuildErrorInvalid:
		items := e.Reason.Invalid().Items
		if len(items) == 0 {
			return "the source is wrong"
		}
		return fmt.Sprintf("%s (%d in all)", items[0].Message, len(items))
	case BuildErrorUnknownTarget:
		return "there is no target " + e.Reason.UnknownTarget()
	case BuildErrorHostFailed:
		return e.Reason.HostFailed()
	case BuildErrorUnsupported:
		return "the frontend does not support " + e.Reason.Unsupported()
	}
	return e.Reason.Internal()
}

// Invalid is the error of a source that is wrong; the diagnostics say where.
func Invalid(sources []SourceFile, items ...Diagnostic) error {
	return &BuildFailed{MakeBuildErrorInvalid(Report{Items: items, Sources: sources})}
}

// Unsupported is the error of what the frontend does not do, such as "outlines".
func Unsupported(what string) error {
	return &BuildFailed{MakeBuildErrorUnsupported(what)}
}

// UnknownTarget is the error of a target that the build file has not.
func UnknownTarget(name string) error {
	return &BuildFailed{MakeBuildErrorUnknownTarget(name)}
}

// HostFailed is the error of a call to the host that failed.
func HostFailed(message string) error {
	return &BuildFailed{MakeBuildErrorHostFailed(message)}
}

// Error makes a diagnostic of what is wrong; the code is a stable name such as "UnknownInstruction".
func Error(code, message string, ranges ...SourceRange) Diagnostic {
	return Diagnostic{Severity: SeverityError, Code: code, Message: message, Ranges: ranges}
}

// Warning makes a diagnostic of what is doubtful.
func Warning(code, message string, ranges ...SourceRange) Diagnostic {
	return Diagnostic{Severity: SeverityWarning, Code: code, Message: message, Ranges: ranges}
}

// WithHelp adds to a diagnostic what can be done about it; an empty text adds nothing.
func WithHelp(diagnostic Diagnostic, help string) Diagnostic {
	if help != "" {
		diagnostic.Help = Some(help)
	}
	return diagnostic
}

// WithRelated adds another place to a diagnostic.
func WithRelated(diagnostic Diagnostic, message string, place SourceRange) Diagnostic {
	diagnostic.Related = append(diagnostic.Related, Related{Message: message, Range: place})
	return diagnostic
}

// Gives the contract's error of any error. What is none of it is a bug of the frontend.
func reason(err error) BuildError {
	if failed, ok := errors.AsType[*BuildFailed](err); ok {
		return failed.Reason
	}
	return MakeBuildErrorInternal(err.Error())
}

// Gives the error of a panic that is being recovered, with the place where it began.
func panicked(problem any) error {
	place := ""
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	inPanic := false
	for {
		frame, more := frames.Next()
		isRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if inPanic && !isRuntime {
			place = fmt.Sprintf(" (%s:%d in %s)", frame.File, frame.Line, frame.Function)
			break
		}
		inPanic = inPanic || isRuntime
		if !more {
			break
		}
	}
	return &BuildFailed{MakeBuildErrorInternal(fmt.Sprintf("panic: %v%s", problem, place))}
}
