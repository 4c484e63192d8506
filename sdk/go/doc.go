// Package lapstrake is for build languages: a frontend reads the text of a build file and makes a graph of build steps. Compiled
// to a WebAssembly component, it is what `lapstrake build` runs without giving it files, network or time.
//
// A frontend is a type with two methods, which an init function registers:
//
//	type language struct{}
//
//	func (language) Describe() lapstrake.FrontendInfo { ... }
//
//	func (language) Build(host lapstrake.Host, request *lapstrake.Request) (lapstrake.BuildResult, error) { ... }
//
//	func init() { lapstrake.Register(language{}) }
//
//	func main() {}
//
// What else it can do is in interfaces of one method each, from [Linter] to [ResultRewriter].
//
// A [Graph] is built through [State] values, as with BuildKit's client/llb. Every type of the contract (wit/lapstrake.wit) has its
// name here; those are generated, and what they have as options and variants is made with [Some], [None] and the functions whose
// names begin with Make.
//
// A call depends on its arguments and on what the [Host] answers alone. In the component there are no files, no environment, no
// network and no time that passes; an instance lives for one call.
package lapstrake
