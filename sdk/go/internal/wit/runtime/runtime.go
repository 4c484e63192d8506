// Package runtime has what the generated bindings need at run time: memory that stays where it is, and handles.
package runtime

import (
	"runtime"
	"unsafe"
)

// Allocate gives zeroed memory that stays until the pinner lets go of it. The alignment is 1, 2, 4 or 8.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	var memory unsafe.Pointer
	if align == 1 {
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint8, size)))
	} else {
		memory = unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	}
	pinner.Pin(memory)
	return memory
}

// What the host gave and no binding has read yet.
var given runtime.Pinner

// Unpin lets go of what the host gave: the bindings have read it.
func Unpin() { given.Unpin() }

// A Handle is the number of a resource, which can be given away once.
type Handle struct{ value int32 }

// MakeHandle makes a handle of a number that is not 0.
func MakeHandle(value int32) *Handle {
	handle := &Handle{}
	handle.Set(value)
	return handle
}

// Set sets the number, once.
func (h *Handle) Set(value int32) {
	if value == 0 || h.value != 0 {
		panic("not a new handle")
	}
	h.value = value
}

// Use gives the number.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("the handle was given away")
	}
	return h.value
}

// Take gives the number away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil gives the number away; 0: it was given away.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}
