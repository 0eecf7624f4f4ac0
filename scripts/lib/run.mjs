// Starts one program and waits for it to end, whatever signals arrive meanwhile; the environment every started program
// gets.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** What ends a script with one message and an exit code instead of a stack trace. */
export class Failure extends Error {
  /** @param {string} message @param {number} exitCode */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

// npm hands its own settings down as npm_* variables; pnpm would warn about most of them. What says how to reach a
// registry stays.
const kept = /^npm_config_(registry|.*proxy|ca|cafile|strict_ssl|userconfig|globalconfig|.*:registry|\/\/.*)$/i;

/** The environment of everything started here. */
export const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(config|package|lifecycle)_/i.test(name) || kept.test(name)),
);
Object.assign(environment, { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", ONNXRUNTIME_NODE_INSTALL: "skip" });

/** @type {NodeJS.Signals | undefined} */
let interruption;

/**
 * The exit code that tells of the signal which came while a program ran (130 for Ctrl-C), or undefined when none did.
 */
export const interrupted = () => interruption && 128 + constants.signals[interruption];

/**
 * Runs `command` to its end and resolves to its exit code (128 + signal number when a signal ended it).
 *
 * A terminal's Ctrl-C reaches the child directly, so here it only has to be survived: a training run that saves its
 * state before it stops must not lose its parent first. Without a terminal the signal is passed on.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, stdoutToStderr?: boolean, env?: Record<string, string | undefined> }} options
 * @returns {Promise<number>}
 */
export function run(command, args, { cwd, stdoutToStderr = false, env = {} }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...environment, ...env },
      shell: process.platform === "win32" && command === "npx",
      stdio: ["inherit", stdoutToStderr ? 2 : "inherit", "inherit"],
    });
    /** @type {NodeJS.Signals[]} */
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    const pass = (/** @type {NodeJS.Signals} */ signal) => {
      interruption = signal;
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of signals) process.on(signal, pass);
    // npm stopped by a signal takes only the shell between us with it; whoever loses the parent so is to stop too.
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid !== parent) child.kill("SIGTERM");
    }, 500);
    const done = () => {
      clearInterval(watch);
      for (const signal of signals) process.off(signal, pass);
    };
    child.on("error", (error) => {
      done();
      reject(new Failure(`${command} cannot be started: ${error.message}`, 127));
    });
    child.on("close", (code, signal) => {
      done();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
