;; A core module, as compilers emit it before it is made a component.
(module
  (memory (export "memory") 1)
  (func (export "lapstrake:frontend/frontend@0.1.0#describe") (result i32) i32.const 0))
