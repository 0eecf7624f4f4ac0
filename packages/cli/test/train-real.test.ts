// A few seconds on real purchases and a real LM, from the authors' matrices to metrics on their test split.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { sharedPath } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { runIn } from "./run-cli.js";

const beauty = sharedPath("data/amazon-beauty-cllm4rec");
const tinystories = sharedPath("models/tinystories-656k");

test.skipIf(!beauty || !tinystories)(
  "beats chance many times over, on all users",
  async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-real-"));
    try {
      expect((await runIn(folder, ["prepare", "--input", beauty!, "--out", "beauty"])).code).toBe(0);
      const run = [
        "train",
        "--data",
        "beauty",
        "--backbone",
        tinystories!,
        "--out",
        "model",
        "--minutes",
        "0.1",
        "--blend",
        "none",
        "--report",
        "none",
      ];
      expect((await runIn(folder, [...run, "--no-pretrain"])).code).toBe(0);
      const { stdout } = await runIn(folder, ["evaluate", "--model", "model", "--json"]);
      const { users, metrics } = JSON.parse(stdout);
      expect(users).toBe(10_553);
      expect(metrics["recall@20"]).toBeGreaterThan((5 * 20) / 6086); // chance is 20 of 6,086 items
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  },
  240_000,
);
