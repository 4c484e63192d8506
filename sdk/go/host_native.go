//go:build !wasip1

package lapstrake

// Outside of a component there is no host: tests call a frontend's methods with one of their own.
func newHost() Host { return nil }
