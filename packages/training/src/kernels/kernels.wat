;; The passes over whole tables that every update makes, on four numbers at a time.
;;
;; The caller copies a block of at most 8,192 numbers of each array to its place in memory, and back:
;;   0 parameters (or what is averaged, or summed)   32768 gradient (or average)   65536 first moment   98304 second moment
;; n is a multiple of 8; the caller ignores what lies beyond its block's end.
(module
  (memory (export "memory") 2 2)

  ;; m ← β₁m + (1−β₁)g,  v ← β₂v + (1−β₂)g²,  p ← p − size·m/(√v + ε), in single precision
  (func (export "adam")
    (param $n i32) (param $beta1 f32) (param $fresh1 f32) (param $beta2 f32) (param $fresh2 f32) (param $size f32) (param $epsilon f32)
    (local $at i32) (local $end i32) (local $g v128) (local $m v128) (local $v v128)
    (local.set $end (i32.shl (local.get $n) (i32.const 2)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $g (v128.load offset=32768 (local.get $at)))
        (local.set $m
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $beta1)) (v128.load offset=65536 (local.get $at)))
            (f32x4.mul (f32x4.splat (local.get $fresh1)) (local.get $g))))
        (local.set $v
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $beta2)) (v128.load offset=98304 (local.get $at)))
            (f32x4.mul (f32x4.mul (f32x4.splat (local.get $fresh2)) (local.get $g)) (local.get $g))))
        (v128.store offset=65536 (local.get $at) (local.get $m))
        (v128.store offset=98304 (local.get $at) (local.get $v))
        (v128.store (local.get $at)
          (f32x4.sub
            (v128.load (local.get $at))
            (f32x4.div
              (f32x4.mul (f32x4.splat (local.get $size)) (local.get $m))
              (f32x4.add (f32x4.sqrt (local.get $v)) (f32x4.splat (local.get $epsilon))))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next))))

  ;; average ← decay·average + (1−decay)·current, in single precision
  (func (export "average") (param $n i32) (param $decay f32) (param $fresh f32)
    (local $at i32) (local $end i32)
    (local.set $end (i32.shl (local.get $n) (i32.const 2)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (v128.store offset=32768 (local.get $at)
          (f32x4.add
            (f32x4.mul (f32x4.splat (local.get $decay)) (v128.load offset=32768 (local.get $at)))
            (f32x4.mul (f32x4.splat (local.get $fresh)) (v128.load (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br $next))))

  ;; Σ x² in double precision: eight sums, of the numbers whose places are equal modulo 8, added up at the end
  (func (export "sumOfSquares") (param $n i32) (result f64)
    (local $at i32) (local $end i32) (local $x v128) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $end (i32.shl (local.get $n) (i32.const 2)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $x (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $at))))
        (local.set $a (f64x2.add (local.get $a) (f64x2.mul (local.get $x) (local.get $x))))
        (local.set $x (f64x2.promote_low_f32x4 (v128.load64_zero offset=8 (local.get $at))))
        (local.set $b (f64x2.add (local.get $b) (f64x2.mul (local.get $x) (local.get $x))))
        (local.set $x (f64x2.promote_low_f32x4 (v128.load64_zero offset=16 (local.get $at))))
        (local.set $c (f64x2.add (local.get $c) (f64x2.mul (local.get $x) (local.get $x))))
        (local.set $x (f64x2.promote_low_f32x4 (v128.load64_zero offset=24 (local.get $at))))
        (local.set $d (f64x2.add (local.get $d) (f64x2.mul (local.get $x) (local.get $x))))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $next)))
    (local.set $a
      (f64x2.add (f64x2.add (local.get $a) (local.get $b)) (f64x2.add (local.get $c) (local.get $d))))
    (f64.add (f64x2.extract_lane 0 (local.get $a)) (f64x2.extract_lane 1 (local.get $a)))))
