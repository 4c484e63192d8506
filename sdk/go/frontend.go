package lapstrake

// A Frontend is a build language. What it can do more is in the interfaces below: it has their methods or has not. A call depends
// on its arguments and the host's answers alone; an instance lives for one call.
type Frontend interface {
	// Describe says what the frontend is.
	Describe() FrontendInfo
}

// A Builder turns a build file into a graph and images, which [Graph.Finish] makes. Errors are those of [Invalid], [UnknownTarget],
// [Unsupported] and [HostFailed]; any other counts as a bug of the frontend.
type Builder interface {
	Build(host Host, request *Request) (BuildResult, error)
}

// A Linter finds what is wrong or doubtful without building. A frontend without it gives what Build finds.
type Linter interface {
	Lint(host Host, request *Request) (Report, error)
}

// An Outliner describes a target and what can be set from outside.
type Outliner interface {
	Outline(host Host, request *Request) (Outline, error)
}

// A TargetLister lists the targets of a build file.
type TargetLister interface {
	ListTargets(host Host, request *Request) ([]TargetInfo, error)
}

// A Caller answers the named sub-requests that Describe names.
type Caller interface {
	Call(host Host, name string, request *Request) (CallResult, error)
}

// A Completer says what could stand at a position of one of the request's sources.
type Completer interface {
	Completions(host Host, request *Request, file uint32, at Position) ([]Completion, error)
}

// A Hoverer says what is known of a position of one of the request's sources; nil: nothing.
type Hoverer interface {
	Hover(host Host, request *Request, file uint32, at Position) (*Hover, error)
}

// A SourceRewriter gives the main source as the next frontend of a chain is to read it: "# syntax=mine | docker/dockerfile:1".
type SourceRewriter interface {
	RewriteSources(host Host, request *Request) (Rewritten, error)
}

// An ImageRewriter gives the images that another frontend of a chain shall get instead, in order.
type ImageRewriter interface {
	RewriteImages(host Host, request *Request, images []ImageRequest) ([]ImageRequest, error)
}

// A ResultRewriter changes what another frontend of a chain made.
type ResultRewriter interface {
	RewriteResult(host Host, request *Request, built BuildResult) (BuildResult, error)
}

// NewImageConfig makes an empty configuration for a platform.
func NewImageConfig(platform Platform) ImageConfig {
	return ImageConfig{Platform: platform}
}

// NewImage makes an image of a tree and its configuration.
func NewImage(state State, config ImageConfig) BuiltImage {
	return BuiltImage{Platform: config.Platform, Root: state.edge, Config: config}
}

// OptionOf gives the value of an option such as "no-cache", and whether it is there.
func OptionOf(request *Request, name string) (value string, ok bool) {
	return GetPair(request.Options, name)
}

// BuildArg gives the value of a build argument, and whether it is there.
func BuildArg(request *Request, name string) (value string, ok bool) {
	return GetPair(request.BuildArgs, name)
}

// TargetPlatforms gives the platforms to build for: those asked for, else the one that the build runs on.
func TargetPlatforms(request *Request) []Platform {
	if len(request.Platforms) > 0 {
		return request.Platforms
	}
	return []Platform{request.BuildPlatform}
}

// SetPair sets a key of an ordered list of pairs, in its old place where it is there already, and gives the list.
func SetPair(pairs []KeyValue, key, value string) []KeyValue {
	for i := len(pairs) - 1; i >= 0; i-- {
		if pairs[i].Key == key {
			pairs[i].Value = value
			return pairs
		}
	}
	return append(pairs, KeyValue{Key: key, Value: value})
}

// GetPair gives the value of a key, and whether it is there; the last one of a name counts.
func GetPair(pairs []KeyValue, key string) (value string, ok bool) {
	for i := len(pairs) - 1; i >= 0; i-- {
		if pairs[i].Key == key {
			return pairs[i].Value, true
		}
	}
	return "", false
}

func optional[T any](value *T) Option[T] {
	if value == nil {
		return None[T]()
	}
	return Some(*value)
}
