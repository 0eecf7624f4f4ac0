;; A sparse matrix times a dense one, four columns at a time: for every entry, row y of Y gains value · row x of X.
;;
;; The caller lays everything out in the memory and says where (bytes): the entries' rows of Y and of X (i32 each) and
;; values (f32), then X and Y, whose rows are `stride` bytes apart, a multiple of 16.
(module
  (memory (export "memory") 1 65536)

  (func (export "addProduct")
    (param $count i32) (param $ys i32) (param $xs i32) (param $values i32) (param $x i32) (param $y i32) (param $stride i32)
    (local $entry i32) (local $at i32) (local $end i32) (local $from i32) (local $to i32) (local $value v128)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $entry) (local.get $count)))
        (local.set $at (i32.shl (local.get $entry) (i32.const 2)))
        (local.set $value (f32x4.splat (f32.load (i32.add (local.get $values) (local.get $at)))))
        (local.set $to
          (i32.add (local.get $y)
            (i32.mul (i32.load (i32.add (local.get $ys) (local.get $at))) (local.get $stride))))
        (local.set $from
          (i32.add (local.get $x)
            (i32.mul (i32.load (i32.add (local.get $xs) (local.get $at))) (local.get $stride))))
        (local.set $end (i32.add (local.get $from) (local.get $stride)))
        (block $rowDone
          (loop $column
            (br_if $rowDone (i32.ge_u (local.get $from) (local.get $end)))
            (v128.store (local.get $to)
              (f32x4.add
                (v128.load (local.get $to))
                (f32x4.mul (local.get $value) (v128.load (local.get $from)))))
            (local.set $to (i32.add (local.get $to) (i32.const 16)))
            (local.set $from (i32.add (local.get $from) (i32.const 16)))
            (br $column)))
        (local.set $entry (i32.add (local.get $entry) (i32.const 1)))
        (br $next)))))
