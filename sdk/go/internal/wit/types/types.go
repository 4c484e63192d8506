// Package types has what the generated bindings make of the contract's options and results.
package types

// The numbers of their cases.
const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// An Option is a value or nothing. Its zero value is nothing.
type Option[T any] struct {
	tag   uint8
	value T
}

// Some makes an option of a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// None makes an option of nothing.
func None[T any]() Option[T] { return Option[T]{} }

// Tag gives the number of the case.
func (o Option[T]) Tag() uint8 { return o.tag }

// IsSome says whether there is a value.
func (o Option[T]) IsSome() bool { return o.tag == OptionSome }

// IsNone says whether there is nothing.
func (o Option[T]) IsNone() bool { return o.tag == OptionNone }

// Some gives the value, which must be there.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("there is no value")
	}
	return o.value
}

// SomeOr gives the value, or another one where there is nothing.
func (o Option[T]) SomeOr(other T) T {
	if o.tag != OptionSome {
		return other
	}
	return o.value
}

// A Result is a value or an error.
type Result[T, E any] struct {
	tag uint8
	ok  T
	err E
}

// Ok makes a result of a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err makes a result of an error.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: err} }

// Tag gives the number of the case.
func (r Result[T, E]) Tag() uint8 { return r.tag }

// Ok gives the value, which must be there.
func (r Result[T, E]) Ok() T {
	if r.tag != ResultOk {
		panic("there is no value but an error")
	}
	return r.ok
}

// Err gives the error, which must be there.
func (r Result[T, E]) Err() E {
	if r.tag != ResultErr {
		panic("there is no error but a value")
	}
	return r.err
}
