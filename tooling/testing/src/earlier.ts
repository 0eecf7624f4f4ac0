// What an earlier version wrote, as committed fixtures: compared bit by bit on the machine that wrote them, closely on
// others.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "vitest";
import { expectClose } from "./close.js";

type Tensors = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number | bigint> }>
>;

/**
 * Whether the fixtures of a folder, by its about.json, were written on such a machine: bits are promised on the same
 * one only.
 */
export function writtenOnThisMachine(folder: string): boolean {
  const about: unknown = JSON.parse(fs.readFileSync(path.join(folder, "about.json"), "utf8"));
  const machine = typeof about === "object" && about !== null && "machine" in about ? about.machine : undefined;
  return machine === `${os.cpus()[0]?.model} ${process.arch}`;
}

/** The tensors of the fixture, by name, shape and bits; within 1e-4 where it was written on another machine. */
export function expectTensorsOf(found: Tensors, expected: Tensors, { exact }: { exact: boolean }): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(found[name]!.shape, name).toEqual(shape);
    const [now, then] = [Array.from(found[name]!.data, Number), Array.from(data, Number)];
    if (exact) expect(now, name).toEqual(then);
    else expectClose(now, then, { rtol: 1e-4, atol: 1e-6, label: name });
  }
}
