package lapstrake

import "github.com/lapstrake/lapstrake/sdk/go/internal/wit/types"

// An Option is a value or nothing, as the contract's fields have it. Its zero value is nothing.
type Option[T any] = types.Option[T]

// Some makes an option of a value.
func Some[T any](value T) Option[T] { return types.Some(value) }

// None makes an option of nothing.
func None[T any]() Option[T] { return types.None[T]() }
