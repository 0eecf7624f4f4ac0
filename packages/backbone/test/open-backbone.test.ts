// Opening a backbone accounts for every weight: what is missing, left over, mis-shaped or not finite is named, and
// nothing is opened.
import fs from "node:fs";
import path from "node:path";
import { Backbone, CheckpointError, openCheckpoint } from "@cllm4rec/backbone";
import { describe, expect, it } from "vitest";
import { readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { f32, type RawTensor, safetensorsOf } from "./checkpoint-helpers.js";
import { expectRelative, modelDirectory, modelOpener, noSoftTokens } from "./goldens.js";

const open = modelOpener();
let count = 0;

/** A copy of a tiny model whose tensors and config are changed. */
async function changed(
  name: string,
  change: (tensors: Record<string, RawTensor>) => void,
  config: (json: Record<string, unknown>) => void = () => {},
): Promise<string> {
  const source = modelDirectory(name);
  const file = path.join(source, "model.safetensors");
  const bytes = fs.readFileSync(file);
  const tensors: Record<string, RawTensor> = {};
  for (const [tensor, { dtype, shape, byteOffset, byteLength }] of (await readSafetensorsHeader(file)).tensors)
    tensors[tensor] = { dtype, shape, bytes: new Uint8Array(bytes.subarray(byteOffset, byteOffset + byteLength)) };
  change(tensors);
  const json = JSON.parse(fs.readFileSync(path.join(source, "config.json"), "utf8")) as Record<string, unknown>;
  config(json);
  const folder = path.join(open.folder, `changed-${count++}`);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "model.safetensors"), safetensorsOf(tensors));
  fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify(json));
  return folder;
}

async function refusal(folder: string, options: { maxPositions?: number } = {}): Promise<string> {
  const weights = { cacheDirectory: path.join(open.folder, "cache") };
  const error: unknown = await Backbone.open(folder, { weights, ...options }).then(
    (backbone) => backbone.dispose().then(() => undefined),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CheckpointError)) throw new Error(`expected a CheckpointError, got ${String(error)}`);
  expect(error.message.startsWith(folder)).toBe(true);
  return error.message.slice(folder.length);
}

