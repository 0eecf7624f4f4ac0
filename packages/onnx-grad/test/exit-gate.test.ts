// The gate between native code in the worker and the end of the process, in every order in which their steps can fall
// together.
import { afterEach, expect, test, vi } from "vitest";
import { closeGate, enterNative, leaveNative, waitForNative } from "../src/engine/onnxruntime/exit-gate.js";

afterEach(() => vi.restoreAllMocks());

/**
 * Runs the worker's side with the whole of the process' side put in front of its `at`-th atomic step; what both sides
 * found.
 */
function interleave(at: number): { entered: boolean; idle: boolean | undefined; steps: number } {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  let steps = 0;
  let idle: boolean | undefined;
  let inside = false;
  const step = () => {
    if (inside) return;
    if (steps++ === at) {
      inside = true;
      closeGate(flags);
      idle = waitForNative(flags, 0);
      inside = false;
    }
  };
  const { load, store } = Atomics;
  vi.spyOn(Atomics, "load").mockImplementation(((array: Int32Array, index: number) => {
    step();
    return load(array, index);
  }) as typeof Atomics.load);
  vi.spyOn(Atomics, "store").mockImplementation(((array: Int32Array, index: number, value: number) => {
    step();
    return store(array, index, value);
  }) as typeof Atomics.store);
  const entered = enterNative(flags);
  step();
  vi.restoreAllMocks();
  return { entered, idle, steps };
}

test("never does native code begin after the process has found none under way", () => {
  const { steps } = interleave(Number.POSITIVE_INFINITY);
  expect(steps).toBeGreaterThanOrEqual(3);
  for (let at = 0; at < steps; at++) {
    const { entered, idle } = interleave(at);
    expect({ at, broken: entered && idle === true }).toEqual({ at, broken: false });
  }
});

test("a gate that is closed lets nothing in and leaves no flag behind", () => {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  closeGate(flags);
  expect(enterNative(flags)).toBe(false);
  expect(waitForNative(flags, 0)).toBe(true);
});

test("an exit waits for what is under way, and no longer", () => {
  const flags = new Int32Array(new SharedArrayBuffer(8));
  expect(enterNative(flags)).toBe(true);
  closeGate(flags);
  expect(waitForNative(flags, 0)).toBe(false);
  leaveNative(flags);
  expect(waitForNative(flags, 0)).toBe(true);
});
