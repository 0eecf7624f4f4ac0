// What model directories lack or have wrong: each ends in one error, with everything closed, so that the process ends
// too.
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { Backbone, TrainableBackbone } from "@cllm4rec/backbone";
import { NotAvailableError, openRecommender, WrongPartError } from "@cllm4rec/recommend";
import { readModel } from "@cllm4rec/training/model";
import { describe, expect, it } from "vitest";
import { bookshop, changed, temporaryFolder, withServing } from "./helpers.js";

const { backbone, data } = bookshop;

/** Opens a model in a process of its own, which has to end without being stopped, and returns the error's message. */
async function openElsewhere(directory: string, options: object): Promise<string> {
  const script = `
    import { openRecommender } from "@cllm4rec/recommend";
    await openRecommender(${JSON.stringify(directory)}, ${JSON.stringify(options)}).then(
      () => console.log("opened"),
      (error) => console.log(error.message),
    );`;
  const here = path.dirname(bookshop.model);
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd: here });
  return (await run).stdout.trimEnd();
}

describe("a process that cannot open a model says why and ends", () => {
  it("where a stored prompt has no {history}, before the backbone is looked for", async () => {
    const directory = await changed((model) => {
      const { recommendation } = JSON.parse(JSON.stringify(model.description.settings.serving));
      const prompts = { historyOnly: "The user will interact with:" };
      return withServing(model, { recommendation: { ...recommendation, prompts } });
    });
    expect(await openElsewhere(directory, { backbone: "./nowhere" })).toMatch(
      /model: prompt "historyOnly": the slot \{history\} is missing in "The user will interact with:"/,
    );
  });

  it("where the prompt does not fit", async () => {
    const directory = await changed((model) => {
      const { recommendation } = JSON.parse(JSON.stringify(model.description.settings.serving));
      return withServing(model, { recommendation: { ...recommendation, maxLength: 20 } });
    });
    expect(await openElsewhere(directory, { backbone })).toMatch(/leaves no room for an item within maxLength 20/);
  });

  it("where the tokenizer is another one", async () => {
    const other = path.join(temporaryFolder(), "backbone");
    fs.cpSync(backbone, other, { recursive: true });
    const file = path.join(other, "tokenizer.json");
    const swapped = fs.readFileSync(file, "utf8").replace('"a":97', '"a":98').replace('"b":98', '"b":97');
    fs.writeFileSync(file, swapped);
    expect(await openElsewhere(bookshop.model, { backbone: other })).toMatch(
      /found a tokenizer with hash .*, with which .*model was trained; give that one as the option backbone$/,
    );
  });

  it("where the backbone is missing or has no tokenizer", async () => {
    const missing = await changed((model) => ({
      ...model,
      description: { ...model.description, backbone: { ...model.description.backbone, id: "./nowhere" } },
    }));
    expect(await openElsewhere(missing, {})).toMatch(
      /was trained with it. If it was moved, give its place as the option/,
    );
    const bare = path.join(temporaryFolder(), "backbone");
    fs.cpSync(backbone, bare, { recursive: true });
    fs.rmSync(path.join(bare, "tokenizer.json"));
    expect(await openElsewhere(bookshop.model, { backbone: bare })).toMatch(/found neither tokenizer\.json nor/);
  });

  it("where a byte of the embeddings changed", async () => {
    const directory = await changed((model) => model);
    const file = path.join(directory, "embeddings.safetensors");
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 5]! ^= 1;
    fs.writeFileSync(file, bytes);
    expect(await openElsewhere(directory, { backbone })).toMatch(/embeddings\.safetensors: found checksum/);
  });
});

it("other weights are named", async () => {
  const other = path.join(temporaryFolder(), "backbone");
  fs.cpSync(backbone, other, { recursive: true });
  const file = path.join(other, "model.safetensors");
  const bytes = fs.readFileSync(file);
  bytes[bytes.length - 3]! ^= 1;
  fs.writeFileSync(file, bytes);
  const error = await openRecommender(bookshop.model, { backbone: other }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WrongPartError);
  expect(error).toMatchObject({ option: "backbone", message: expect.stringMatching(/found weights with hash/) });
  expect((error as WrongPartError).messageFor("--backbone")).toMatch(/give that one as --backbone$/);
});

describe("a model of the first version, without histories and titles", () => {
  const withoutContent = () => changed(({ histories: _, titles: __, ...model }) => model);

  it("takes them from its dataset, and says so", async () => {
    const notices: string[] = [];
    const onNotice = (message: string) => notices.push(message);
    const recommender = await openRecommender(await withoutContent(), { backbone, data, onNotice });
    const complete = await openRecommender(bookshop.model, { backbone, onNotice });
    const request = { user: "reader-4", k: 5 };
    expect(await recommender.recommend(request)).toEqual(await complete.recommend(request));
    expect(notices).toEqual([expect.stringMatching(/has no histories; those of its dataset .*data are used/)]);
    await recommender.close();
    await complete.close();
  });

  it("answers by histories where the dataset is missing, and says why not by users", async () => {
    const notices: string[] = [];
    const directory = await withoutContent();
    const recommender = await openRecommender(directory, { backbone, onNotice: (message) => notices.push(message) });
    expect(notices).toEqual([
      expect.stringMatching(
        /has no histories, and its dataset cannot be read: it recommends for histories, not for users$/,
      ),
    ]);
    const [best] = await recommender.recommend({ history: ["crime-1", "crime-2"], k: 1 });
    expect(best).toEqual({ item: expect.stringMatching(/^crime/), score: expect.any(Number) }); // no title
    const error = await recommender.recommend({ user: "reader-4", k: 1 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotAvailableError);
    expect(error).toMatchObject({
      code: "no-histories",
      message: expect.stringMatching(/give its place as the option data/),
    });
    await recommender.close();
  });

  it("is refused another dataset", async () => {
    const other = await changed((model) => withServing(model, { dataset: { path: data, hash: "00".repeat(32) } }));
    const { histories: _, ...model } = await readModel(other);
    const directory = await changed(() => model);
    const recommender = await openRecommender(directory, { backbone });
    await expect(recommender.recommend({ user: "reader-4", k: 1 })).rejects.toThrow(
      /found a dataset with content hash .*; give that one as the option data/,
    );
    await recommender.close();
  });
});

it("the same weights with another base of the rotary angles are refused", async () => {
  const original = path.join(temporaryFolder(), "backbone");
  const sizes = { vocab_size: 256, hidden_size: 16, intermediate_size: 32, max_position_embeddings: 160 };
  const heads = { num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, rms_norm_eps: 1e-5 };
  const llama = TrainableBackbone.create(
    { model_type: "llama", ...sizes, ...heads, rope_theta: 10_000, tie_word_embeddings: true },
    ({ shape }) =>
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => (shape.length > 1 ? at % 7 : 7) / 7),
  );
  await llama.save(original);
  await llama.dispose();
  const tokenizer = "tokenizer.json";
  fs.copyFileSync(path.join(backbone, tokenizer), path.join(original, tokenizer));
  const opened = await Backbone.open(original);
  const { fingerprint } = opened;
  await opened.dispose();
  const directory = await changed((model) => ({
    ...model,
    description: { ...model.description, backbone: { id: original, ...fingerprint } },
  }));
  await (await openRecommender(directory)).close();

  const file = path.join(original, "config.json");
  const config = JSON.parse(fs.readFileSync(file, "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...config, rope_theta: 500 }));
  const error = await openRecommender(directory).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WrongPartError);
  expect(error).toMatchObject({
    option: "backbone",
    message: expect.stringMatching(/found a config\.json with hash .*, expected .*model was trained/),
  });
});
