// Text encoders against sentence-transformers and transformers, element by element, through the public API.
import fs from "node:fs";
import path from "node:path";
import {
  cosineSimilarities,
  openBackboneEncoder,
  openCheckpoint,
  openFloat32Weights,
  openSentenceEncoder,
  type SentenceEncoder,
  type SentenceEncoderOptions,
  type TextTokenizer,
} from "@cllm4rec/backbone";
import { Graph, gradients, onnxRuntime } from "@cllm4rec/onnx-grad";
import { sharedPath } from "@cllm4rec/testing";
import { Tokenizer } from "@huggingface/tokenizers";
import { afterAll, describe, expect, it } from "vitest";
import { parseEncoderConfig } from "../src/checkpoint/config-encoder.js";
import { sentenceFeeds } from "../src/encoder/open-sentence-encoder.js";
import { addSentenceRows } from "../src/encoder/sentence-graph.js";
import { expectRelative, goldenRecord, goldenTensors, modelDirectory, modelOpener } from "./goldens.js";

interface Golden {
  readonly texts: string[];
  readonly maxTokens: number;
}

const { folder } = modelOpener();
const weights = { cacheDirectory: path.join(folder, "cache") };
const engine = onnxRuntime();
const encoders: SentenceEncoder[] = [];
afterAll(async () => {
  for (const encoder of encoders) await encoder.dispose();
  await engine.dispose();
});

const json = (file: string) => JSON.parse(fs.readFileSync(file, "utf8")) as Record<string, unknown>;

function tokenizerOf(directory: string): TextTokenizer {
  const [file, config] = [json(`${directory}/tokenizer.json`), json(`${directory}/tokenizer_config.json`)];
  return { tokenizer: new Tokenizer(file, config), json: file, config };
}

async function open(directory: string, options: Partial<SentenceEncoderOptions> = {}): Promise<SentenceEncoder> {
  const encoder = await openSentenceEncoder(directory, {
    tokenizer: tokenizerOf(directory),
    engine,
    weights,
    ...options,
  });
  encoders.push(encoder);
  return encoder;
}

/** A copy of a tiny encoder with one of its JSON files changed. */
function changed(name: string, file: string, change: (content: never) => unknown): string {
  const copy = fs.mkdtempSync(path.join(folder, `${name}-`));
  fs.cpSync(modelDirectory(name), copy, { recursive: true });
  const content = JSON.parse(fs.readFileSync(path.join(copy, file), "utf8")) as never;
  fs.writeFileSync(path.join(copy, file), JSON.stringify(change(content)));
  return copy;
}

