// Tensors with a description beside a model: what is written is read, and a changed byte is refused by name.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  readDescribedTensors,
  removeDescribedTensors,
  TrainingError,
  writeDescribedTensors,
} from "@cllm4rec/training/model";
import { expect, it, onTestFinished } from "vitest";

it("are read as they were written, whole or not at all", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "described-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true }));
  expect(await readDescribedTensors(folder, "extra")).toBeUndefined();
  const written = {
    description: { weights: [0.1, 1 / 3], note: "ä" },
    tensors: {
      rows: { shape: [2], data: Int32Array.of(3, -1) },
      values: { shape: [1, 2], data: Float32Array.of(0.5, Math.PI) },
    },
  };
  await writeDescribedTensors(folder, "extra", written);
  expect(await readDescribedTensors(folder, "extra")).toEqual(written);
  expect(JSON.parse(fs.readFileSync(path.join(folder, "extra.json"), "utf8"))).toEqual(written.description);

  const file = path.join(folder, "extra.safetensors");
  const bytes = fs.readFileSync(file);
  const noted = bytes.indexOf("ä");
  for (const at of [noted + 1, bytes.length - 1]) {
    const changed = Uint8Array.from(bytes);
    changed[at]! ^= 1;
    fs.writeFileSync(file, changed);
    const error = await readDescribedTensors(folder, "extra").catch((reason: unknown) => reason);
    expect(error, `byte ${at}`).toBeInstanceOf(TrainingError);
    expect(error, `byte ${at}`).toMatchObject({ message: expect.stringContaining("extra.safetensors") });
  }
  await removeDescribedTensors(folder, "extra");
  expect(fs.readdirSync(folder)).toEqual([]);
  await removeDescribedTensors(folder, "extra"); // nothing is left to remove
});