describe("Backbone.open", () => {
  it("opens the copy as it is", async () => {
    const backbone = await open.backbone(await changed("gpt2", () => {}));
    expect(backbone.config.modelType).toBe("gpt2");
  });

  it.each<[string, string, (tensors: Record<string, RawTensor>) => void, string[]]>([
    [
      "a missing weight",
      "gpt2",
      (tensors) => delete tensors["h.1.mlp.c_fc.bias"],
      ['missing weight "h.1.mlp.c_fc.bias" [64] (also known as transformer.h.1.mlp.c_fc.bias)'],
    ],
    [
      "a tensor that nobody expects",
      "llama",
      (tensors) => {
        tensors["model.layers.0.self_attn.q_norm.weight"] = f32([4], [1, 1, 1, 1]);
      },
      ['unexpected tensor "model.layers.0.self_attn.q_norm.weight" [4]'],
    ],
    [
      "a layer more than config.json says",
      "llama",
      (tensors) => {
        tensors["model.layers.2.input_layernorm.weight"] = f32([16], new Array<number>(16).fill(1));
      },
      ['unexpected tensor "model.layers.2.input_layernorm.weight" [16]'],
    ],
    [
      "a transposed weight",
      "gpt2",
      (tensors) => {
        tensors["h.0.attn.c_attn.weight"] = { ...tensors["h.0.attn.c_attn.weight"]!, shape: [48, 16] };
      },
      ['"h.0.attn.c_attn.weight" has shape [48, 16], expected [16, 48]'],
    ],
    [
      "a misspelt name: what is missing and what is there",
      "gpt2",
      (tensors) => {
        tensors["h.0.ln1.weight"] = tensors["h.0.ln_1.weight"]!;
        delete tensors["h.0.ln_1.weight"];
      },
      ['missing weight "h.0.ln_1.weight" [16]', 'unexpected tensor "h.0.ln1.weight" [16]'],
    ],
    [
      "a weight that is not a number",
      "llama",
      (tensors) => {
        const weight = tensors["model.layers.1.mlp.up_proj.weight"]!;
        new DataView(weight.bytes.buffer, weight.bytes.byteOffset).setFloat32(4 * 17, Number.NaN, true);
      },
      ['tensor "model.layers.1.mlp.up_proj.weight" [40, 16]: element 17 is NaN'],
    ],
    [
      "an infinite weight",
      "gpt2",
      (tensors) => {
        const weight = tensors["wte.weight"]!;
        new DataView(weight.bytes.buffer, weight.bytes.byteOffset).setFloat32(0, Number.NEGATIVE_INFINITY, true);
      },
      ['tensor "wte.weight" [50, 16]: element 0 is -Infinity'],
    ],
    [
      "biases that the architecture has none of",
      "llama",
      (tensors) => {
        tensors["model.layers.0.mlp.gate_proj.bias"] = f32([40], new Array<number>(40).fill(0));
      },
      ['unexpected tensor "model.layers.0.mlp.gate_proj.bias" [40]'],
    ],
  ])("names %s", async (_, name, change, expected) => {
    const message = await refusal(await changed(name, change));
    for (const part of expected) expect(message).toContain(part);
  });

  it("names a head that is there although config.json ties it, with other values", async () => {
    const folder = await changed(
      "gpt2-untied",
      () => {},
      (json) => {
        json.tie_word_embeddings = true;
      },
    );
    const message = await refusal(folder);
    expect(message).toContain('"lm_head.weight"');
    expect(message).toContain("their values differ");
  });

  it("names an architecture that it does not have", async () => {
    const folder = await changed(
      "llama",
      () => {},
      (json) => {
        json.model_type = "llama4";
      },
    );
    expect(await refusal(folder)).toBe(
      '/config.json: "model_type" is "llama4", expected one of gemma3_text, gpt2, gpt_neox, llama, mistral, mt5, ' +
        "opt, phi3, qwen2, qwen3, smollm3, t5, umt5",
    );
  });

  it("masks a sliding window: the same states as without up to its length, others from there on", async () => {
    const windowed = () =>
      changed(
        "llama",
        () => {},
        (json) => Object.assign(json, { model_type: "mistral", sliding_window: 32 }),
      );
    expect(await refusal(await windowed(), { maxPositions: 65 })).toContain("maxPositions is 65");
    const weights = { cacheDirectory: path.join(open.folder, "cache") };
    const ids = Array.from({ length: 40 }, (_, t) => (t * 7) % 48);
    const states = async (directory: string, maxPositions?: number) => {
      const options = maxPositions === undefined ? { weights } : { weights, maxPositions };
      const backbone = await Backbone.open(directory, options);
      const model = open.model(backbone, { users: 0, items: 0 });
      const [hidden] = await model.hiddenStates([ids.slice(0, maxPositions)], noSoftTokens);
      await model.dispose();
      await backbone.dispose();
      return { hidden: hidden!, width: model.vocabulary.width, maxPositions: model.vocabulary.maxPositions };
    };
    const [whole, within] = [await states(modelDirectory("llama")), await states(await windowed())];
    expect(within.maxPositions).toBe(64);
    const end = 32 * whole.width;
    expectRelative(within.hidden.subarray(0, end), whole.hidden.subarray(0, end), "up to the window", 1e-5);
    for (let t = 32; t < 40; t++) {
      const at = (of: Float32Array) => [...of.subarray(t * whole.width, (t + 1) * whole.width)];
      expect(() => expectRelative(at(within.hidden), at(whole.hidden), `position ${t}`)).toThrow(/relative error/);
    }
    // Limited to the window, nothing is hidden.
    const limited = await states(await windowed(), 32);
    expectRelative(limited.hidden, whole.hidden.subarray(0, end), "limited to the window", 1e-5);
  });

  it.each(["gpt2", "llama"])(
    "ends a %s after the first blocks, as if the others had never been there",
    async (name) => {
      const inSecondBlock = /(^|\.)(h|layers)\.[1-9]/;
      const cut = await changed(
        name,
        (tensors) => {
          for (const tensor of Object.keys(tensors)) if (inSecondBlock.test(tensor)) delete tensors[tensor];
        },
        (json) => {
          json[name === "gpt2" ? "n_layer" : "num_hidden_layers"] = 1;
        },
      );
      const weights = { cacheDirectory: path.join(open.folder, "cache") };
      const [whole, shortened, expected] = [
        await Backbone.open(modelDirectory(name), { weights }),
        await Backbone.open(modelDirectory(name), { weights, layers: 1 }),
        await Backbone.open(cut, { weights }),
      ];
      const none = { rows: 0, data: new Float32Array() };
      const states = (backbone: Backbone) =>
        open.model(backbone, { users: 0, items: 0 }).hiddenStates([[3, 1, 4, 1, 5]], { users: none, items: none });
      expect(await states(shortened)).toEqual(await states(expected));
      expect(await states(shortened)).not.toEqual(await states(whole));
      expect(shortened.weightNames).toEqual(expected.weightNames);
      expect(shortened.operations([5])).toBe(expected.operations([5]));
      expect(shortened.contentHash).not.toBe(whole.contentHash);
      for (const backbone of [whole, shortened, expected]) await backbone.dispose();
    },
  );

  it("refuses more blocks than the model has", async () => {
    for (const layers of [0, 3, 1.5]) {
      await expect(Backbone.open(modelDirectory("gpt2"), { layers })).rejects.toThrow(
        `layers: found ${layers}, expected 1 … 2, as many as the model has`,
      );
    }
  });

  it("opens a base model, which is saved without the prefix and the head", async () => {
    const bare = await changed("llama-gqa", (tensors) => {
      for (const [name, tensor] of Object.entries(tensors)) {
        delete tensors[name];
        tensors[name.replace(/^model\.|^lm_head(?=\.weight)/, (part) => (part === "model." ? "" : "embed_tokens"))] =
          tensor;
      }
    });
    expect([...(await openCheckpoint(bare)).tensors.keys()]).toContain("layers.0.self_attn.q_proj.weight");
    const [whole, base] = [await open.backbone(modelDirectory("llama-gqa")), await open.backbone(bare)];
    const logits = (backbone: Backbone) =>
      open.model(backbone, { users: 0, items: 0 }).nextWordLogits([[3, 1, 4, 1, 5]], noSoftTokens);
    expect(await logits(base)).toEqual(await logits(whole));
  });

  it("names in one line the head that a base model with a head of its own lacks", async () => {
    const bare = await changed("llama", (tensors) => {
      for (const [name, tensor] of Object.entries(tensors)) {
        delete tensors[name];
        if (name !== "lm_head.weight") tensors[name.replace(/^model\./, "")] = tensor;
      }
    });
    const message = await refusal(bare);
    expect(message).toContain('missing weight "lm_head.weight" [');
    expect(message).not.toContain("\n");
  });

  it("reports keys of config.json that it does not know, once", async () => {
    const invent = (json: Record<string, unknown>) =>
      Object.assign(json, { invented: 1, "another\u001b": { deep: 1 } });
    const folder = await changed("gpt2", () => {}, invent);
    const weights = { cacheDirectory: path.join(open.folder, "cache") };
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    for (let i = 0; i < 2; i++) await (await Backbone.open(folder, { weights, onNotice })).dispose();
    expect(notices).toEqual([
      `${folder}/config.json: 2 keys are not known and ignored: "invented", "another\\u001b". If one of them ` +
        "changes what the model computes, its results differ from those of the program that wrote it",
    ]);
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on("warning", onWarning);
    await (await Backbone.open(await changed("gpt2", () => {}, invent), { weights })).dispose();
    await (await Backbone.open(modelDirectory("gpt2"), { weights, onNotice })).dispose();
    process.off("warning", onWarning);
    expect(warnings.map(({ name }) => name)).toEqual(["CheckpointWarning"]);
    expect(notices).toHaveLength(1);
  });
});