describe("sentence encoders", () => {
  it.each([
    ["bert", "mean, normalised, texts cut after 16 tokens"],
    ["distilbert", "the first token, a default prompt, saved with a head"],
    ["roberta", "without sentence-transformers' files, positions after the padding token's"],
    ["mpnet", "relative positions, later tokens count more, lower-cased"],
  ])("%s: %s", async (name) => {
    const { texts, maxTokens } = goldenRecord<Golden>(`encoder-${name}`);
    const encoder = await open(modelDirectory(`encoder-${name}`));
    expect([encoder.width, encoder.maxTokens]).toEqual([12, maxTokens]);
    const done: number[] = [];
    const rows = await encoder.encode(texts, { batch: 4, onProgress: (progress) => done.push(progress.done) });
    const golden = (await goldenTensors(`encoder-${name}`))("rows");
    expectRelative(rows, golden, name);
    expect(done).toEqual([4, 8, 9]);
    // Padding does not reach a text: alone in its batch it has the same row.
    expectRelative(await encoder.encode(texts, { batch: 1 }), golden, `${name}, one by one`);
  });

  it("all-MiniLM-L6-v2 agrees with sentence-transformers", async (context) => {
    const directory = sharedPath("models/minilm-l6");
    if (!directory) return context.skip("../shared/models/minilm-l6 is not there");
    const { texts, stride } = goldenRecord<Golden & { stride: number }>("encoder-minilm");
    const encoder = await open(directory, { weights: {} });
    expect([encoder.width, encoder.maxTokens]).toEqual([384, 256]);
    const rows = await encoder.encode(texts);
    const sample = rows.filter((_, i) => i % stride === 0);
    expectRelative(sample, (await goldenTensors("encoder-minilm"))("rows"), "minilm");
    const [question, answer] = [texts.length - 2, texts.length - 1].map((i) => rows.slice(i * 384, (i + 1) * 384));
    const cosines = cosineSimilarities(question!, rows.subarray(0, 384 * (texts.length - 2)));
    expect(cosineSimilarities(question!, answer!)[0]).toBeGreaterThan(Math.max(...cosines));
  });

  it("gradients of the last block and of word embeddings agree with PyTorch", async () => {
    const directory = modelDirectory("encoder-bert");
    const { texts, trained } = goldenRecord<Golden & { trained: string[] }>("encoder-bert");
    const golden = await goldenTensors("encoder-bert");
    const checkpoint = await openCheckpoint(directory);
    const config = parseEncoderConfig(checkpoint.config, {
      file: "config.json",
      generationConfig: undefined,
      maxPositions: undefined,
    });
    const stored = await openFloat32Weights(checkpoint, weights);
    const nameInFile = (name: string) =>
      name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
    const graph = new Graph("tuning");
    const values = new Map<string, ReturnType<Graph["input"]>>();
    const weight = (name: string) => {
      const { shape, file, byteOffset: offset, byteLength } = stored.tensor(nameInFile(name));
      const value =
        values.get(name) ??
        (trained.includes(name)
          ? graph.input(name, "float32", shape)
          : graph.initializer(name, { dtype: "float32", shape, file, offset, byteLength }));
      values.set(name, value);
      return value;
    };
    const rows = addSentenceRows(graph, config, weight, { normalise: true });
    const factors = graph.input("factors", "float32", ["B", 12]);
    const found = gradients(
      graph,
      rows,
      trained.map((name) => values.get(name)!),
      factors,
    );
    trained.forEach((name, i) => {
      graph.output(`gradient of ${name}`, found[i]!);
    });
    const { tokenizer } = tokenizerOf(directory);
    const ids = texts
      .map((text) => tokenizer.encode(text).ids)
      .map((all) => (all.length > 16 ? [...all.slice(0, 15), all.at(-1)!] : all));
    const session = await engine.load(graph);
    const fed = await Promise.all(
      trained.map(async (name) => [
        name,
        {
          dtype: "float32" as const,
          shape: stored.tensor(nameInFile(name)).shape,
          data: await stored.read(nameInFile(name)),
        },
      ]),
    );
    const outputs = await session.run({
      ...sentenceFeeds(config, ids, "mean"),
      ...Object.fromEntries(fed),
      factors: { dtype: "float32", shape: [texts.length, 12], data: golden("factors") },
    });
    for (const name of trained)
      expectRelative(outputs[`gradient of ${name}`]!.data as Float32Array, golden(`gradient.${name}`), name);
    await session.dispose();
  });

  it("the fingerprint follows what decides the rows, and nothing else", async () => {
    const directory = modelDirectory("encoder-bert");
    const { fingerprint } = await open(directory);
    const others = await Promise.all([
      open(directory, { maxTokens: 15 }),
      open(directory, { pooling: "cls" }),
      open(directory, { normalise: false }),
      open(directory, { tokenizer: tokenizerOf(modelDirectory("encoder-distilbert")) }),
      open(changed("encoder-bert", "config.json", (config: object) => ({ ...config, hidden_act: "relu" }))),
    ]);
    expect(new Set([fingerprint, ...others.map((each) => each.fingerprint)]).size).toBe(6);
    const same = changed("encoder-bert", "config.json", (config: object) => ({ ...config, transformers_version: "9" }));
    expect((await open(same)).fingerprint).toBe(fingerprint);
  });

  it.each<[string, string, string, (content: never) => unknown, RegExp]>([
    [
      "a language model",
      "encoder-bert",
      "config.json",
      (c: object) => ({ ...c, model_type: "gpt2" }),
      /"model_type" is "gpt2".*openBackboneEncoder/,
    ],
    [
      "a causal mask",
      "encoder-bert",
      "config.json",
      (c: object) => ({ ...c, is_decoder: true }),
      /"is_decoder" is true/,
    ],
    [
      "relative keys",
      "encoder-bert",
      "config.json",
      (c: object) => ({ ...c, position_embedding_type: "relative_key" }),
      /"relative_key".*expected "absolute"/,
    ],
    [
      "more blocks than weights",
      "encoder-bert",
      "config.json",
      (c: object) => ({ ...c, num_hidden_layers: 3 }),
      /missing weight "encoder\.layer\.2/,
    ],
    [
      "a dense module",
      "encoder-bert",
      "modules.json",
      (c: object[]) => [...c.slice(0, 2), { ...c[2], type: "x.Dense" }],
      /"Dense", expected Transformer, Pooling/,
    ],
    [
      "a path out of the directory",
      "encoder-bert",
      "modules.json",
      (c: object[]) => [c[0], { ...c[1], path: "../x" }],
      /path is "..\/x", expected a folder/,
    ],
    [
      "two poolings",
      "encoder-bert",
      "1_Pooling/config.json",
      () => ({ pooling_mode: ["mean", "max"] }),
      /"mean" with "max", expected one of mean/,
    ],
    [
      "more tokens than positions",
      "encoder-bert",
      "sentence_bert_config.json",
      () => ({ max_seq_length: 41 }),
      /found 41, expected .* own 40/,
    ],
  ])("%s is refused", async (_, name, file, change, message) => {
    await expect(open(changed(name, file, change))).rejects.toThrow(message);
  });

  it("a foreign tokenizer, a text that is none and an abort are refused", async () => {
    const directory = modelDirectory("encoder-bert");
    const foreign = tokenizerOf(modelDirectory("encoder-roberta"));
    const encoder = await open(directory, { tokenizer: foreign });
    await expect(encoder.encode(["fine", "漢"])).rejects.toThrow(
      /made id \d+ of it.*90 rows; pass the tokenizer of this model/,
    );
    const right = await open(directory);
    await expect(right.encode(["a", null as unknown as string])).rejects.toThrow(
      "text 1: found null, expected a string",
    );
    await expect(right.encode(["a"], { batch: 0 })).rejects.toThrow("batch: found 0");
    await expect(right.encode(["a"], { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});

describe("hidden states of a language model", () => {
  const { sequences } = goldenRecord<{ sequences: number[][] }>("encoder-states");
  /** Texts that are lists of ids. */
  const tokenizer: TextTokenizer = {
    tokenizer: { encode: (text) => ({ ids: text === "a" ? [1] : text.split(" ").filter(Boolean).map(Number) }) },
    json: {},
    config: {},
  };
  const directory = modelDirectory("llama-gqa");

  it("means after each block agree with transformers", async () => {
    const golden = await goldenTensors("encoder-states");
    for (const layer of [1, 2]) {
      const encoder = await openBackboneEncoder(directory, { tokenizer, layer, engine, weights });
      encoders.push(encoder);
      expect(encoder.width).toBe(16);
      const rows = await encoder.encode(sequences.map((ids) => ids.join(" ")).concat(""), { batch: 2 });
      expectRelative(rows.subarray(0, -16), golden(`layer.${layer}`), `block ${layer}`);
      expect(rows.subarray(-16).every((value) => value === 0)).toBe(true);
    }
    const [one, two] = encoders.slice(-2);
    expect(one!.fingerprint).not.toBe(two!.fingerprint);
  });

  it("a block that the model lacks, and an encoder–decoder, are refused", async () => {
    await expect(openBackboneEncoder(directory, { tokenizer, layer: 3 })).rejects.toThrow(
      "layer: found 3, expected an integer from 1 to",
    );
    await expect(openBackboneEncoder(modelDirectory("t5"), { tokenizer })).rejects.toThrow("decoder-only");
  });
});

it("cosines", () => {
  const cosines = cosineSimilarities(Float32Array.of(3, 4), Float32Array.of(6, 8, -3, -4, 4, -3, 0, 0));
  expect([...cosines]).toEqual([1, -1, 0, 0]);
  expect(() => cosineSimilarities(Float32Array.of(1, 2), new Float32Array(3))).toThrow("a multiple of the query's 2");
});
