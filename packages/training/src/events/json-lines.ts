// Events as JSON lines in a file: one object per line, whole lines only, even if the process is killed.
import fs from "node:fs";
import path from "node:path";
import { cannotWrite } from "../checkpoint/atomic.js";
import type { TrainingEvent } from "./events.js";

/** An open log. */
export interface EventLog {
  write(event: TrainingEvent): void;
  close(): void;
}

/**
 * Appends events to `file`, each with a `time` (ISO 8601) in front. A last line that a killed process left unfinished
 * is removed first. A run that resumes repeats the steps since its last checkpoint: of two lines with the same `update`
 * the later one counts.
 * @param now milliseconds since 1970; by default the system's clock
 * @throws TrainingError where the file cannot be written
 */
export function jsonLinesLog(file: string, now: () => number = Date.now): EventLog {
  let descriptor: number;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    descriptor = fs.openSync(file, "a+");
    fs.ftruncateSync(descriptor, wholeLines(descriptor));
  } catch (error) {
    throw cannotWrite(file, error);
  }
  return {
    write(event) {
      try {
        fs.writeSync(descriptor, `${JSON.stringify({ time: new Date(now()).toISOString(), ...event })}\n`);
      } catch (error) {
        throw cannotWrite(file, error);
      }
    },
    close: () => fs.closeSync(descriptor),
  };
}

/** Bytes up to and including the last line feed. */
function wholeLines(descriptor: number): number {
  const block = Buffer.alloc(1 << 16);
  let end = fs.fstatSync(descriptor).size;
  while (end > 0) {
    const from = Math.max(0, end - block.length);
    const read = fs.readSync(descriptor, block, 0, end - from, from);
    const at = block.subarray(0, read).lastIndexOf(0x0a);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
}