describe("the fingerprint", () => {
  it("changes with the config: the same weights with another base of the rotary angles are another model", async () => {
    const base = await open.backbone(modelDirectory("llama"));
    const withTheta = (theta: number) =>
      changed(
        "llama",
        () => {},
        (json) => {
          delete json.rope_parameters;
          json.rope_theta = theta;
        },
      );
    const [same, other] = [await open.backbone(await withTheta(10_000)), await open.backbone(await withTheta(500))];
    expect(other.contentHash).toBe(same.contentHash);
    expect(same.configHash).toBe(base.configHash); // in other words, but the same
    expect(other.configHash).not.toBe(base.configHash);
    expect(other.difference(same.fingerprint)).toBe("config");
    expect(same.difference(same.fingerprint)).toBeUndefined();
    // A directory of an earlier version records the weights alone, and still opens.
    expect(other.difference({ contentHash: same.contentHash })).toBeUndefined();
    expect(other.difference({ contentHash: "00", configHash: same.configHash })).toBe("weights");
  });

  it("does not change with what has no effect on the computation", async () => {
    const base = await open.backbone(modelDirectory("llama"));
    const renamed = await changed(
      "llama",
      () => {},
      (json) => {
        Object.assign(json, {
          eos_token_id: [1, 2],
          bos_token_id: 3,
          _name_or_path: "elsewhere",
          use_cache: false,
          invented: 2,
        });
      },
    );
    const weights = { cacheDirectory: path.join(open.folder, "cache") };
    const same = await Backbone.open(renamed, { weights, maxPositions: 8, onNotice: () => {} });
    expect(same.configHash).toBe(base.configHash);
    await same.dispose();
    const shortened = await Backbone.open(modelDirectory("llama"), { weights, layers: 1 });
    expect(shortened.configHash).not.toBe(base.configHash);
    await shortened.dispose();
  });
});
