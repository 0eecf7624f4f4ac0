// A disk that fills up at different points of a run (a small tmpfs): one sentence and exit code 1; with more room the
// same command ends with the bits of a run that never lacked any. Needs the right to mount; says so and passes where
// there is none. Build first; then: sudo node packages/cli/scripts/reliability/full-disk.mjs
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { cli, complaint, differing, TRAIN, workshop } from "./workshop.mjs";

const mount = (/** @type {string[]} */ ...args) => spawnSync("mount", args, { encoding: "utf8" });
const folder = await workshop("disk");
const disk = path.join(folder, "disk");
fs.mkdirSync(disk);
let failures = 0;
try {
  const tried = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", disk);
  if (tried.status !== 0) {
    console.log(`skipped: nothing can be mounted here (${tried.stderr?.trim() || tried.error?.message})`);
  } else {
    const reference = await cli(folder, [...TRAIN, "--out", "reference"]);
    if (reference.code !== 0) throw new Error(reference.stderr);
    console.log("size of the disk | command | exit code | complaint | what was said");
    for (const size of ["16k", "48k", "80k", "112k", "160k"]) {
      fs.rmSync(path.join(disk, "model"), { recursive: true, force: true });
      mount("-o", `remount,size=${size}`, disk);
      const full = await cli(folder, [...TRAIN, "--out", "disk/model"]);
      const wrong = full.code === 0 ? undefined : complaint(full);
      const said = full.stderr.split("\n").find((line) => line.startsWith("error: ")) ?? "";
      console.log(`${size} | train | ${full.code} | ${wrong ?? "none"} | ${said}`);
      mount("-o", "remount,size=64m", disk);
      const resumed = await cli(folder, [...TRAIN, "--out", "disk/model"]);
      const other = resumed.code === 0 ? differing(path.join(folder, "reference"), path.join(disk, "model")) : ["all"];
      console.log(`64m | the same | ${resumed.code} | other bits: ${other.join(", ") || "none"} |`);
      if (wrong !== undefined || other.length > 0) failures++;
    }
    fs.rmSync(path.join(disk, "model"), { recursive: true, force: true });
    for (const size of ["8k", "16k", "40k"]) {
      mount("-o", `remount,size=${size}`, disk);
      const columns = "--columns user=user,item=item,text=text --core 0 --out disk/data".split(" ");
      const full = await cli(folder, ["prepare", "--input", "choices.jsonl", ...columns]);
      const left = fs.readdirSync(disk);
      const wrong = full.code === 0 ? undefined : (complaint(full) ?? (left.length > 0 ? `left: ${left}` : undefined));
      const said = full.stderr.split("\n").find((line) => line.startsWith("error: ")) ?? "";
      console.log(`${size} | prepare | ${full.code} | ${wrong ?? "none"} | ${said}`);
      if (wrong !== undefined) failures++;
      fs.rmSync(path.join(disk, "data"), { recursive: true, force: true });
    }
  }
} finally {
  spawnSync("umount", [disk]);
  fs.rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
