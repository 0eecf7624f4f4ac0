// Lets a process end while onnxruntime computes in a worker thread: process.exit() ends threads wherever they are, and
// one that is inside native code then aborts the process. So the exit waits for the run under way.
import { closeGate, waitForNative } from "./exit-gate.js";

const guarded = new Set<Int32Array>();

/** The longest that an exit waits, in milliseconds. */
const patience = 60_000;

function waitForAll(): void {
  for (const flags of guarded) closeGate(flags);
  for (const flags of guarded) waitForNative(flags, patience);
}

/** From now on a process exit waits while the flags say busy. Returns what ends this. */
export function endSafely(flags: Int32Array): () => void {
  if (guarded.size === 0) process.on("exit", waitForAll);
  guarded.add(flags);
  return () => {
    guarded.delete(flags);
    if (guarded.size === 0) process.off("exit", waitForAll);
  };
}
