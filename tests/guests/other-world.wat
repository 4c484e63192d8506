;; A component of another world.
(component
  (core module $code (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
  (core instance $code (instantiate $code))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $code "add")))
  (instance $sums (export "add" (func $add)))
  (export "example:calculator/sums@1.0.0" (instance $sums)))
