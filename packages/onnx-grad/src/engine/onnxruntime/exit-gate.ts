// Who goes first, native code in the worker or the end of the process: two flags in shared memory, each side raising
// its own before it looks at the other's (Dekker's algorithm), so that both never proceed at once.

/** 1 while onnxruntime's native code runs. A thread ended at that moment would take the process down. */
export const busyFlag = 0;
/** 1 once no further native code may begin. */
export const closingFlag = 1;

/** The worker's side: whether native code may begin. Where it may, {@link leaveNative} has to follow. */
export function enterNative(flags: Int32Array): boolean {
  // Busy first: with the order turned round, an exit between the look and the flag would end the thread inside native
  // code.
  Atomics.store(flags, busyFlag, 1);
  if (Atomics.load(flags, closingFlag) === 0) return true;
  leaveNative(flags);
  return false;
}

export function leaveNative(flags: Int32Array): void {
  Atomics.store(flags, busyFlag, 0);
  Atomics.notify(flags, busyFlag);
}

/** The process' side: no native code begins from now on. {@link waitForNative} waits for what is under way. */
export function closeGate(flags: Int32Array): void {
  Atomics.store(flags, closingFlag, 1);
}

/** Waits for native code under way, `patience` milliseconds at most; whether none is left. */
export function waitForNative(flags: Int32Array, patience: number): boolean {
  return Atomics.wait(flags, busyFlag, 1, patience) !== "timed-out";
}
