// Checkpoints and model directories: exact round trips, damage, folders that cannot be written to, a disk that fills up
// mid-file.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { writeSafetensors } from "@cllm4rec/backbone";
import { checkpointFile } from "@cllm4rec/training";
import { type ModelDescription, readModel, writeModel } from "@cllm4rec/training/model";
import { initialTables, stageCheckpoint } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "./helpers.js";

const state = { epoch: 3, loss: 0.1 + 0.2, names: ["a", null, true], nested: { x: -1e-300 } };
const tensors = {
  "a.b": { shape: [2, 3], data: Float32Array.of(1, -0, Number.NaN, 1e-45, Number.POSITIVE_INFINITY, 0.1) },
  steps: { shape: [2], data: Int32Array.of(-5, 2 ** 31 - 1) },
  empty: { shape: [0], data: new Float32Array(0) },
};

describe("checkpointFile", () => {
  it("gives back state and tensors bit for bit, and makes its folder", async () => {
    const store = stageCheckpoint(path.join(temporaryFolder(), "new", "model"), "finetune");
    expect(await store.load()).toBeUndefined();
    await store.save({ state, tensors });
    const loaded = await store.load();
    expect(loaded!.state).toEqual(state);
    expect(loaded!.tensors).toEqual(tensors);
    expect(path.basename(store.name)).toBe("finetune.safetensors");
  });

  it("refuses a file that was cut, changed in its header, or is something else, naming it", async () => {
    const file = path.join(temporaryFolder(), "state.safetensors");
    const store = checkpointFile(file);
    await store.save({ state, tensors });
    const bytes = fs.readFileSync(file);
    fs.writeFileSync(file, bytes.subarray(0, bytes.length - 1));
    await expect(store.load()).rejects.toThrow(new RegExp(`${file}.*truncated`));
    fs.writeFileSync(file, Buffer.from(bytes.toString("latin1").replace("training-state", "training-stage"), "latin1"));
    await expect(store.load()).rejects.toThrow(/expected cllm4rec-training-state/);
    fs.writeFileSync(file, "");
    await expect(store.load()).rejects.toThrow(file);
  });

  it("refuses a file in which any byte of the tensors was changed", async () => {
    const file = path.join(temporaryFolder(), "state.safetensors");
    const store = checkpointFile(file);
    await store.save({ state, tensors });
    const bytes = fs.readFileSync(file);
    const first = 8 + Number(bytes.readBigUInt64LE(0));
    for (let at = first; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1;
      fs.writeFileSync(file, damaged);
      await expect(store.load()).rejects.toThrow(`${file}: the checksum does not fit the content; the file is damaged`);
    }
    // A file of an earlier version has no checksum.
    await writeSafetensors(file, tensors, {
      metadata: { format: "cllm4rec-training-state", state: JSON.stringify(state) },
    });
    expect((await store.load())!.tensors).toEqual(tensors);
  });

  it("says so and loses nothing where the folder cannot be written to", async () => {
    const folder = temporaryFolder();
    fs.writeFileSync(path.join(folder, "training-state"), "a file where the folder should be");
    const store = stageCheckpoint(folder, "finetune");
    await expect(store.save({ state, tensors })).rejects.toThrow(/cannot be written.*run the same command again/s);
    expect(fs.readdirSync(folder)).toEqual(["training-state"]);
  });

  // A limit on the size of files makes write() fail in the middle of one, as a full disk does; Node ignores the signal
  // that comes with it.
  it.skipIf(process.platform === "win32")(
    "keeps the last checkpoint where a write fails half-way, and leaves no rubbish",
    async () => {
      const folder = temporaryFolder();
      const store = checkpointFile(path.join(folder, "state.safetensors"));
      await store.save({ state, tensors });
      const before = fs.readFileSync(store.name);
      const program = `
      import { checkpointFile } from "@cllm4rec/training";
      const data = new Float32Array(1 << 20);
      const tensors = { large: { shape: [data.length], data } };
      await checkpointFile(process.argv[1]).save({ state: {}, tensors }).catch((error) => {
        console.log(error.name, error.message);
        process.exitCode = 3;
      });`;
      const { status, stdout, stderr } = spawnSync(
        "sh",
        ["-c", 'ulimit -f 512; exec "$0" --input-type=module -e "$1" "$2"', process.execPath, program, store.name],
        { encoding: "utf8", cwd: import.meta.dirname },
      );
      expect(stderr).toBe("");
      expect(stdout).toMatch(
        /^TrainingError .*state\.safetensors: cannot be written: .*(EFBIG|file too large).*untouched/s,
      );
      expect(status).toBe(3);
      expect(fs.readFileSync(store.name).equals(before)).toBe(true);
      expect(fs.readdirSync(folder)).toEqual(["state.safetensors"]);
    },
  );

  it("removes temporary files of processes that are gone, and no others", async () => {
    const folder = temporaryFolder();
    const store = checkpointFile(path.join(folder, "state.safetensors"));
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const [dead, alive, foreign] = [
      `state.safetensors.${gone}-0123456789ab.tmp`,
      `state.safetensors.${process.pid}-0123456789ab.tmp`,
      "state.safetensors.notes.tmp",
    ];
    for (const name of [dead, alive, foreign]) fs.writeFileSync(path.join(folder, name), "");
    await store.save({ state, tensors });
    expect(fs.readdirSync(folder).sort()).toEqual(["state.safetensors", alive, foreign].sort());
  });
});

describe("model directory", () => {
  const sizes = { words: 13, users: 3, items: 2, width: 4 };
  const description: ModelDescription = {
    format: "cllm4rec-model",
    version: 1,
    backbone: { id: "org/tiny", contentHash: "00ff" },
    sizes,
    stage: "finetune",
    settings: { prompts: { recommendation: "{user} …" }, lambdaC: 1 },
    metrics: { "recall@20": 0.1 },
  };
  const tables = initialTables({ ...sizes, seed: 1, priorDeviation: 1, contentDeviation: 1 });
  const ids = { users: ["u0", "ü\n1", "u2"], items: ["B000", ""] };

  it("is read back whole", async () => {
    const folder = path.join(temporaryFolder(), "model");
    await writeModel(folder, { description, tables, ids });
    expect(await readModel(folder)).toEqual({ description, tables, ids });
    expect(JSON.parse(fs.readFileSync(path.join(folder, "config.json"), "utf8"))).toEqual(description);
    expect(fs.readdirSync(folder).sort()).toEqual([
      "config.json",
      "embeddings.safetensors",
      "items.json",
      "users.json",
    ]);
  });

  it("may lack content tables and ids", async () => {
    const folder = temporaryFolder();
    const { collaborative } = tables;
    await writeModel(folder, { description, tables: { collaborative } });
    expect(await readModel(folder)).toEqual({ description, tables: { collaborative } });
  });

  it("describes the tables that are there, even where a kill came before config.json was written", async () => {
    const folder = temporaryFolder();
    await writeModel(folder, { description, tables });
    const before = fs.readFileSync(path.join(folder, "config.json"));
    const later = { ...description, metrics: { "recall@20": 0.2 } };
    await writeModel(folder, { description: later, tables });
    fs.writeFileSync(path.join(folder, "config.json"), before);
    expect((await readModel(folder)).description).toEqual(later);
  });

  it("refuses what does not belong together", async () => {
    const folder = temporaryFolder();
    await expect(readModel(folder)).rejects.toThrow(/embeddings\.safetensors: no such file/);
    await expect(writeModel(folder, { description, tables, ids: { users: ["a"], items: ["b"] } })).rejects.toThrow(
      /ids of 1 users and 1 items, expected 3 and 2/,
    );
    await writeModel(folder, { description, tables, ids });
    fs.writeFileSync(path.join(folder, "users.json"), '["a"]');
    await expect(readModel(folder)).rejects.toThrow(/users\.json: expected a JSON array of 3 strings/);
    fs.rmSync(path.join(folder, "users.json"));
    const { collaborative } = initialTables({ ...sizes, users: 2, seed: 1, priorDeviation: 1 });
    await expect(writeModel(folder, { description, tables: { collaborative } })).rejects.toThrow(/collaborative\.user/);
    await checkpointFile(path.join(folder, "embeddings.safetensors")).save({ state, tensors });
    await expect(readModel(folder)).rejects.toThrow(/no cllm4rec model/);
  });
});
